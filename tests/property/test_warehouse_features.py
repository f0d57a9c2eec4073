"""What the warehouse keeps for features, however blocks are cut into commits, is what its legs say."""

from __future__ import annotations

import tempfile
from pathlib import Path

import ibis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.features.accounts import NAMES, features
from analytics.features.reading import Window, read_features
from analytics.warehouse.store import Settings, Warehouse, connect
from tests.histories import DAY_MS, History

BLOCKS = 24


@settings(max_examples=8)
@given(
    seed=st.integers(0, 2**16),
    step_ms=st.sampled_from([1_000, DAY_MS // 7, DAY_MS // 2]),
    cuts=st.sets(st.integers(1, BLOCKS - 1), max_size=6),
    reopened=st.booleans(),
    end=st.integers(1, BLOCKS),
)
def test_kept_features_equal_those_of_the_documented_legs(
    *, seed: int, step_ms: int, cuts: set[int], reopened: bool, end: int
) -> None:
    """The expressions over what is kept and over the documented tables agree, at every height."""
    history = History(seed=seed)
    history.grow(BLOCKS, step_ms=step_ms)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "warehouse.duckdb"
        warehouse = Warehouse.create(connect(path, Settings()), history.network.genesis)
        ends = [*sorted(cuts), BLOCKS]
        for first, last in zip([0, *ends], ends, strict=False):
            warehouse.append(history.blocks[first:last])
            if reopened:
                warehouse.close()
                warehouse = Warehouse(connect(path, Settings()), history.network.genesis)
        window = Window(
            height=end,
            end_ms=history.blocks[end - 1].header.time_ms,
            length_ms=2 * DAY_MS,
            memory_ms=3 * DAY_MS,
        )
        with warehouse.reading() as cursor:
            kept = read_features(cursor, window)
            table = features().select("account", *NAMES).order_by("account")
            query = str(ibis.to_sql(table, dialect="duckdb"))
            bounds = [window.height, window.end_ms]
            bounds += [window.end_ms - 2 * DAY_MS, window.end_ms - 5 * DAY_MS]
            found = cursor.execute(
                "WITH feature_window AS (SELECT ?::BIGINT AS until_height,"
                " make_timestamp_ms(?) AS until, make_timestamp_ms(?) AS after,"
                f" make_timestamp_ms(?) AS remembered_after) FROM ({query})",
                bounds,
            ).fetchall()
            one = kept[len(kept) // 2]
            assert read_features(cursor, window, one.account) == [one]
        warehouse.close()
    assert [row.account for row in kept] == [row[0] for row in found]
    for row, (_, *values) in zip(kept, found, strict=True):
        assert list(row.values.values()) == pytest.approx(values, abs=1e-8)
