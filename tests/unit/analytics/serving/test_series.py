"""Series of a warehouse: every payment in its span, whole spans alone, names that say what there is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from analytics.errors import RequestRefused
from analytics.serving.series import (
    Span,
    Stretch,
    find_series,
    find_stretch,
    list_series,
    read_series,
    spans_needed,
)
from analytics.warehouse.store import Settings, Warehouse, connect
from tests.histories import DAY_MS, History

STEP_MS = 700
BLOCKS = 60


@pytest.fixture(scope="module")
def cursor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """Return a reader of a warehouse of 60 blocks, 700 ms apart, with a gap of 5 s."""
    history = History(seed=11)
    history.grow(30, step_ms=STEP_MS)
    history.grow(1, step_ms=5_000)
    history.grow(29, step_ms=STEP_MS)
    file = tmp_path_factory.mktemp("series") / "file"
    warehouse = Warehouse.create(connect(file, Settings()), history.network.genesis)
    warehouse.append(history.blocks)
    with warehouse.reading() as reader:
        yield reader
    warehouse.close()


def whole(cursor: duckdb.DuckDBPyConnection) -> Stretch:
    """Return all whole seconds of the chain."""
    return find_stretch(cursor, Span.SECOND, 10, BLOCKS)


def test_each_series_is_what_the_legs_say(cursor: duckdb.DuckDBPyConnection) -> None:
    """Counted again in Python, leg by leg of the documented tables, for every series there is."""
    stretch = whole(cursor)
    legs = cursor.execute(
        "SELECT epoch_ms(time), debit, credit, asset, amount FROM legs"
        " WHERE kind = 'transfer' AND debit <> credit"
    ).fetchall()
    members = dict(cursor.execute("SELECT account, member FROM accounts").fetchall())
    sums: dict[tuple[str, int], int] = defaultdict(int)
    active: dict[int, set[str]] = defaultdict(set)
    for time_ms, debit, credit, asset, amount in legs:
        place = (time_ms - stretch.first_ms) // 1_000
        sums["payments", place] += 1
        sums[f"volume:{asset}", place] += amount
        active[place] |= {debit, credit}
        payer, payee = members[debit], members[credit]
        if payer != payee:
            sums[f"outflow:{payer}:{asset}", place] += amount
            sums[f"inflow:{payee}:{asset}", place] += amount
    sums |= {("active-accounts", place): len(each) for place, each in active.items()}
    found = {name.text: read_series(cursor, name, stretch) for name in list_series(cursor)}
    assert {name for name, place in sums if 0 <= place < stretch.count} <= found.keys()
    for name, series in found.items():
        assert series.values == tuple(sums[name, place] for place in range(stretch.count)), name
    assert any(found["inflow:bank2:CNY"].values)


def test_only_whole_spans_count_and_empty_ones_are_zero(cursor: duckdb.DuckDBPyConnection) -> None:
    """The last block's second is not over; the gap is there as zeros; the heights are those within."""
    stretch = whole(cursor)
    rows = cursor.execute(
        "SELECT height, epoch_ms(time) FROM blocks WHERE height > 0 ORDER BY height"
    ).fetchall()
    assert stretch.first_ms - 1_000 < rows[0][1] <= stretch.first_ms
    assert stretch.end_ms <= rows[-1][1] < stretch.end_ms + 1_000
    series = read_series(cursor, find_series(cursor, "payments"), stretch)
    assert (0, 0, 0) in zip(series.values, series.values[1:], series.values[2:], strict=False)
    within = [height for height, time in rows if stretch.first_ms <= time < stretch.end_ms]
    assert (series.first_height, series.last_height) == (within[0], within[-1])


def test_the_span_is_the_longest_with_enough_history(cursor: duckdb.DuckDBPyConnection) -> None:
    """Seconds here; a horizon or a span that needs more history is refused with how much."""
    assert find_stretch(cursor, None, 2, BLOCKS).span is Span.SECOND
    for span, horizon in ((None, 100), (Span.MINUTE, 2)):
        with pytest.raises(RequestRefused) as refusal:
            find_stretch(cursor, span, horizon, BLOCKS)
        assert (refusal.value.status, refusal.value.code) == (409, "history_too_short")
        assert str(spans_needed(horizon)) in refusal.value.detail


def test_a_market_of_the_past_is_forecast_from_where_it_ended(tmp_path: Path) -> None:
    """Blocks that go on without payments for over a week are not its history; a gap of days is."""
    history = History(seed=12)
    history.grow(BLOCKS, step_ms=STEP_MS)
    paid_ms = history.blocks[-1].header.time_ms
    history.grow(2, step_ms=4 * DAY_MS, transactions=0)
    warehouse = Warehouse.create(connect(tmp_path / "file", Settings()), history.network.genesis)
    warehouse.append(history.blocks)
    with warehouse.reading() as cursor:
        ended, alive, before = (
            find_stretch(cursor, Span.SECOND, 2, height)
            for height in (BLOCKS + 2, BLOCKS + 1, BLOCKS)
        )
    warehouse.close()
    assert ended.end_ms - 1_000 < paid_ms <= ended.end_ms
    assert alive.end_ms > paid_ms + 3 * DAY_MS
    assert before.end_ms <= paid_ms


@pytest.mark.parametrize(
    "name", ["nonsense", "volume", "volume:ZZZ", "outflow:nobody:CNY", "payments:CNY", "inflow:CNY"]
)
def test_an_unknown_series_is_refused_with_what_there_is(
    cursor: duckdb.DuckDBPyConnection, name: str
) -> None:
    """404, and names that hold."""
    with pytest.raises(RequestRefused) as refusal:
        find_series(cursor, name)
    assert (refusal.value.status, refusal.value.code) == (404, "unknown_series")
    assert "volume:CNY" in refusal.value.detail
