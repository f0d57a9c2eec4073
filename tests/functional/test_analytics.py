"""The embedded analytics over real processes: fed once, whatever is killed, and equal to the chain."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.functional.devnet import HANG_S, Api, Devnet, running_devnet

KILLS = 6
REGULATOR = "regulator"
PAYMENTS = 12
LANE = 3


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    """One development network for all of these tests."""
    with running_devnet(tmp_path_factory.mktemp("analytics")) as net:
        yield net


def children(parent: int) -> dict[int, str]:
    """Return the ids and command lines of a process's children."""
    found = {}
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit():
            try:
                fields = (directory / "stat").read_text().rpartition(")")[2].split()
                words = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:  # it ended meanwhile
                continue
            if int(fields[1]) == parent:
                found[int(directory.name)] = words
    return found


def process_of(net: Devnet, name: str = REGULATOR) -> int | None:
    """Return the id of a node's analytics process; None while it has none."""
    ids = [pid for pid, words in children(net.node(name)["pid"]).items() if "analytics" in words]
    return ids[0] if ids else None


async def until(condition: Callable[[Any], bool], api: Api) -> dict[str, Any]:
    """Return the regulator's status once it is as asked for."""
    async with asyncio.timeout(HANG_S):
        while True:
            _, status = await api.get(REGULATOR, "/v1/status")
            if condition(status):
                return status
            # There is no event for another process's progress: let others run.
            await asyncio.to_thread(time.sleep, 0.05)


async def until_height(api: Api, height: int) -> dict[str, Any]:
    """Return the status once the warehouse has a height."""
    return await until(lambda s: (s["analytics"]["height"] or 0) >= height, api)


async def pay(net: Devnet, api: Api, *, first_sequence: int) -> None:
    """Make payments, and return when the regulator's stream has brought them."""
    head = await api.head_height("bank1")
    payments = [
        net.payment(
            "alice", "bob", 5, lane=LANE, sequence=first_sequence + number, head_height=head
        )
        for number in range(PAYMENTS)
    ]
    for payment in payments:
        status, answer = await api.submit("bank1", payment.raw)
        assert status == 202, answer
    await api.until_final(REGULATOR, {one.txid.hex() for one in payments}, first=head)


def verify(net: Devnet) -> dict[str, Any]:
    """Return what ``verify-warehouse`` prints, which must find no difference."""
    ended = net.sunlit("analytics", "verify-warehouse", "--as", REGULATOR, "--json")
    assert ended.status == 0, ended.stderr + ended.stdout
    result: dict[str, Any] = ended.document
    assert result["equal"] is True
    return result


async def test_the_regulators_node_runs_it_and_a_banks_does_not(net: Devnet, api: Api) -> None:
    """By default the role decides; a bank's node answers 404 and shows no such process."""
    await until(lambda s: s["analytics"]["state"] == "live", api)
    assert process_of(net) is not None
    assert process_of(net, "bank1") is None
    status, problem = await api.get("bank1", "/v1/audit/warehouse/state", reader=REGULATOR)
    assert (status, problem["code"]) == (404, "analytics_disabled")
    assert "analytics" not in (await api.get("bank1", "/v1/status"))[1]


async def test_a_node_holds_none_of_the_processs_libraries(net: Devnet) -> None:
    """Database and columns are mapped by the process alone, at a lower priority."""
    maps = (Path("/proc") / str(net.node(REGULATOR)["pid"]) / "maps").read_text()
    assert "duckdb" not in maps
    assert "pyarrow" not in maps
    process = process_of(net)
    assert process is not None
    assert os.getpriority(os.PRIO_PROCESS, process) == 10


async def test_every_block_is_there_once_through_kills_of_the_process(
    net: Devnet, api: Api
) -> None:
    """It is killed at seeded moments while payments go on; in the end it equals the chain."""
    moments = random.Random(11)
    reached = (await until(lambda s: s["analytics"]["state"] == "live", api))["analytics"]
    for number in range(KILLS):
        paying = asyncio.create_task(pay(net, api, first_sequence=number * PAYMENTS))
        await until_height(api, reached["height"] + moments.randint(1, 4))
        process = process_of(net)
        if process is not None:
            os.kill(process, signal.SIGKILL)
        await paying
        height = (await api.get(REGULATOR, "/v1/status"))[1]["finalized"]["height"]
        reached = (await until_height(api, height))["analytics"]
    result = await asyncio.to_thread(verify, net)
    assert result["transactions"] >= KILLS * PAYMENTS
    _, metrics = await api_text(net, "/metrics")
    restarts = [line for line in metrics.splitlines() if "analytics_restarts_total" in line]
    assert float(restarts[-1].split()[-1]) >= 1


async def test_it_dies_with_its_node_and_goes_on_after(net: Devnet, api: Api) -> None:
    """SIGKILL of the node ends its process too; the next start goes on from the cursor."""
    before = (await until(lambda s: s["analytics"]["state"] == "live", api))["analytics"]["height"]
    process, node = process_of(net), net.node(REGULATOR)["pid"]
    assert process is not None
    os.kill(node, signal.SIGKILL)
    await until_gone(process)
    net.up()
    await until_height(api, before + 1)
    await asyncio.to_thread(verify, net)


async def test_a_wiped_warehouse_is_built_anew_from_block_1(net: Devnet, api: Api) -> None:
    """With its directory gone, the process begins at block 0 and comes to the same rows."""
    directory = Path(net.node(REGULATOR)["config"]).parent / "data" / "analytics"
    assert (directory / "warehouse.duckdb").exists()
    process = process_of(net)
    assert process is not None
    shutil.rmtree(directory)
    os.kill(process, signal.SIGKILL)
    await until_gone(process)
    height = (await api.get(REGULATOR, "/v1/status"))[1]["finalized"]["height"]
    await until_height(api, height)
    result = await asyncio.to_thread(verify, net)
    assert result["height"] >= height
    assert (directory / "warehouse.duckdb").exists()


async def until_gone(process: int) -> None:
    """Return once a process has ended and was waited for."""
    async with asyncio.timeout(HANG_S):
        while await asyncio.to_thread(Path(f"/proc/{process}/cmdline").exists):
            await asyncio.to_thread(time.sleep, 0.02)


async def api_text(net: Devnet, path: str) -> tuple[int, str]:
    """Return status and text of a GET at the regulator's node."""
    async with (
        aiohttp.ClientSession() as http,
        http.get(net.node(REGULATOR)["api"] + path) as answer,
    ):
        return answer.status, await answer.text()
