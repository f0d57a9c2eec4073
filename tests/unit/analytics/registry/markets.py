"""A warehouse of many accounts, filled without a chain: rows as blocks would have left them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from analytics.alerts import Alert, Reason, Severity, alert_id
from analytics.progress import Progress
from analytics.warehouse.opening import FILE_NAME
from analytics.warehouse.schema import DETECTION, INGEST
from analytics.warehouse.store import Cursor, Settings, Warehouse, advance, connect
from tests.factories import make_network
from tests.unit.node.api.warehouses import add_alert

BEGAN = datetime(2026, 1, 5, tzinfo=UTC).replace(tzinfo=None)
ACCOUNTS = 60
BLOCKS = 20 * 24
"""An hour each."""
PAYERS_MANY = 20
"""Accounts that pay much more often than the others, and are warned of."""


def filled(directory: Path, *, seed: int = 1, warned: bool = False) -> Warehouse:
    """Return a warehouse of some weeks with 60 accounts, a third of which pay far more often."""
    made = Warehouse.create(connect(directory / FILE_NAME, Settings()), make_network().genesis)
    with made.writing() as cursor:
        cursor.execute(
            "DELETE FROM internal.accounts; DELETE FROM blocks; DELETE FROM internal.legs"
        )
        cursor.executemany(
            "INSERT INTO internal.accounts VALUES (?, ?, ?, 'bank1', 'user', 'open', 0, ?, 0, 0)",
            [[key, b"%d" % key, name(key), BEGAN] for key in range(ACCOUNTS)],
        )
        cursor.executemany(
            "INSERT INTO blocks VALUES (?, ?, '', ?, 'bank1', 0, 1, 1)",
            [[height, f"{height:064x}", _time(height)] for height in range(BLOCKS + 1)],
        )
        cursor.executemany(
            "INSERT INTO internal.legs VALUES (NULL, ?, 0, 0, ?, 'transfer', ?, ?, 'CNY', ?, '', NULL)",
            list(_payments(Random(seed))),
        )
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
        time_ms=int(_time(height).replace(tzinfo=UTC).timestamp() * 1_000),
        model=f"{typology}/1",
    )
    add_alert(warehouse, alert)
    return alert.id


def _time(height: int) -> datetime:
    return BEGAN + timedelta(hours=height)


def _payments(random: Random) -> list[list[object]]:
    rows: list[list[object]] = []
    for height in range(1, BLOCKS + 1):
        for payer in range(ACCOUNTS):
            is_many = payer < PAYERS_MANY
            if random.random() < (0.3 if is_many else 0.03):
                payee = (payer + random.randint(1, 30 if is_many else 3)) % ACCOUNTS
                amount = random.randint(1_000, 90_000) * (20 if is_many else 1)
                rows.append([height, _time(height), payer, payee, amount])
    return rows
