"""The second stage: what the warehouse took in, into alerts and scores; each block once.

    wait for rows  ->  facts  ->  Detector  ->  Assessor  ->  one commit: alerts, scores, cursor

What the detector remembers follows from the blocks, so after a start the blocks up to the cursor are
shown to it again, and what it says of them is in the warehouse already.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

import duckdb
import pyarrow as pa

from analytics.alerts import Alert
from analytics.detection import Detector
from analytics.features.reading import prepare_features
from analytics.limits import DETECTION_BLOCKS_MAX
from analytics.movements import BlockFacts
from analytics.progress import Progress
from analytics.risk.assessing import Assessor, Due
from analytics.risk.scores import insert_scores, read_written
from analytics.warehouse.schema import DETECTION
from analytics.warehouse.sql import first_row, run_with
from analytics.warehouse.store import Cursor, Warehouse, advance

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
        with self._warehouse.reading() as cursor:
            assessor = Assessor(self._warehouse, read_written(cursor))
        prepare_features()
        for facts in self._warehouse.facts(0, height):
            if self._progress.is_ending:
                return
            self._detector.detect(facts)
            assessor.see(facts)
        assessor.resume()
        while (ingested := self._progress.wait_for_rows(height)) is not None:
            for part in self._parts(self._warehouse.facts(height + 1, ingested.height), assessor):
                height = part.height
                self._commit(part, assessor)
                if self._progress.is_ending:
                    return

    def _parts(self, facts: Iterator[BlockFacts], assessor: Assessor) -> Iterator[Due]:
        """Yield what is committed at once: some blocks, of which only the last has an assessment."""
        alerts: list[Alert] = []
        blocks, last = 0, None
        for block in facts:
            found = self._detector.detect(block)
            alerts += found
            blocks += 1
            is_all = assessor.see(block)
            accounts = sorted({alert.account for alert in found if alert.account is not None})
            last = Due(
                block.height, block.time_ms, None if is_all else tuple(accounts), tuple(alerts)
            )
            if is_all or accounts or blocks >= DETECTION_BLOCKS_MAX:
                yield last
                alerts, blocks, last = [], 0, None
        if last is not None:
            yield last

    def _commit(self, due: Due, assessor: Assessor) -> None:
        # Features are read before: a commit of blocks need not wait for that.
        scores = assessor.assess(due) if due.accounts is None or due.accounts else []
        with self._warehouse.writing() as cursor:
            insert_alerts(cursor, due.alerts)
            insert_scores(cursor, scores)
            row = first_row(cursor, "SELECT hash FROM blocks WHERE height = ?", [due.height])
            if row is None:
                raise AssertionError(f"the facts of block {due.height} came from its row")
            last = Cursor(height=due.height, hash=row[0])
            advance(cursor, DETECTION, last)
        assessor.note(scores)
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
