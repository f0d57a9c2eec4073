"""A real disk that runs full under a real node: it reads on, and resumes by itself (threat 54)."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from node.storage.space import free_bytes
from tests.functional.cluster import HANG_S, Cluster, running_cluster
from tests.functional.test_network import payments

MIB = 1024 * 1024
DISK_MIB = 128
BLIND = """
from node.storage.space import DiskSpace
DiskSpace.free_bytes = property(lambda space: 1 << 40)
from sunlit.cli import main
main()
"""
"""The `sunlit` command of a node that sees no disk run full."""
RESERVE_MIB = 32  # the default of storage.reserve_mib
FULL = "bank1"
OTHERS = ("bank2", "bank3", "regulator")


@contextmanager
def small_disk(at: Path) -> Iterator[None]:
    """Hold a file system of 128 MiB in memory mounted, which takes root's rights."""
    at.mkdir(parents=True)
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("only root can mount a small file system")
    command = [mount, "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", str(at)]
    mounted = subprocess.run(command, capture_output=True, check=False, text=True)
    if mounted.returncode:
        pytest.skip(f"no small file system can be mounted: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(at)], check=True)


@asynccontextmanager
async def cluster_on_small_disk(directory: Path) -> AsyncIterator[tuple[Cluster, Path]]:
    """Hold a cluster whose first bank keeps its data and its access log on a small disk of its own."""
    async with running_cluster(directory, started=False) as cluster:
        home = cluster.places[FULL].directory
        data = home / "data"
        with small_disk(data):
            (data / "access").mkdir()
            (home / "access").symlink_to(data / "access")
            await cluster.start(*cluster.names)
            yield cluster, data
            await cluster.stop()


def fill(data: Path, *, left: int) -> Path:
    """Fill a disk up with one file until ``left`` bytes are free; return the file."""
    filler = data / "filler"
    with filler.open("ab") as file:
        while (room := free_bytes(data) - left) > 0:
            file.write(bytes(min(room, MIB)))
            file.flush()
    return filler


async def until_read_only(cluster: Cluster, name: str) -> None:
    """Return when a node says that it is not ready because it only reads."""
    async with asyncio.timeout(HANG_S):
        while True:
            async with cluster.http.get(f"{cluster.places[name].api}/readyz") as answer:
                document = await answer.json(content_type=None)
            if answer.status == 503 and document["code"] == "read_only":
                return
            await asyncio.to_thread(time.sleep, 0.05)  # the API has no event for it


async def metric(cluster: Cluster, name: str, line: str) -> str:
    """Return the value of a metric of a node."""
    async with cluster.http.get(f"{cluster.places[name].api}/metrics") as answer:
        assert answer.status == 200
        lines = (await answer.text()).splitlines()
    return next(one.split()[1] for one in lines if one.startswith(f"{line} "))


async def read_on(cluster: Cluster, name: str, *, is_recorded: bool) -> None:
    """Check that a node answers reads; a regulator's, where there is room for their record."""
    assert (await cluster.get(name, "/v1/blocks/0"))["finality"] == "final"
    if is_recorded:
        await cluster.until_height(name, 0)
        return
    supply = f"{cluster.places[name].api}/v1/audit/supply"
    async with cluster.http.get(supply, headers=cluster.headers(name)) as answer:
        refused = await answer.json(content_type=None)
    assert (answer.status, refused["code"]) == (503, "access_log_failed")


@pytest.mark.parametrize("left_mib", [RESERVE_MIB - 4, 0], ids=["below_the_reserve", "to_the_brim"])
async def test_threat_54_a_full_disk_stops_writing_and_not_reading(
    tmp_path: Path, left_mib: int
) -> None:
    """It keeps what it acknowledged, refuses more, and catches up once it has room."""
    async with cluster_on_small_disk(tmp_path) as (cluster, data):
        kept, refused, elsewhere = payments(cluster, 3, seed=54)
        assert (await cluster.submit(FULL, kept.raw))[0] == 202
        filler = fill(data, left=left_mib * MIB)
        await until_read_only(cluster, FULL)
        status, answer = await cluster.submit(FULL, refused.raw)
        assert (status, answer["code"]) == (503, "read_only")
        assert await metric(cluster, FULL, "sunlit_read_only") == "1.0"

        stopped_at = (await cluster.get(FULL, "/v1/status"))["head"]["height"]
        assert (await cluster.submit(OTHERS[0], elsewhere.raw))[0] == 202
        await cluster.until_final(OTHERS[0], {elsewhere.txid.hex()})
        assert (await cluster.get(FULL, "/v1/status"))["head"]["height"] == stopped_at
        await read_on(cluster, FULL, is_recorded=left_mib > 0)

        filler.unlink()
        await cluster.until_ready(FULL)
        assert (await cluster.submit(FULL, refused.raw))[0] == 202
        everything = {one.txid.hex() for one in (kept, refused, elsewhere)}
        heights = [await cluster.until_final(name, everything) for name in cluster.names]
        assert len(set(heights)) == 1
        assert await metric(cluster, FULL, "sunlit_read_only") == "0.0"


async def test_threat_54_a_write_without_room_leads_to_a_new_start_in_the_same_process(
    tmp_path: Path,
) -> None:
    """A node that did not see it coming: the write fails, it reads on, then starts over."""
    async with cluster_on_small_disk(tmp_path) as (cluster, data):
        place = cluster.places[FULL]
        kept, refused = payments(cluster, 2, seed=55)
        assert (await cluster.submit(FULL, kept.raw))[0] == 202
        await cluster.kill(FULL)
        with (place.directory / "node.log").open("ab") as log:
            process = cluster.processes[FULL] = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", BLIND, "node", "run"),
                *("--config", str(place.directory / "node.toml")),
                stdout=log,
                stderr=log,
            )
        await cluster.until_ready(FULL)
        filler = fill(data, left=0)
        await until_read_only(cluster, FULL)
        status, answer = await cluster.submit(FULL, refused.raw)
        assert (status, answer["code"]) == (503, "read_only")
        await read_on(cluster, FULL, is_recorded=False)
        filler.unlink()
        await cluster.until_ready(FULL)
        assert (await cluster.submit(FULL, refused.raw))[0] == 202
        await cluster.until_final(FULL, {kept.txid.hex(), refused.txid.hex()})
        assert process.returncode is None
        log_text = (place.directory / "node.log").read_text()
    assert "starting_over" in log_text
