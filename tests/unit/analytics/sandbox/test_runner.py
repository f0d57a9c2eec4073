"""Free SQL in processes of its own: answers, limits that hold, and a warehouse that goes on."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from analytics.errors import RequestRefused
from analytics.sandbox.limits import SQL_CHARACTERS_MAX, SQL_ROWS_MAX
from analytics.sandbox.runner import SqlRunner
from analytics.warehouse.schema import DOCUMENTED_TABLES
from analytics.warehouse.store import Settings, Warehouse, connect
from tests.histories import History

ENDLESS = "SELECT count(*) FROM range(1000000000000) AS a(x) WHERE hash(x) = 0"


@pytest.fixture(scope="module")
def history() -> History:
    """Return a short chain."""
    history = History(seed=3)
    history.grow(12)
    return history


@pytest.fixture
def warehouse(tmp_path: Path, history: History) -> Iterator[Warehouse]:
    """Return a warehouse of the first blocks of the chain."""
    made = Warehouse.create(connect(tmp_path / "file", Settings()), history.network.genesis)
    made.append(history.blocks[:6])
    yield made
    made.close()


@pytest.fixture
async def runner(warehouse: Warehouse) -> AsyncIterator[SqlRunner]:
    """Return a runner over it."""
    runner = SqlRunner(warehouse)
    yield runner
    await runner.close()


async def ask(runner: SqlRunner, sql: str) -> dict[str, Any]:
    """Return the document that answers a statement."""
    document: dict[str, Any] = json.loads(await runner.run(sql))
    return document


async def refusal_of(runner: SqlRunner, sql: str) -> RequestRefused:
    """Return how a statement is refused."""
    with pytest.raises(RequestRefused) as refusal:
        await runner.run(sql)
    return refusal.value


async def test_every_documented_table_is_as_the_warehouse_has_it(
    runner: SqlRunner, warehouse: Warehouse
) -> None:
    """All rows and all columns, whatever their types."""
    for table in DOCUMENTED_TABLES:
        answer = await ask(runner, f"FROM {table}")
        with warehouse.reading() as cursor:
            rows = cursor.execute(f"FROM {table}").fetchall()
            names = [column[0] for column in cursor.description or ()]
        assert answer["columns"] == names
        assert len(answer["rows"]) == len(rows)
        assert answer["truncated"] is False


async def test_values_are_json(runner: SqlRunner) -> None:
    """Each type has one form, and nothing is rounded."""
    answer = await ask(
        runner,
        "SELECT 9007199254740991 AS exact, 9007199254740992 AS large, 12.50::DECIMAL(9, 2) AS dec,"
        " 'nan'::DOUBLE AS nan, TIMESTAMP '2026-01-02 03:04:05.678' AS at, DATE '2026-01-02' AS day,"
        " '\\xAB'::BLOB AS bytes, [1, NULL] AS list, {'a': [true]} AS struct, MAP {'k': 1} AS map,"
        " '{\"x\": [1.5]}'::JSON AS doc, NULL AS nothing, 'é\"' AS text",
    )
    assert dict(zip(answer["columns"], answer["rows"][0], strict=True)) == {
        "exact": 9007199254740991,
        "large": "9007199254740992",
        "dec": "12.50",
        "nan": "NaN",
        "at": "2026-01-02T03:04:05.678Z",
        "day": "2026-01-02",
        "bytes": "ab",
        "list": [1, None],
        "struct": {"a": [True]},
        "map": {"k": 1},
        "doc": {"x": [1.5]},
        "nothing": None,
        "text": 'é"',
    }
    assert answer["types"][:3] == ["BIGINT", "BIGINT", "DECIMAL(9,2)"]


async def test_threat_65_bombs_end_their_own_process_alone(
    runner: SqlRunner, warehouse: Warehouse, history: History
) -> None:
    """What needs too much memory is refused by its name; blocks are taken in all the while."""
    bombs = [
        "SELECT repeat('x', 1000000000)",
        "SELECT list_aggregate(range(500000000), 'sum')",
        "SELECT list(range) FROM range(100000000)",
        "SELECT string_agg(repeat('x', 1000), '') FROM range(1000000)",
        "SELECT count(*) FROM (SELECT DISTINCT hash(x) FROM range(100000000) AS a(x))",
    ]
    rest = iter(history.blocks[6:])
    for bomb in bombs:
        running = asyncio.create_task(refusal_of(runner, bomb))
        await asyncio.to_thread(warehouse.append, [next(rest)])
        refusal = await running
        # A machine that is slow enough meets the limit of time first.
        assert refusal.code in {"query_too_large", "query_timeout"}, (bomb, refusal.detail)
    assert warehouse.ingested.height == 6 + len(bombs)
    answer = await ask(runner, "SELECT max(height) FROM blocks")
    assert answer["rows"] == [[6 + len(bombs)]]


@pytest.mark.parametrize(
    "sql",
    [
        ENDLESS,
        "WITH RECURSIVE c AS (SELECT 1 UNION ALL SELECT 1 FROM c) SELECT count(*) FROM c",
        "SELECT count(*) FROM legs a, legs b, legs c, legs d, legs e, legs f WHERE a.leg + f.leg < 0",
    ],
)
async def test_threat_65_what_runs_for_ever_is_ended(
    runner: SqlRunner, warehouse: Warehouse, history: History, sql: str
) -> None:
    """A typed refusal after the limit of time; appends meanwhile do not wait for it."""
    running = asyncio.create_task(refusal_of(runner, sql))
    for block in history.blocks[6:]:
        await asyncio.to_thread(warehouse.append, [block])
    assert not running.done()
    refusal = await running
    assert (refusal.status, refusal.code) == (504, "query_timeout")
    assert warehouse.ingested.height == len(history.blocks)


async def test_threat_65_rows_and_bytes_of_an_answer_are_bounded(runner: SqlRunner) -> None:
    """More is cut off, and the answer says so; a row that is too large alone is refused."""
    answer = await ask(runner, f"SELECT 1 FROM range({SQL_ROWS_MAX + 1})")
    assert (len(answer["rows"]), answer["truncated"]) == (SQL_ROWS_MAX, True)
    answer = await ask(runner, f"SELECT 1 FROM range({SQL_ROWS_MAX})")
    assert (len(answer["rows"]), answer["truncated"]) == (SQL_ROWS_MAX, False)
    answer = await ask(runner, "SELECT repeat('x', 1000000) FROM range(40)")
    assert 1 <= len(answer["rows"]) < 40
    assert answer["truncated"] is True
    refusal = await refusal_of(runner, "SELECT repeat('x', 20000000)")
    assert (refusal.status, refusal.code) == (422, "query_too_large")


async def test_refusals_say_why(runner: SqlRunner) -> None:
    """What DuckDB says comes through without paths; what is no query is named."""
    refusal = await refusal_of(runner, "SELECT nothing FROM legs")
    assert (refusal.status, refusal.code) == (422, "query_failed")
    assert 'column "nothing" not found' in refusal.detail
    refusal = await refusal_of(runner, "SELECT amount::DATE FROM legs")
    assert refusal.code == "query_failed"
    assert ".py" not in refusal.detail
    refusal = await refusal_of(runner, "SELECT now()")
    assert "cast what has one to TIMESTAMP" in refusal.detail
    refusal = await refusal_of(runner, "DROP TABLE legs")
    assert (refusal.status, refusal.code) == (422, "query_refused")
    refusal = await refusal_of(runner, "SELECT " + " " * SQL_CHARACTERS_MAX + "1")
    assert "characters at most" in refusal.detail


async def test_all_tables_of_a_query_are_of_one_moment(
    runner: SqlRunner, warehouse: Warehouse, history: History
) -> None:
    """A block that is committed while a query runs is in none of its tables, or in all."""
    sql = (
        "SELECT (SELECT max(height) FROM blocks), (SELECT max(height) FROM transactions),"
        " (SELECT max(height) FROM legs), (SELECT max(height) FROM blocks WHERE hash <> '')"
    )
    for block in history.blocks[6:]:
        answer, _ = await asyncio.gather(
            ask(runner, sql), asyncio.to_thread(warehouse.append, [block])
        )
        (heights,) = answer["rows"]
        assert len(set(heights)) == 1
        assert heights[0] in (block.header.height - 1, block.header.height)


async def test_a_query_whose_asker_goes_away_leaves_no_process(
    runner: SqlRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process is ended with it, and the next query is answered."""
    began: list[asyncio.subprocess.Process] = []
    is_running = asyncio.Event()
    start = asyncio.create_subprocess_exec

    async def noted(*arguments: Any, **options: Any) -> asyncio.subprocess.Process:
        began.append(await start(*arguments, **options))
        if len(began) == 2:  # its own has begun, and the next one's meanwhile
            is_running.set()
        return began[-1]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)
    running = asyncio.create_task(runner.run(ENDLESS))
    await is_running.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert began[0].returncode == -signal.SIGKILL
    assert (await ask(runner, "SELECT 1"))["rows"] == [[1]]
    await runner.close()
    assert all(process.returncode is not None for process in began)


async def test_a_query_s_process_knows_nothing_of_its_surroundings(
    runner: SqlRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its environment holds where Python's modules are, and no secret of the node's."""
    monkeypatch.setenv("SUNLIT_PASSPHRASE", "secret")
    seen: list[dict[str, str]] = []
    start = asyncio.create_subprocess_exec

    async def noted(*arguments: Any, **options: Any) -> asyncio.subprocess.Process:
        seen.append(options["env"])
        return await start(*arguments, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)
    await ask(runner, "SELECT 1")
    assert {name for environment in seen for name in environment} == {"PYTHONPATH"}
    assert os.environ["SUNLIT_PASSPHRASE"] == "secret"
