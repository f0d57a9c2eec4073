"""The table ``scores``: what is written, and what was written last."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Final, NamedTuple

import duckdb
import pyarrow as pa

from analytics.alerts import Reason
from analytics.limits import SCORES_CHUNK
from analytics.risk.bands import Band
from analytics.warehouse.sql import run_with

ACCOUNT: Final = "account"
MEMBER: Final = "member"
MARKET: Final = "market"
"""Kinds of subjects."""
THE_MARKET: Final = "market"
"""The market's name as a subject."""

RISK: Final = "risk"
"""How much attention a subject needs."""
ANOMALY: Final = "anomaly"
"""How far an account's day is from its habits."""

Subject = tuple[str, str]
"""Its kind and its id."""


class Score(NamedTuple):
    """A row."""

    kind: str
    """`RISK` or `ANOMALY`."""
    subject_kind: str
    """`ACCOUNT`, `MEMBER` or `MARKET`."""
    subject: str
    score: float
    band: Band
    reasons: tuple[Reason, ...]
    model: str
    height: int
    time_ms: int


class Written(NamedTuple):
    """What was last written of a subject."""

    score: float
    band: Band
    time_ms: int


_COLUMNS: Final = pa.schema(
    [
        ("kind", pa.string()),
        ("subject_kind", pa.string()),
        ("subject", pa.string()),
        ("score", pa.float64()),
        ("band", pa.string()),
        ("contributions", pa.string()),
        ("model", pa.string()),
        ("height", pa.int64()),
        ("time", pa.timestamp("ms")),
    ]
)
_LATEST: Final = """
SELECT subject_kind, subject, arg_max(score, height), arg_max(band, height),
    arg_max(epoch_ms(time), height)
FROM scores WHERE kind = 'risk' AND height > ? AND height <= ? GROUP BY subject_kind, subject
"""


_EVERY_HEIGHT: Final = 2**63 - 1
"""No block is above it."""


def insert_scores(cursor: duckdb.DuckDBPyConnection, scores: Sequence[Score]) -> None:
    """Write rows, within the transaction that advances the cursor to their block."""
    for first in range(0, len(scores), SCORES_CHUNK):
        batch = _table(scores[first : first + SCORES_CHUNK])
        run_with(cursor, "INSERT INTO scores SELECT * FROM batch", batch)


def read_written(
    cursor: duckdb.DuckDBPyConnection, above: int = -1, until: int = _EVERY_HEIGHT
) -> dict[Subject, Written]:
    """Return the risk that was last written of every subject, above a height and up to another."""
    rows = cursor.execute(_LATEST, [above, until]).fetchall()
    return {
        (kind, subject): Written(score, Band(band), time_ms)
        for kind, subject, score, band, time_ms in rows
    }


def _table(scores: Sequence[Score]) -> pa.Table:
    rows = [
        {
            "kind": score.kind,
            "subject_kind": score.subject_kind,
            "subject": score.subject,
            "score": score.score,
            "band": score.band.value,
            "contributions": json.dumps(
                [asdict(reason) for reason in score.reasons],
                ensure_ascii=False,
                allow_nan=False,
            ),
            "model": score.model,
            "height": score.height,
            "time": datetime.fromtimestamp(score.time_ms / 1_000, UTC).replace(tzinfo=None),
        }
        for score in scores
    ]
    return pa.Table.from_pylist(rows, _COLUMNS)
