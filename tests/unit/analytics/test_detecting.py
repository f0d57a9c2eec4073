"""The second stage: every alert of the chain once, however often the process ends in between."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from analytics import detecting
from analytics.alerts import Alert
from analytics.detecting import Detecting
from analytics.detection import Detector
from analytics.feed import Detected, Report
from analytics.movements import BlockFacts
from analytics.progress import Progress
from analytics.typologies.parameters import (
    AnomalyParameters,
    SanctionedParameters,
    TypologyParameters,
)
from analytics.typologies.sanctions import SanctionsList
from analytics.warehouse.opening import FILE_NAME
from analytics.warehouse.schema import DETECTION
from analytics.warehouse.store import Settings, Warehouse, connect
from ledger.addresses import encode_account_id
from tests.barriers import HANG_S
from tests.histories import DAY_MS, History

"""A stage that does not come to its end fails the test instead of hanging it."""


@pytest.fixture(scope="module")
def history() -> History:
    """Return blocks over some days."""
    history = History(seed=4)
    history.grow(40, step_ms=DAY_MS // 4)
    return history


@pytest.fixture
def warehouse(tmp_path: Path, history: History) -> Iterator[Warehouse]:
    """Return a warehouse that holds the chain."""
    made = Warehouse.create(connect(tmp_path / FILE_NAME, Settings()), history.network.genesis)
    made.append(history.blocks)
    yield made
    made.close()


def detector(
    history: History, *, is_listed: bool = True, window_hours: Decimal = Decimal(1)
) -> Detector:
    """Return a detector that warns of whoever deals with one of the accounts, and of small anomalies."""
    listed = encode_account_id(next(iter(history.network.genesis.accounts)))
    parameters = TypologyParameters(
        sanctioned=SanctionedParameters(window_hours=window_hours),
        anomaly=AnomalyParameters(
            window_hours=6,
            past_windows=1,
            active_windows_min=1,
            payments_min=1,
            sample_min=100,
            distance_min=1,
            alert_at=0.3,
            yields_to=(),
        ),
    )
    decimals = {str(code): asset.decimals for code, asset in history.network.genesis.assets.items()}
    return Detector(parameters, SanctionsList([], {listed} if is_listed else ()), decimals)


def detect(
    warehouse: Warehouse, history: History, *, until: int, judge: Detector | None = None
) -> None:
    """Run the stage until a height is done, and end it as the process would."""
    reached = threading.Event()

    def report(message: Report) -> None:
        if isinstance(message, Detected) and message.height >= until:
            progress.end()
            reached.set()

    progress = Progress(
        ingested=warehouse.ingested, detected=warehouse.cursor(DETECTION), report=report
    )
    detecting_stage = Detecting(warehouse, progress, judge or detector(history))
    stage = threading.Thread(target=detecting_stage.run)
    stage.start()
    assert reached.wait(HANG_S)
    stage.join(HANG_S)
    assert not stage.is_alive()


def scores(warehouse: Warehouse) -> list[Any]:
    """Return all scores of anomalies, in the order of the chain."""
    with warehouse.reading() as cursor:
        return cursor.execute(
            "SELECT subject, height, score, band, contributions, model FROM scores"
            " WHERE kind = 'anomaly' AND subject_kind = 'account' ORDER BY height, subject"
        ).fetchall()


def alerts(warehouse: Warehouse) -> list[Any]:
    """Return all alerts, in the order of the chain."""
    with warehouse.reading() as cursor:
        return cursor.execute("FROM alerts ORDER BY height, id").fetchall()


def test_alerts_are_those_that_the_chain_gives(warehouse: Warehouse, history: History) -> None:
    """The table holds what a detector says of the same facts, field by field."""
    detect(warehouse, history, until=history.blocks[-1].header.height)
    said = [
        alert
        for judge in [detector(history)]
        for facts in warehouse.facts(0, len(history.blocks))
        for alert in judge.detect(facts)
    ]
    said.sort(key=lambda alert: (alert.height, alert.id))
    rows = alerts(warehouse)
    assert [row[0] for row in rows] == [alert.id for alert in said] != []
    assert {alert.typology for alert in said} >= {"sanctioned", "anomaly"}
    for row, alert in zip(rows, said, strict=True):
        assert row[1:5] == (alert.typology, alert.severity.value, alert.account, alert.score)
        assert [reason["text"] for reason in json.loads(row[5])] == [r.text for r in alert.reasons]
        assert tuple(row[6]) == alert.transactions
        assert row[7] == alert.height
        assert row[9] == alert.model
    cursor = warehouse.cursor(DETECTION)
    assert (cursor.height, cursor.hash) == (
        history.blocks[-1].header.height,
        history.blocks[-1].hash.hex(),
    )


def test_an_end_between_two_commits_loses_and_repeats_nothing(
    warehouse: Warehouse, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ended at every few blocks and started anew, the stage leaves the same alerts and scores."""
    monkeypatch.setattr(detecting, "DETECTION_BLOCKS_MAX", 4)
    last = history.blocks[-1].header.height
    for height in range(3, last, 7):
        detect(warehouse, history, until=height)
    detect(warehouse, history, until=last)
    broken, scored = alerts(warehouse), scores(warehouse)
    with warehouse.writing() as cursor:
        cursor.execute("DELETE FROM alerts; DELETE FROM scores")
        cursor.execute("DELETE FROM internal.cursors WHERE stage = 'detection'")
    detect(warehouse, history, until=last)
    assert alerts(warehouse) == broken != []
    assert scores(warehouse) == scored != []
    for _, _, score, _, contributions, model in scored:
        parts = math.fsum(part["contribution"] for part in json.loads(contributions))
        assert parts == pytest.approx(score)
        assert model == "anomaly/2"


def test_who_is_listed_later_is_warned_of_from_then_on(
    warehouse: Warehouse, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a new list finds in blocks that were searched with the old one was told to nobody.

    The window is longer than the history, so one warning of an account would keep the others silent.
    """
    monkeypatch.setattr(detecting, "DETECTION_BLOCKS_MAX", 1)
    last = history.blocks[-1].header.height
    before = detector(history, is_listed=False)
    detect(warehouse, history, until=last // 2, judge=before)
    changed = warehouse.cursor(DETECTION).height
    after = detector(history, window_hours=Decimal(24 * 90))
    detect(warehouse, history, until=last, judge=after)

    facts = list(warehouse.facts(0, last))
    dealt = {(alert.height, alert.account) for alert in sanctioned(detector(history), facts)}
    expected: dict[str | None, int] = {}
    for height, account in sorted(dealt, key=lambda pair: pair[0]):
        if height > changed:
            expected.setdefault(account, height)
    assert {account for height, account in dealt if height <= changed} & set(expected)
    told = [(row[3], row[7]) for row in alerts(warehouse) if row[1] == "sanctioned"]
    assert sorted(told) == sorted(expected.items())


def sanctioned(judge: Detector, facts: list[BlockFacts]) -> list[Alert]:
    """Return the alerts of listed accounts that a detector gives."""
    said = [alert for block in facts for alert in judge.detect(block)]
    return [alert for alert in said if alert.typology == "sanctioned"]
