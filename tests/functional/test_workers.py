"""Worker processes for real: verdicts, solutions, crashes, deaths and footprints."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from hashlib import sha256
from pathlib import Path

import pytest
import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from node.workers.child import Child
from node.workers.errors import MinerFailed, VerifierFailed
from node.workers.miner import RESTARTS_MAX, Miner
from node.workers.pool import VerifierPool
from tests.barriers import HANG_S

RESIDENT_KIB_MAX = 25 * 1024
IMPOSSIBLE = 0
TRIVIAL = (1 << 256) - 1

PROJECT = Path(__file__).parents[2]


def signed(count: int, *, spoil: frozenset[int] = frozenset()) -> list[tuple[bytes, bytes, bytes]]:
    """Return that many signed messages, those with an index in ``spoil`` wrongly signed."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    public_key = b"\x01" + key.public_key().public_bytes_raw()
    messages = [sha256(number.to_bytes(4, "big")).digest() for number in range(count)]
    return [
        (public_key, key.sign(message), message[::-1] if number in spoil else message)
        for number, message in enumerate(messages)
    ]


async def until_ended(process_id: int) -> None:
    """Return once the process has ended, though it is nobody's child here."""
    try:
        descriptor = os.pidfd_open(process_id)
    except ProcessLookupError:
        return
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def resident_kib(process_id: int) -> int:
    """Return the process's resident memory in KiB."""
    lines = Path(f"/proc/{process_id}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


async def test_verdicts_come_back_in_order() -> None:
    """Two processes share a call of several chunks, and each item gets its own verdict."""
    spoiled = frozenset({0, 255, 256, 999})
    async with asyncio.timeout(HANG_S), VerifierPool(processes=2) as pool:
        verdicts = await pool.verify(signed(1000, spoil=spoiled))
        assert [number for number, valid in enumerate(verdicts) if not valid] == sorted(spoiled)
        assert await pool.verify([]) == []


async def test_small_calls_at_the_same_time_are_all_answered() -> None:
    """Many callers with one item each get the verdict on their own item."""
    items = signed(300, spoil=frozenset(range(0, 300, 7)))
    async with asyncio.timeout(HANG_S), VerifierPool(processes=1) as pool:
        verdicts = await asyncio.gather(*(pool.verify([item]) for item in items))
    assert verdicts == [[number % 7 != 0] for number in range(300)]


async def test_killed_worker_is_replaced_and_the_chunk_judged() -> None:
    """The caller does not notice that a worker was killed under its call."""
    items = signed(2000)
    async with asyncio.timeout(HANG_S), VerifierPool(processes=1) as pool:
        (first,) = pool.process_ids
        call = asyncio.create_task(pool.verify(items))
        await asyncio.sleep(0)
        os.kill(first, signal.SIGKILL)
        assert all(await call)
        assert pool.process_ids != (first,)


async def test_chunk_that_outlives_two_workers_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that always dies gives a typed error, and the pool lives on."""
    spawn = Child.spawn

    async def spawn_dying(_module: str, *_arguments: str) -> Child:
        return await spawn("this")  # prints a poem instead of a frame, and exits

    async with asyncio.timeout(HANG_S):
        with monkeypatch.context() as patch:
            patch.setattr(Child, "spawn", spawn_dying)
            async with VerifierPool(processes=1) as pool:
                with pytest.raises(VerifierFailed):
                    await pool.verify(signed(1))
                patch.setattr(Child, "spawn", spawn)
                assert await pool.verify(signed(1)) == [True]


async def test_calls_into_a_closed_pool_fail() -> None:
    """Nobody waits for ever for workers that are gone."""
    async with VerifierPool(processes=1) as pool:
        pass
    with pytest.raises(VerifierFailed):
        await pool.verify(signed(1))


async def test_miner_solves_the_header() -> None:
    """The nonce that comes back hashes to at most the target."""
    solutions: asyncio.Queue[tuple[int, int]] = asyncio.Queue()

    async def found(job_id: int, nonce: int) -> None:
        await solutions.put((job_id, nonce))

    target = 1 << 244
    async with asyncio.timeout(HANG_S), Miner(duty=1, on_solution=found) as miner:
        await miner.start(7, b"header" * 40, target)
        job_id, nonce = await solutions.get()
    digest = sha256(sha256(b"header" * 40 + nonce.to_bytes(8, "big")).digest()).digest()
    assert job_id == 7
    assert int.from_bytes(digest, "big") <= target


async def test_new_job_replaces_the_running_one_and_its_rest() -> None:
    """An impossible job gives way, even while the worker rests within a small duty cycle."""
    solutions: asyncio.Queue[int] = asyncio.Queue()

    async def found(job_id: int, _nonce: int) -> None:
        await solutions.put(job_id)

    async with asyncio.timeout(HANG_S), Miner(duty=0.1, on_solution=found) as miner:
        await miner.start(1, b"impossible", IMPOSSIBLE)
        await miner.start(2, b"trivial", TRIVIAL)
        assert await solutions.get() == 2
        await miner.start(3, b"impossible", IMPOSSIBLE)
        await miner.stop()
        await miner.start(4, b"trivial", TRIVIAL)
        assert await solutions.get() == 4
        assert solutions.empty()


async def test_hashes_are_counted() -> None:
    """Each hash of a solved job is reported, before the next job is worked on."""
    solutions: asyncio.Queue[int] = asyncio.Queue()

    async def found(job_id: int, _nonce: int) -> None:
        await solutions.put(job_id)

    async with asyncio.timeout(HANG_S), Miner(duty=1, on_solution=found) as miner:
        for job_id in range(3):
            await miner.start(job_id, b"trivial", TRIVIAL)
            assert await solutions.get() == job_id
    assert miner.hashes >= 2


async def test_killed_mining_worker_is_replaced_with_its_job() -> None:
    """A job that was given to a dying worker is solved by its successor."""
    solutions: asyncio.Queue[int] = asyncio.Queue()

    async def found(job_id: int, _nonce: int) -> None:
        await solutions.put(job_id)

    async with asyncio.timeout(HANG_S), Miner(duty=1, on_solution=found) as miner:
        await miner.start(1, b"impossible", IMPOSSIBLE)
        first = miner.process_id
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await miner.start(2, b"trivial", TRIVIAL)
        assert await solutions.get() == 2
        assert miner.process_id != first


async def test_miner_that_cannot_run_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that always dies ends mining with a typed error, after a few restarts."""
    spawn, spawned = Child.spawn, 0

    async def spawn_dying(_module: str, *_arguments: str) -> Child:
        nonlocal spawned
        spawned += 1
        return await spawn("this")

    async def found(_job_id: int, _nonce: int) -> None:
        raise AssertionError("nothing is mined")

    monkeypatch.setattr(Child, "spawn", spawn_dying)
    with pytest.raises(ExceptionGroup) as failure:
        async with asyncio.timeout(HANG_S), Miner(duty=1, on_solution=found):
            await asyncio.Event().wait()
    assert failure.group_contains(MinerFailed)
    assert spawned == RESTARTS_MAX + 1


@pytest.mark.parametrize("duty", [0, -0.1, 1.5])
def test_duty_cycle_outside_its_range_is_refused(duty: float) -> None:
    """A share of a core is above 0 and at most 1."""

    async def found(_job_id: int, _nonce: int) -> None:
        raise AssertionError("nothing is mined")

    with pytest.raises(ValueError, match="duty cycle"):
        Miner(duty=duty, on_solution=found)


PARENT = """
import asyncio, sys
from node.workers.miner import Miner
from node.workers.pool import VerifierPool

async def found(job_id, nonce): ...

async def main():
    async with VerifierPool(processes=1) as pool, Miner(duty=1, on_solution=found) as miner:
        await miner.start(1, b"impossible", 0)
        await pool.verify([(b"", b"", b"")])
        print(miner.process_id, *pool.process_ids, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_workers_die_with_a_killed_parent_and_stay_small() -> None:
    """After SIGKILL to their parent no worker is left; before it each is under 25 MiB."""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, stdout=asyncio.subprocess.PIPE, cwd=PROJECT
    )
    assert parent.stdout is not None
    async with asyncio.timeout(HANG_S):
        workers = [int(word) for word in (await parent.stdout.readline()).split()]
        resident = [resident_kib(worker) for worker in workers]
        parent.kill()
        await parent.wait()
        for worker in workers:
            await until_ended(worker)
    assert len(workers) == 2
    assert max(resident) < RESIDENT_KIB_MAX, resident


def test_workers_run_under_uvloop() -> None:
    """The same pool works on the event loop that nodes use."""

    async def verify() -> list[bool]:
        async with asyncio.timeout(HANG_S), VerifierPool(processes=1) as pool:
            (first,) = pool.process_ids
            os.kill(first, signal.SIGKILL)
            return await pool.verify(signed(600))

    assert all(uvloop.run(verify()))
