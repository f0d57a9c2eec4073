"""The features and scores of all accounts as of the last time that all were assessed.

They are kept because a large market takes seconds to measure: an account that is warned of is assessed
from them, and segments are told from them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from analytics.features.reading import AccountFeatures, feature_names
from analytics.risk.bands import Band
from analytics.risk.segments import segment_of
from analytics.warehouse.sql import first_row, run_with

Matrix = npt.NDArray[np.float64]

_AT: Final = "SELECT height, epoch_ms(time) FROM internal.assessment"
_ROWS: Final = """
SELECT account, segment, score, band, "values" FROM internal.features ORDER BY account
"""


class Kept(NamedTuple):
    """What is known of all accounts at a block, in the order of their ids."""

    height: int
    """The block."""
    time_ms: int
    """Its time."""
    accounts: Sequence[str]
    """Ids."""
    segments: Sequence[str]
    """What group each is in."""
    scores: Sequence[float | None]
    """What each scored; None before it has a score."""
    bands: Sequence[str | None]
    """The bands of these scores, by name."""
    values: Matrix
    """Features: a row for each account, a column for each name."""


def gather(
    rows: Sequence[AccountFeatures],
    scores: Mapping[str, tuple[float, Band]],
    height: int,
    time_ms: int,
) -> Kept:
    """Return all that is known of accounts from their features and scores."""
    found = [scores.get(row.account) for row in rows]
    return Kept(
        height,
        time_ms,
        [row.account for row in rows],
        [segment_of(row.values) for row in rows],
        [None if one is None else one[0] for one in found],
        [None if one is None else one[1].value for one in found],
        _matrix([list(row.values.values()) for row in rows]),
    )


def write_kept(cursor: duckdb.DuckDBPyConnection, kept: Kept) -> None:
    """Put these in the place of those before, within a transaction of the caller's."""
    cursor.execute("DELETE FROM internal.assessment")
    cursor.execute("DELETE FROM internal.features")
    place: list[object] = [kept.height, kept.time_ms]
    cursor.execute("INSERT INTO internal.assessment VALUES (?, make_timestamp_ms(?))", place)
    offsets = np.arange(len(kept.accounts) + 1, dtype=np.int32) * kept.values.shape[1]
    rows = pa.table(
        {
            "account": pa.array(kept.accounts, pa.string()),
            "segment": pa.array(kept.segments, pa.string()),
            "score": pa.array(kept.scores, pa.float64()),
            "band": pa.array(kept.bands, pa.string()),
            "values": pa.ListArray.from_arrays(pa.array(offsets), pa.array(kept.values.ravel())),
        }
    )
    run_with(cursor, "INSERT INTO internal.features SELECT * FROM batch", rows)


def read_kept(cursor: duckdb.DuckDBPyConnection) -> Kept | None:
    """Return what was kept last; None before the first time. Needs a transaction of one moment."""
    row = first_row(cursor, _AT)
    if row is None:
        return None
    found = cursor.sql(_ROWS).to_arrow_table()
    accounts, segments, scores, bands = (found[name].to_pylist() for name in found.column_names[:4])
    values = found["values"].combine_chunks().flatten().to_numpy()
    return Kept(row[0], row[1], accounts, segments, scores, bands, _matrix(values))


def _matrix(values: npt.ArrayLike) -> Matrix:
    return np.asarray(values, np.float64).reshape(-1, len(feature_names()))
