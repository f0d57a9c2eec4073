"""A warehouse of many accounts, filled without a chain: rows as blocks would have left them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import NamedTuple

import pyarrow as pa

from analytics.alerts import Alert, Reason, Severity, alert_id
from analytics.progress import Progress
from analytics.warehouse.opening import FILE_NAME
from analytics.warehouse.schema import DETECTION, INGEST
from analytics.warehouse.sql import run_with
from analytics.warehouse.store import Cursor, Settings, Warehouse, advance, connect
from tests.factories import make_network
from tests.unit.node.api.warehouses import add_alert

BEGAN = datetime(2026, 1, 5, tzinfo=UTC).replace(tzinfo=None)
ACCOUNTS = 60
BLOCKS = 20 * 24
"""An hour each."""
PAYERS_MANY = 20
"""Accounts that pay much more often than the others, and are warned of."""


class _Paid(NamedTuple):
    height: int
    payer: int
    payee: int
    amount: int


def filled(directory: Path, *, seed: int = 1, warned: bool = False) -> Warehouse:
    """Return a warehouse of some weeks with 60 accounts, a third of which pay far more often."""
    made = Warehouse.create(connect(directory / FILE_NAME, Settings()), make_network().genesis)
    with made.writing() as cursor:
        cursor.execute(
            "DELETE FROM internal.accounts; DELETE FROM blocks; DELETE FROM internal.legs"
        )
        for table, rows in _tables(Random(seed)).items():
            run_with(cursor, f"INSERT INTO {table} SELECT * FROM batch", rows)
        for stage in (INGEST, DETECTION):
            advance(cursor, stage, Cursor(height=BLOCKS, hash=f"{BLOCKS:064x}"))
    if warned:
        for key in range(PAYERS_MANY):
            warn(made, name(key), height=BLOCKS - 24 - key)
    return made


def progress_of(warehouse: Warehouse) -> Progress:
    """Return how far the stages of a filled warehouse have come."""
    cursor = warehouse.cursor(DETECTION)
    return Progress(ingested=cursor, detected=cursor, report=lambda _: None)


def name(key: int) -> str:
    """Return an account's id."""
    return f"sun1{key:04d}"


def warn(
    warehouse: Warehouse, account: str | None, *, height: int, typology: str = "fan_out"
) -> str:
    """Add an alert about an account; return its id."""
    alert = Alert(
        id=alert_id(typology, account, height, None),
        typology=typology,
        severity=Severity.HIGH,
        account=account,
        score=0.5,
        reasons=(Reason(feature="payees", value=9, contribution=0.5, text="9 payees"),),
        transactions=(),
        height=height,
        time_ms=time_ms(height),
        model=f"{typology}/1",
    )
    add_alert(warehouse, alert)
    return alert.id


def time_ms(height: int) -> int:
    """Return the time of a block, milliseconds since 1970-01-01 UTC."""
    return int(_time(height).replace(tzinfo=UTC).timestamp() * 1_000)


def _time(height: int) -> datetime:
    return BEGAN + timedelta(hours=height)


def _tables(random: Random) -> dict[str, pa.Table]:
    keys, heights = range(ACCOUNTS), range(BLOCKS + 1)
    paid = [_Paid(height, payer, *_paid(random, payer))
            for height in heights[1:] for payer in keys
            if random.random() < (0.3 if payer < PAYERS_MANY else 0.03)]  # fmt: skip
    accounts = [
        (key, b"%d" % key, name(key), "bank1", "user", "open", 0, BEGAN, 0, 0) for key in keys
    ]
    blocks = [(height, f"{height:064x}", "", _time(height), "bank1", 0, 1, 1) for height in heights]
    legs = [
        (None, one.height, 0, 0, _time(one.height), "transfer", one.payer, one.payee, "CNY",
         one.amount, "", None)
        for one in paid
    ]  # fmt: skip
    rows: dict[str, Sequence[tuple[object, ...]]] = {
        "internal.accounts": accounts,
        "blocks": blocks,
        "internal.legs": legs,
    }
    return {
        table: pa.table([pa.array(column) for column in zip(*values, strict=True)], _names(values))
        for table, values in rows.items()
    }


def _names(values: Sequence[tuple[object, ...]]) -> list[str]:
    return [f"column{place}" for place in range(len(values[0]))]


def _paid(random: Random, payer: int) -> tuple[int, int]:
    is_many = payer < PAYERS_MANY
    payee = (payer + random.randint(1, 30 if is_many else 3)) % ACCOUNTS
    return payee, random.randint(1_000, 90_000) * (20 if is_many else 1)
