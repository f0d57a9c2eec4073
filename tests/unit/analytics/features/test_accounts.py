"""Features by the expressions equal those by plain loops over the same payments.

The expressions run over the documented tables, as any backend has them, and over what the warehouse
keeps of the same payments.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import NamedTuple

import duckdb
import ibis
import pytest

from analytics.features.accounts import NAMES, features
from analytics.features.reading import AccountFeatures, Window, read_features

BEGAN = datetime(2026, 1, 1)  # noqa: DTZ001 - as the tables hold times: UTC without a zone
ACCOUNTS = [f"account{number}" for number in range(9)]
DAYS, PER_DAY = 50, 12
END_DAY = 42.3


class Leg(NamedTuple):
    """A row of ``legs``, as far as features read it."""

    height: int
    time: datetime
    kind: str
    debit: str | None
    credit: str | None
    asset: str
    amount: int


def market(seed: int) -> list[Leg]:
    """Return some weeks of payments, issues and redemptions, several of them a block."""
    random = Random(seed)
    legs = []
    for height in range(1, DAYS * PER_DAY):
        time = BEGAN + timedelta(days=height / PER_DAY, milliseconds=random.randrange(60_000))
        for _ in range(random.randint(0, 3)):
            debit, credit = random.choices(ACCOUNTS[:8], [8, 8, 3, 3, 2, 0.2, 0.2, 0.2], k=2)
            asset = random.choice(("CNY", "CNY", "JPY"))
            amount = random.choice((random.randint(1, 900_000), 1_000 * random.randint(1, 300)))
            kind = random.choice(("transfer",) * 8 + ("issue", "redeem"))
            legs.append(
                Leg(
                    height, time, kind,
                    None if kind == "issue" else debit,
                    None if kind == "redeem" else credit,
                    asset, amount,
                )
            )  # fmt: skip
    return legs


@pytest.fixture(params=[1, 2])
def legs(request: pytest.FixtureRequest) -> list[Leg]:
    """Return the payments of one of some markets."""
    return market(request.param)


def tables(legs: list[Leg]) -> duckdb.DuckDBPyConnection:
    """Return a database with the tables, documented and kept, as far as features read them."""
    connection = duckdb.connect()
    connection.execute(
        "CREATE SCHEMA internal;"
        "CREATE TABLE legs (height BIGINT, time TIMESTAMP, kind VARCHAR, debit VARCHAR,"
        " credit VARCHAR, asset VARCHAR, amount BIGINT);"
        "CREATE TABLE internal.legs (height BIGINT, time TIMESTAMP, kind VARCHAR, debit INTEGER,"
        " credit INTEGER, asset VARCHAR, amount BIGINT, receipt TIMESTAMP)"
    )
    connection.executemany("INSERT INTO legs VALUES (?, ?, ?, ?, ?, ?, ?)", legs)
    connection.executemany(
        "INSERT INTO internal.legs VALUES (?, ?, ?, ?, ?, ?, ?, ?)", list(kept(legs))
    )
    connection.execute(
        "CREATE TABLE internal.accounts (key INTEGER, account VARCHAR, member VARCHAR,"
        " kind VARCHAR, opened_height BIGINT);"
        "CREATE VIEW accounts AS SELECT account, member, kind, opened_height FROM internal.accounts"
    )
    for place, account in enumerate(ACCOUNTS):
        row = [place, account, place]
        connection.execute("INSERT INTO internal.accounts VALUES (?, ?, 'bank1', 'user', ?)", row)
    connection.execute("CREATE TABLE assets (asset VARCHAR, decimals INTEGER)")
    connection.execute("INSERT INTO assets VALUES ('CNY', 2), ('JPY', 0)")
    return connection


def kept(legs: list[Leg]) -> Iterator[list[object]]:
    """Yield rows of ``internal.legs``, each with its payer's last receipt by plain loops."""
    keys = {None: None} | {account: key for key, account in enumerate(ACCOUNTS)}
    for leg in legs:
        receipts = [
            one.time
            for one in legs
            if one.kind == "transfer" and one.debit != one.credit == leg.debit
            if one.height <= leg.height
        ]
        row = [*leg, max(receipts, default=None) if leg.kind == "transfer" else None]
        yield [*row[:3], keys[leg.debit], keys[leg.credit], *row[5:]]


def read_documented(connection: duckdb.DuckDBPyConnection, window: Window) -> list[AccountFeatures]:
    """Return the features that the expression gives over the documented tables."""
    ends_ms = (
        window.end_ms,
        window.end_ms - window.length_ms,
        window.end_ms - window.length_ms - window.memory_ms,
    )
    times = [datetime.fromtimestamp(at / 1_000, UTC).replace(tzinfo=None) for at in ends_ms]
    connection.execute(
        "CREATE OR REPLACE TABLE feature_window AS SELECT ?::BIGINT AS until_height,"
        " ?::TIMESTAMP AS until, ?::TIMESTAMP AS after, ?::TIMESTAMP AS remembered_after",
        [window.height, *times],
    )
    table = features().select("account", "member", "kind", *NAMES).order_by("account")
    rows = connection.execute(str(ibis.to_sql(table, dialect="duckdb"))).fetchall()
    return [
        AccountFeatures(account, member, kind, dict(zip(NAMES, values, strict=True)))
        for account, member, kind, *values in rows
    ]


def plain(legs: list[Leg], height: int, end: datetime) -> dict[str, dict[str, float]]:
    """Return the features of all accounts by loops over payments."""
    first, remembered = end - timedelta(days=7), end - timedelta(days=35)
    real = [
        leg
        for leg in legs
        if leg.kind == "transfer" and leg.debit != leg.credit and leg.height <= height
    ]
    within = [leg for leg in real if first < leg.time <= end]
    earlier = {(leg.debit, leg.credit) for leg in real if remembered < leg.time <= first}
    mean = {
        asset: sum(leg.amount for leg in within if leg.asset == asset)
        / max(1, sum(leg.asset == asset for leg in within))
        for asset in ("CNY", "JPY")
    }
    paid_pairs = {(leg.debit, leg.credit) for leg in within}
    return {
        account: _of_account(account, within, mean, earlier, paid_pairs) for account in ACCOUNTS
    }


def _of_account(
    account: str,
    within: list[Leg],
    mean: dict[str, float],
    earlier: set[tuple[str | None, str | None]],
    paid_pairs: set[tuple[str | None, str | None]],
) -> dict[str, float]:
    paid = [leg for leg in within if leg.debit == account]
    received = [leg for leg in within if leg.credit == account]
    out = sum(leg.amount / mean[leg.asset] for leg in paid)
    come = sum(leg.amount / mean[leg.asset] for leg in received)
    to: dict[str | None, float] = defaultdict(float)
    for leg in paid:
        to[leg.credit] += leg.amount / mean[leg.asset]
    stays = []
    for leg in paid:
        receipts = [other.time for other in received if other.time <= leg.time]
        if receipts:
            # Whole seconds, as the feature counts them.
            stays.append(_seconds(leg.time) - _seconds(max(receipts)))
    days = Counter(leg.time.date() for leg in paid)
    unit = {"CNY": 100_000, "JPY": 1_000}
    return {
        "paid_count": len(paid),
        "received_count": len(received),
        "paid_volume": out,
        "received_volume": come,
        "largest_paid": max((leg.amount / mean[leg.asset] for leg in paid), default=0),
        "payees": len(to),
        "payers": len({leg.debit for leg in received}),
        "round_share": _share([leg.amount % unit[leg.asset] == 0 for leg in paid]),
        "night_share": _share([leg.time.hour < 6 for leg in paid]),
        "dwell_hours": sum(stays) / len(stays) / 3_600 if stays else 0,
        "active_days": len(days),
        "velocity_peak": max(days.values(), default=0),
        "concentration": sum(v * v for v in to.values()) / out**2 if paid else 0,
        "new_payees": _share([(account, other) not in earlier for other in to]),
        "returning": _share([(other, account) in paid_pairs for other in to]),
        "passed_through": min(out, come) / max(out, come) if out or come else 0,
    }


def _seconds(time: datetime) -> int:
    return int(time.replace(tzinfo=UTC).timestamp())


def _share(marks: list[bool]) -> float:
    return sum(marks) / len(marks) if marks else 0


def test_features_equal_plain_loops(legs: list[Leg]) -> None:
    """Every feature of every account, on random markets with two assets."""
    end = BEGAN + timedelta(days=END_DAY)
    height = max(leg.height for leg in legs if leg.time <= end)
    end_ms = int(end.replace(tzinfo=UTC).timestamp() * 1_000)
    connection, window = tables(legs), Window(height=height, end_ms=end_ms)
    expected = plain(legs, height, end)
    for rows in (read_features(connection, window), read_documented(connection, window)):
        assert [row.account for row in rows] == ACCOUNTS
        for row in rows:
            assert row.values == pytest.approx(expected[row.account], abs=1e-8), row.account
        for name in NAMES:
            assert any(row.values[name] for row in rows), name


def test_one_accounts_row_is_that_of_all(legs: list[Leg]) -> None:
    """Asking for one account changes nothing about it."""
    connection = tables(legs)
    window = Window(height=10**6, end_ms=int(legs[-1].time.replace(tzinfo=UTC).timestamp() * 1_000))
    rows = read_features(connection, window)
    assert read_features(connection, window, ACCOUNTS[3]) == [rows[3]]
    assert read_features(connection, window, "nobody") == []


def test_what_comes_later_changes_nothing(legs: list[Leg]) -> None:
    """The features at a height are the same when blocks have followed: yesterday can be explained."""
    end = BEGAN + timedelta(days=END_DAY)
    height = max(leg.height for leg in legs if leg.time <= end)
    window = Window(height=height, end_ms=int(end.replace(tzinfo=UTC).timestamp() * 1_000))
    until = tables([leg for leg in legs if leg.height <= height])
    assert read_features(tables(legs), window) == read_features(until, window)


def test_the_definition_compiles_for_another_engine() -> None:
    """The same expression becomes SQL of Databricks, which is Spark's, with every feature."""
    query = str(ibis.to_sql(features(), dialect="databricks"))
    assert all(name in query for name in NAMES)
