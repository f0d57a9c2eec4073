"""What a regulator's node is put under while the ledger is measured; each holds until it is left."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from analytics.sandbox.limits import SQL_RUNNING_MAX
from node.analytics.supervisor import MODULE
from node.stream import CONSUMERS_MAX
from scripts.benchmarks.devnet import DevelopmentNetwork, children
from scripts.benchmarks.regulator_watch import REGULATOR, audit_client
from wallet.client import NodeClient
from wallet.connection import token_source
from wallet.errors import ApiError

SLOW_SQL = (
    "SELECT sum(sqrt(a.amount + b.amount + r.range)) FROM legs a, legs b, range(1000000000) r"
)
"""It reads the warehouse and computes until its time is over."""
KILL_EVERY_S = 4.0
STALLED = 10
"""Consumers of the stream that never read."""
STALLED_RECEIVE_BYTES = 4 * 1024
"""Receive buffer of such a consumer, so that what it does not read stays with the node."""
WATCHING = 1
"""Consumers of the stream of blocks that the measurement itself is."""
ALERTS_WATCHING = 1
"""Streams of alerts that the measurement has; the node's metric counts them too."""
CONSUMERS_S_MAX = 60
TRAINING = {"series": "account-warnings", "method": "random-forest"}
"""What is trained: of the models of the ledger's features, the one that computes longest."""
TRAINING_S_MAX = 180
POLL_S = 0.1
_CONSUMERS = re.compile(r"^\w*stream_consumers ([0-9.]+)$", re.MULTILINE)

Done = Counter[str]
"""What loads did, by name: proof that they were there."""


@asynccontextmanager
async def quiet(network: DevelopmentNetwork, done: Done) -> AsyncIterator[None]:  # noqa: ARG001 - the loads' form
    """Hold nothing."""
    yield


@asynccontextmanager
async def slow_sql(network: DevelopmentNetwork, done: Done) -> AsyncIterator[None]:
    """Hold as many slow queries running as a node runs at a time, one after another.

    On leaving, those that run are waited for.
    """
    is_over = asyncio.Event()
    async with audit_client(network) as client, asyncio.TaskGroup() as group:
        for number in range(SQL_RUNNING_MAX):
            group.create_task(_query(client, is_over, done), name=f"query {number}")
        try:
            yield
        finally:
            is_over.set()


async def _query(client: NodeClient, is_over: asyncio.Event, done: Done) -> None:
    while not is_over.is_set():
        try:
            await client.ask("POST", "/v1/audit/query", document={"sql": SLOW_SQL})
        except ApiError as error:
            if error.code != "query_timeout":
                raise
        done["queries"] += 1


@asynccontextmanager
async def killed_analytics(network: DevelopmentNetwork, done: Done) -> AsyncIterator[None]:
    """Kill the regulator's analytics process every few seconds."""
    node = network.pid_of(REGULATOR)
    async with asyncio.TaskGroup() as group:
        killing = group.create_task(_kill(node, done), name="kill")
        try:
            yield
        finally:
            killing.cancel()


async def _kill(node: int, done: Done) -> None:
    while True:
        done["kills"] += _kill_analytics(node)
        await asyncio.sleep(KILL_EVERY_S)


def _kill_analytics(node: int) -> int:
    """Kill a node's analytics process, and return how many there were: one, or none yet."""
    killed = 0
    for pid in children(node):
        with suppress(OSError):  # it ended meanwhile
            if MODULE in Path(f"/proc/{pid}/cmdline").read_text().split("\0"):
                os.kill(pid, signal.SIGKILL)
                killed += 1
    return killed


@asynccontextmanager
async def training(network: DevelopmentNetwork, done: Done) -> AsyncIterator[None]:
    """Hold a model in training on the ledger's features, one after the other.

    On leaving, the one that runs is waited for.
    """
    is_over = asyncio.Event()
    async with audit_client(network) as client, asyncio.TaskGroup() as group:
        group.create_task(_train(client, is_over, done), name="train")
        try:
            yield
        finally:
            is_over.set()


async def _train(client: NodeClient, is_over: asyncio.Event, done: Done) -> None:
    while not is_over.is_set():
        document = {**TRAINING, "seed": done["trainings"]}
        asked = await client.ask("POST", "/v1/audit/models", document=document)
        async with asyncio.timeout(TRAINING_S_MAX):
            while asked["state"] in {"queued", "running"}:
                await asyncio.sleep(POLL_S)
                asked = await client.ask("GET", f"/v1/audit/trainings/{asked['id']}")
        if asked["state"] != "done":
            raise AssertionError(f"a training {asked['state']}: {asked['detail']}")
        done["trainings"] += 1


@asynccontextmanager
async def consumers(network: DevelopmentNetwork, done: Done) -> AsyncIterator[None]:
    """Hold as many consumers of the audit stream as a node serves, some of which never read."""
    readers = CONSUMERS_MAX - WATCHING - STALLED
    async with AsyncExitStack() as held:
        # The next load may be this one again: the node takes some seconds to see that they left.
        held.push_async_callback(_until_left, network)
        sockets = held.enter_context(ExitStack())
        for _ in range(STALLED):
            sockets.enter_context(await asyncio.to_thread(_stalled, network))
        client = await held.enter_async_context(audit_client(network))
        group = await held.enter_async_context(asyncio.TaskGroup())
        first = int((await client.status())["finalized"]["height"])
        reading = [
            group.create_task(_read(client, first, done), name=f"consumer {number}")
            for number in range(readers)
        ]
        try:
            await _until_consumers(client, CONSUMERS_MAX + ALERTS_WATCHING)
            done["consumers"] = max(done["consumers"], CONSUMERS_MAX)
            done["stalled"] = max(done["stalled"], STALLED)
            yield
        finally:
            for task in reading:
                task.cancel()


def _stalled(network: DevelopmentNetwork) -> socket.socket:
    """Return a connection that asked for the stream from the first block and is not read."""
    url = urlsplit(network.profile.node_of(REGULATOR).api)
    token = token_source(network.profile, network.regulator, REGULATOR).current().text
    connection = socket.socket()
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, STALLED_RECEIVE_BYTES)
        connection.connect((url.hostname, url.port))
        connection.sendall(
            f"GET /v1/audit/blocks?follow=true&from=0 HTTP/1.1\r\nHost: {url.netloc}\r\n"
            f"Authorization: Bearer {token}\r\n\r\n".encode()
        )
    except BaseException:
        connection.close()
        raise
    return connection


async def _read(client: NodeClient, first: int, done: Done) -> None:
    query = {"follow": "true", "from": str(first)}
    async with client.audit_block_events(query, last_event_id=None) as chunks:
        async for chunk in chunks:
            done["bytes_read"] += len(chunk)
    raise AssertionError("the node ended a consumer's stream")


async def _until_left(network: DevelopmentNetwork) -> None:
    """Return once the node serves nobody but the measurement."""
    async with audit_client(network) as client:
        await _until(client, lambda count: count <= WATCHING + ALERTS_WATCHING)


async def _until_consumers(client: NodeClient, count: int) -> None:
    """Return once the node says that it has so many consumers."""
    await _until(client, lambda found: found >= count)


async def _until(client: NodeClient, is_reached: Callable[[float], bool]) -> None:
    """Return once the node's own count of its consumers is as it must be."""
    async with asyncio.timeout(CONSUMERS_S_MAX):
        while True:
            found = _CONSUMERS.search(await client.metrics())
            if found is None:
                raise AssertionError("the node's metrics count the consumers of its stream")
            if is_reached(float(found[1])):
                return
            await asyncio.sleep(POLL_S)
