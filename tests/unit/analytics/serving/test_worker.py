"""The process that works with models: tasks and refusals, and that nothing of it is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence

import pytest

from analytics.errors import RequestRefused
from analytics.serving.worker import TaskRefused, Worker


def asked(values: Sequence[int]) -> dict[str, object]:
    """Return the arguments of a forecast."""
    return {
        "series": "payments",
        "first_ms": 1_767_225_600_000,
        "length_ms": 1_000,
        "values": list(values),
        "horizon": 2,
    }


async def test_a_process_does_one_task_after_the_other_and_is_replaced_when_it_ends() -> None:
    """Refusals have the task's own code, faults of ours another; neither ends it, a kill does."""
    worker = Worker(seconds_max=60.0, waiting_max=1)
    with pytest.raises(TaskRefused) as refused:
        await worker.run("forecast", **asked([3] * 40))
    assert (refused.value.status, refused.value.code) == (422, "constant_target")
    first = worker.process_id
    with pytest.raises(RequestRefused) as failed:
        await worker.run("no such task")
    assert (failed.value.status, failed.value.code) == (500, "model_failed")
    assert worker.process_id == first
    assert first is not None
    os.kill(first, signal.SIGSTOP)  # so that the task is with it when it is killed
    running = asyncio.create_task(worker.run("forecast", **asked([3] * 40)))
    await asyncio.sleep(0)
    os.kill(first, signal.SIGKILL)
    with pytest.raises(RequestRefused) as ended:
        await running
    assert (ended.value.status, ended.value.code) == (500, "model_failed")
    made = await worker.run("forecast", **asked([place % 5 for place in range(40)]))
    assert worker.process_id not in (None, first)
    assert [step["time_ms"] for step in made["steps"]] == [1_767_225_640_000, 1_767_225_641_000]
    assert all(0 <= s["lower"] <= s["value"] <= s["upper"] for s in made["steps"])
    await worker.close()
    assert worker.process_id is None


async def test_a_task_beyond_its_time_is_ended_with_its_process() -> None:
    """A code says so, and no process is left."""
    worker = Worker(seconds_max=0.01, waiting_max=1)
    with pytest.raises(RequestRefused) as refusal:
        await worker.run("forecast", **asked([3] * 40))
    assert (refusal.value.status, refusal.value.code) == (504, "model_timeout")
    assert worker.process_id is None
    await worker.close()


async def test_more_tasks_than_may_wait_are_told_to_come_back() -> None:
    """One is done, one waits, the third is refused at once."""
    worker = Worker(seconds_max=60.0, waiting_max=1)
    waiting = [asyncio.create_task(worker.run("no such task")) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(RequestRefused) as refusal:
        await worker.run("no such task")
    assert (refusal.value.status, refusal.value.code) == (503, "analytics_busy")
    for task in waiting:
        with pytest.raises(RequestRefused):
            await task
    await worker.close()
