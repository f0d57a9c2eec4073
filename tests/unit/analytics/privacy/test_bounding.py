"""Bounded sums: what the documented tables say, and no account beyond its bounds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from analytics.errors import RequestRefused
from analytics.privacy.bounding import Bounded, read_bounded
from analytics.privacy.questions import question_of
from analytics.warehouse.store import Settings, Warehouse, connect
from tests.histories import DAY_MS, History

ASKED: dict[str, Any] = {
    "measure": "payments",
    "by": "all",
    "epsilon": 0.1,
    "asset": None,
    "since_ms": None,
    "until_ms": None,
    "payments_max": None,
    "amount_max": None,
    "groups_max": None,
}
WIDE = 10**15
PAID = "FROM legs WHERE kind = 'transfer' AND debit <> credit"


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """Return the warehouse of a chain of nearly three weeks."""
    history = History(seed=4)
    history.grow(18, transactions=8, step_ms=DAY_MS + 3_600_000)
    path = tmp_path_factory.mktemp("bounding") / "file"
    made = Warehouse.create(connect(path, Settings()), history.network.genesis)
    made.append(history.blocks)
    yield made
    made.close()


def bounded(warehouse: Warehouse, **changed: Any) -> Bounded:
    """Return the sums of a question over the chain's days."""
    with warehouse.reading() as cursor:
        return read_bounded(cursor, ASKED | changed)


def sums(found: Bounded) -> dict[str, int]:
    """Return the sums that are not 0 by their group."""
    return {key: value for key, value in zip(found.keys, found.values, strict=True) if value}


def test_without_narrow_bounds_sums_are_the_documented_tables(warehouse: Warehouse) -> None:
    """Accounts, payments and volume of each group, by plain SQL over what people may query."""
    with warehouse.reading() as judge:
        by_day = dict(
            judge.execute(f"SELECT time::DATE::VARCHAR, count(*) {PAID} GROUP BY 1").fetchall()
        )
        by_member = dict(
            judge.execute(
                "SELECT member, count(DISTINCT debit) FROM legs JOIN accounts ON account = debit "
                "WHERE legs.kind = 'transfer' AND debit <> credit GROUP BY 1"
            ).fetchall()
        )
        by_size = dict(
            judge.execute(
                "SELECT (10::BIGINT ** floor(log10(amount)))::BIGINT::VARCHAR, sum(amount) "
                f"{PAID} AND asset = 'CNY' GROUP BY 1"
            ).fetchall()
        )
    assert sums(bounded(warehouse, by="day", payments_max=WIDE, groups_max=366)) == by_day
    assert sums(bounded(warehouse, measure="accounts", by="member")) == by_member
    volume = bounded(
        warehouse, measure="volume", by="amount", asset="CNY", amount_max=str(WIDE), groups_max=19
    )
    assert sums(volume) == by_size


def test_groups_are_known_without_payments(warehouse: Warehouse) -> None:
    """Days and powers of ten in which nobody paid are there, at 0; so are all members."""
    last = datetime.fromtimestamp(bounded(warehouse).question.until_ms // 1_000, UTC)
    first = last - timedelta(days=2)
    since_ms = int(first.timestamp() * 1_000)
    days = bounded(warehouse, by="day", since_ms=since_ms, asset="USD")
    assert days.keys == tuple(str((first + timedelta(days=at)).date()) for at in range(3))
    assert bounded(warehouse, by="amount", asset="CNY").keys[:3] == ("1", "10", "100")
    nobody = bounded(warehouse, by="member", since_ms=0, until_ms=1)
    assert (set(nobody.values), len(nobody.keys)) == ({0}, 4)


@pytest.mark.parametrize(
    "asked",
    [
        {"payments_max": 2},
        {"by": "day", "payments_max": 1, "groups_max": 3},
        {"measure": "accounts", "by": "day", "groups_max": 2},
        {"measure": "volume", "asset": "CNY", "amount_max": "70"},
        {"measure": "volume", "by": "amount", "asset": "CNY", "amount_max": "50", "groups_max": 1},
        {"by": "member", "payments_max": 3},
    ],
)
def test_no_account_counts_for_more_than_the_sensitivity(
    warehouse: Warehouse, asked: dict[str, Any]
) -> None:
    """Without all that one account paid, the values together move by the sensitivity at most.

    The bounds bite: without them some account would move them by more.
    """
    whole = bounded(warehouse, **asked)
    moved, unbounded = [], []
    wide = {"payments_max": WIDE, "amount_max": str(WIDE), "groups_max": 366}
    loose = asked | {name: wide[name] for name in asked if name in wide}
    free = bounded(warehouse, **loose)
    with warehouse.reading() as cursor:
        keys = [key for (key,) in cursor.execute("SELECT key FROM internal.accounts").fetchall()]
        for key in keys:
            cursor.execute("BEGIN")
            cursor.execute("UPDATE internal.legs SET kind = 'away' WHERE debit = ?", [key])
            moved.append(_distance(whole, read_bounded(cursor, ASKED | asked)))
            unbounded.append(_distance(free, read_bounded(cursor, ASKED | loose)))
            cursor.execute("ROLLBACK")
    assert 0 < max(moved) <= whole.question.sensitivity < max(unbounded)


def _distance(one: Bounded, other: Bounded) -> int:
    assert one.keys == other.keys
    return sum(abs(a - b) for a, b in zip(one.values, other.values, strict=True))


YEAR_MS = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * 1_000


@pytest.mark.parametrize(
    ("code", "asked"),
    [
        ("privacy_period", {"since_ms": YEAR_MS - 1}),
        ("privacy_period", {"since_ms": YEAR_MS + 2, "until_ms": YEAR_MS + 1}),
        ("privacy_asset", {"measure": "volume", "amount_max": "5"}),
        ("privacy_asset", {"by": "amount"}),
        ("privacy_bound", {"measure": "volume", "asset": "CNY"}),
        ("privacy_bound", {"measure": "accounts", "payments_max": 5}),
        ("privacy_bound", {"amount_max": "5"}),
        ("privacy_bound", {"groups_max": 2}),
        ("privacy_bound", {"by": "member", "groups_max": 2}),
    ],
)
def test_questions_without_a_bounded_answer_are_refused(code: str, asked: dict[str, Any]) -> None:
    """Each by a code of its own, before anything is read or spent."""
    with pytest.raises(RequestRefused) as refused:
        question_of(ASKED | asked, YEAR_MS + 5)
    assert (refused.value.status, refused.value.code) == (422, code)


def test_the_year_of_the_last_block_is_asked_about() -> None:
    """Unless a period is named; whose budget it spends is the payments' year and no clock's."""
    question = question_of(ASKED, YEAR_MS + 5)
    assert (question.since_ms, question.until_ms, question.year) == (YEAR_MS, YEAR_MS + 5, 2026)
    earlier = question_of(ASKED | {"until_ms": YEAR_MS - 1}, YEAR_MS + 5)
    assert earlier.year == 2025
