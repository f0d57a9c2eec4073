"""Rules of a history: broken ones are counted and told, and every row stays."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from analytics.features.accounts import NAMES
from analytics.features.engines import History, HistoryFeatures, history_features
from analytics.features.rules import SHARES, check_features

DAY = pd.Timestamp("2026-01-01")
LEGS = pd.DataFrame(
    {
        "height": [1, 2, 3, 4, 5],
        "time": [DAY] * 5,
        "kind": ["genesis", "transfer", "transfer", "transfer", "transfer"],
        "debit": [None, "a", "b", "stranger", "a"],
        "credit": ["a", "b", "a", "b", "nobody"],
        "asset": ["CNY"] * 5,
        "amount": [100, 50, -5, 10, 10],
    }
)
ACCOUNTS = pd.DataFrame(
    {"account": ["a", "b"], "member": "bank1", "kind": "user", "opened_height": 0}
)


def computed(folder: Path, legs: pd.DataFrame) -> HistoryFeatures:
    """Return the features of an export with these legs."""
    for name, rows in (("legs", legs), ("accounts", ACCOUNTS)):
        (folder / name).mkdir(parents=True)
        rows.to_parquet(folder / name / "part.parquet", index=False)
    return history_features(History.of(folder), until=None, engine="duckdb", master=None)


def test_a_sound_history_breaks_no_rule(tmp_path: Path) -> None:
    """Known accounts, amounts above 0; a first balance has no payer."""
    found = computed(tmp_path, LEGS.iloc[:2])
    assert found.quality == ()
    assert list(found.rows.account) == ["a", "b"]


def test_faults_of_legs_are_counted(tmp_path: Path) -> None:
    """Negative amounts and accounts that nobody opened, with what they do to features."""
    found = computed(tmp_path, LEGS)
    told = {(each.column, each.check): each for each in found.quality}
    assert told["amount", "negative"].rows == 1
    assert told["amount", "negative"].share == 0.2
    assert told["debit", "unknown_account"].text == "1 legs whose payer is no known account"
    assert told["credit", "unknown_account"].rows == 1
    assert told["paid_volume", "negative"].first_rows == (2,)
    assert len(found.rows) == 2


@pytest.mark.parametrize("name", NAMES)
def test_every_feature_has_a_rule(name: str) -> None:
    """Below 0 nothing is right; above 1 no share is."""
    sound = pd.DataFrame({"account": ["a", "b"], **dict.fromkeys(NAMES, 0.5)})
    assert check_features(sound) == ()
    low, high = sound.copy(), sound.copy()
    low.loc[1, name], high.loc[1, name] = -0.1, 1.5
    (finding,) = check_features(low)
    assert (finding.column, finding.check, finding.first_rows) == (name, "negative", (2,))
    assert [each.check for each in check_features(high)] == (["range"] if name in SHARES else [])


def test_an_account_has_one_row() -> None:
    """Two rows of one are both told."""
    twice = pd.DataFrame({"account": ["a", "a"], **dict.fromkeys(NAMES, 0.5)})
    (finding,) = check_features(twice)
    assert (finding.check, finding.first_rows) == ("repeated", (1, 2))
