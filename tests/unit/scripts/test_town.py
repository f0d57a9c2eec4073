"""The second style of market: repeatable, payable, and detection judged by what another hand planted."""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest

from scripts.market import main, summary
from scripts.markets.judge import Verdict, judge
from scripts.markets.plan import MarketPlan
from scripts.markets.town_patterns import PATTERNS, plan_town

DAYS, PEOPLE, RATE = 48, 160, 0.02
UNSEEN_SEED = 973
"""A seed that no parameter was chosen on."""
RECALL_MIN = 0.9
PRECISION_MIN = 0.8


@cache
def town() -> MarketPlan:
    """Return a small town."""
    return plan_town(days=DAYS, accounts=PEOPLE, seed=UNSEEN_SEED, rate=RATE)


@cache
def verdict() -> Verdict:
    """Return how detection does on it."""
    return judge(town())


def test_a_seed_gives_the_same_town() -> None:
    """Payments, labels and holdings repeat, and every typology is planted."""
    again = plan_town(days=DAYS, accounts=PEOPLE, seed=UNSEEN_SEED, rate=RATE)
    assert (again.payments, again.labels, again.held) == (
        town().payments,
        town().labels,
        town().held,
    )
    assert {label.typology for label in town().labels} == set(PATTERNS)


def test_nobody_pays_what_he_does_not_have() -> None:
    """Balances stay above nothing, so that a ledger would take every payment."""
    balances = Counter(town().held)
    for payment in town().payments:
        for leg in payment.legs:
            assert leg.amount > 0
            assert leg.payer != leg.payee
            balances[leg.payer] -= leg.amount
            assert balances[leg.payer] >= 0
            balances[leg.payee] += leg.amount


@pytest.mark.parametrize(
    ("days", "people", "rate"), [(10, 100, 0.01), (40, 20, 0.01), (40, 70, 0.1)]
)
def test_a_town_has_a_least_size(days: int, people: int, rate: float) -> None:
    """Too few days or people make no town."""
    with pytest.raises(ValueError, match=r"at least|too few"):
        plan_town(days=days, accounts=people, seed=1, rate=rate)


def test_detection_finds_what_another_hand_planted() -> None:
    """Nine in ten patterns get an alert of their own kind, and eight in ten alerts are right."""
    planted, seen = sum(verdict().planted.values()), sum(verdict().seen.values())
    assert planted == 27
    assert seen >= RECALL_MIN * planted, verdict().missed
    assert summary([verdict()])["precision"] >= PRECISION_MIN, verdict().alerts


def test_a_town_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    """Only the first style becomes a chain."""
    with pytest.raises(SystemExit, match="2"):
        main(["--style", "town", "--out", "somewhere"])
    assert "in memory" in capsys.readouterr().err
