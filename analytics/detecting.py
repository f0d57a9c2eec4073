"""The second stage: what the warehouse took in, into alerts; each block once.

    wait for rows  ->  facts  ->  Detector  ->  one commit: alerts, scores of anomalies, cursor

What the detector remembers follows from the blocks and from what it told of them, so after a start the
blocks up to the cursor are shown to it again, with their alerts from the warehouse.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

import duckdb
import pyarrow as pa

from analytics.alerts import Alert, Severity
from analytics.detection import Detector, Told, severity_of
from analytics.limits import DETECTION_BLOCKS_MAX
from analytics.movements import BlockFacts
from analytics.progress import Progress
from analytics.risk.bands import Band
from analytics.risk.scores import ACCOUNT, ANOMALY, Score, insert_scores
from analytics.warehouse.schema import DETECTION
from analytics.warehouse.sql import run_with
from analytics.warehouse.store import Warehouse, advance, block_cursor

_COLUMNS: Final = pa.schema(
    [
        ("id", pa.string()),
        ("typology", pa.string()),
        ("severity", pa.string()),
        ("account", pa.string()),
        ("score", pa.float64()),
        ("reasons", pa.string()),
        ("transactions", pa.list_(pa.string())),
        ("height", pa.int64()),
        ("time", pa.timestamp("ms")),
        ("model", pa.string()),
    ]
)


class _Part(NamedTuple):
    """What some blocks gave."""

    height: int
    """The last of them."""
    alerts: Sequence[Alert]
    scores: Sequence[Score]
    """Of anomalies; risk is the third stage's."""


class Detecting:
    """Follows the ingest until the process ends; runs in a thread of its own."""

    def __init__(self, warehouse: Warehouse, progress: Progress, detector: Detector) -> None:
        """Take a detector that has seen nothing yet."""
        self._warehouse = warehouse
        self._progress = progress
        self._detector = detector

    def run(self) -> None:
        """Detect until there is nothing more to come.

        Raises:
            duckdb.Error: the file took no commit.
        """
        height = self._progress.detected.height
        told = self._told(height)
        for facts in self._warehouse.facts(0, height):
            if self._progress.is_ending:
                return
            self._detector.recall(facts, told.get(facts.height, ()))
        while (ingested := self._progress.wait_for_rows(height)) is not None:
            new = self._warehouse.facts(height + 1, ingested.height)
            for part in self._parts(new):
                self._commit(part)
                height = part.height
                if self._progress.is_ending:
                    return

    def _told(self, last_height: int) -> dict[int, list[Told]]:
        """Return the alerts up to a height, by height."""
        query = "SELECT height, typology, account, severity FROM alerts WHERE height <= ?"
        told: dict[int, list[Told]] = {}
        with self._warehouse.reading() as cursor:
            for height, typology, account, severity in cursor.execute(
                query, [last_height]
            ).fetchall():
                told.setdefault(height, []).append(Told(typology, account, Severity(severity)))
        return told

    def _parts(self, facts: Iterator[BlockFacts]) -> Iterator[_Part]:
        """Yield what is committed at once."""
        alerts: list[Alert] = []
        scores: list[Score] = []
        blocks, height = 0, 0
        for block in facts:
            alerts += self._detector.detect(block)
            scores += self._scores(block)
            blocks, height = blocks + 1, block.height
            if blocks >= DETECTION_BLOCKS_MAX:
                yield _Part(height, alerts, scores)
                alerts, scores, blocks = [], [], 0
        if blocks:
            yield _Part(height, alerts, scores)

    def _scores(self, block: BlockFacts) -> Iterator[Score]:
        """Yield the rows of the scores that the detector keeps of the block it took in last."""
        for one in self._detector.anomaly_scores:
            yield Score(
                kind=ANOMALY,
                subject_kind=ACCOUNT,
                subject=one.account,
                score=one.score,
                band=Band(severity_of(one.score).value),
                reasons=one.reasons,
                model=self._detector.anomaly_model,
                height=block.height,
                time_ms=block.time_ms,
            )

    def _commit(self, part: _Part) -> None:
        with self._warehouse.writing() as cursor:
            insert_alerts(cursor, part.alerts)
            insert_scores(cursor, part.scores)
            last = block_cursor(cursor, part.height)
            advance(cursor, DETECTION, last)
        self._progress.detect(last)


def insert_alerts(cursor: duckdb.DuckDBPyConnection, alerts: Sequence[Alert]) -> None:
    """Append alerts to their table, within a transaction of the caller's."""
    if alerts:
        run_with(cursor, "INSERT INTO alerts SELECT * FROM batch", _table(alerts))


def _table(alerts: Sequence[Alert]) -> pa.Table:
    rows = [
        {
            "id": alert.id,
            "typology": alert.typology,
            "severity": alert.severity.value,
            "account": alert.account,
            "score": alert.score,
            "reasons": json.dumps(
                [
                    {
                        "feature": reason.feature,
                        "value": reason.value,
                        "contribution": reason.contribution,
                        "text": reason.text,
                    }
                    for reason in alert.reasons
                ],
                ensure_ascii=False,
                allow_nan=False,
            ),
            "transactions": list(alert.transactions),
            "height": alert.height,
            "time": datetime.fromtimestamp(alert.time_ms / 1_000, UTC).replace(tzinfo=None),
            "model": alert.model,
        }
        for alert in alerts
    ]
    return pa.Table.from_pylist(rows, schema=_COLUMNS)
