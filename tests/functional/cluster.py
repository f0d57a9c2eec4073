"""Real node processes on loopback, whose links a test can cut: the cast of the network tests.

Every node dials every other through a forwarder of the test's own, so that a partition is two
sockets closed and not a rule of the operating system.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import jwt
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from ledger.genesis_document import format_genesis
from ledger.identity import MemberId
from ledger.parameters import Parameters
from node.gossip.tls import certificate_der, make_certificate
from sunlit.devnet import free_addresses
from sunlit.devnet_plan import consensus_parameters
from tests import barriers
from tests.factories import REGULATOR, Network, Signer, make_network
from tests.functional.mining import EASED_DUTY, eased

LOOPBACK = "127.0.0.1"
HANG_S = barriers.HANG_S
BLOCK_TIME_MS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a node lives."""

    directory: Path
    p2p_port: int
    api_port: int

    @property
    def api(self) -> str:
        """Base URL of the node's API."""
        return f"http://{LOOPBACK}:{self.api_port}"


class Link:
    """A forwarder from a dialler to a listener, which can be cut and mended."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.is_cut = False
        self.port = 0

    async def open(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._accept, LOOPBACK, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """End what flows and let nothing through."""
        self.is_cut = True
        for writer in self._writers:
            writer.transport.abort()

    def mend(self) -> None:
        """Let new connections through."""
        self.is_cut = False

    def close(self) -> None:
        """Stop listening."""
        self.cut()
        if self._server is not None:
            self._server.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            if self.is_cut:
                return
            there, back = await asyncio.open_connection(LOOPBACK, self._target_port)
            self._writers.add(back)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pump(reader, back))
                tasks.create_task(self._pump(there, writer))
            self._writers.discard(back)
        except OSError:
            return
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(64 * 1024):
                sink.write(data)
                await sink.drain()
        sink.transport.abort()


class Cluster:
    """Four members' nodes as processes, with every secret at hand."""

    def __init__(self, network: Network, places: Mapping[str, Place]) -> None:
        self.network = network
        self.places = places
        self.processes: dict[str, asyncio.subprocess.Process] = {}
        self.next_sequences = dict.fromkeys(network.holders, 0)
        self._links: dict[tuple[str, str], Link] = {}
        self._http: aiohttp.ClientSession | None = None

    @property
    def names(self) -> list[str]:
        """The members, in order."""
        return sorted(self.places)

    @property
    def http(self) -> aiohttp.ClientSession:
        """The test's own HTTP session."""
        assert self._http is not None
        return self._http

    # --- life and death ----------------------------------------------------------------------

    async def start(self, *names: str) -> None:
        """Start nodes and return when they are ready."""
        for name in names:
            place = self.places[name]
            with (place.directory / "node.log").open("ab") as log:
                self.processes[name] = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "sunlit", "node", "run"),
                    *("--config", str(place.directory / "node.toml")),
                    stdout=log,
                    stderr=log,
                )
        for name in names:
            await self.until_ready(name)

    async def kill(self, name: str) -> None:
        """End a node with SIGKILL and wait until it is gone."""
        process = self.processes.pop(name)
        process.kill()
        await process.wait()

    async def stop(self) -> None:
        """End every node with SIGTERM; each must exit with 0."""
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        statuses = [await process.wait() for process in self.processes.values()]
        self.processes.clear()
        assert not any(statuses), f"nodes exited with {statuses}"

    async def until_ready(self, name: str) -> None:
        """Return when a node answers that it is ready."""
        async with asyncio.timeout(HANG_S):
            while not await self._is_ready(name):
                assert self.processes[name].returncode is None, self._log_tail(name)
                await self._next_moment()

    async def _next_moment(self) -> None:
        """Wait for the operating system to run others: there is no event for a port to open."""
        await asyncio.to_thread(time.sleep, 0.05)

    async def _is_ready(self, name: str) -> bool:
        try:
            async with self.http.get(f"{self.places[name].api}/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    def _log_tail(self, name: str) -> str:
        lines = (self.places[name].directory / "node.log").read_text().splitlines()
        return "\n".join(lines[-20:])

    # --- links -------------------------------------------------------------------------------

    def partition(self, *groups: Iterable[str]) -> None:
        """Cut every link between members of different groups."""
        side = {name: at for at, group in enumerate(groups) for name in group}
        for (dialler, listener), link in self._links.items():
            if side[dialler] != side[listener]:
                link.cut()

    def heal(self) -> None:
        """Mend every link."""
        for link in self._links.values():
            link.mend()

    # --- what the nodes say ------------------------------------------------------------------

    def headers(self, name: str, signer: Signer | None = None) -> dict[str, str]:
        """Return the headers of a regulator's officer for a node, or of another signer."""
        officer = signer or self.network.officers[REGULATOR][0]
        now = int(time.time())
        claims = {
            "iss": REGULATOR,
            "sub": REGULATOR,
            "aud": f"{self.network.genesis.chain_id}/{name}",
            "iat": now,
            "exp": now + 600,
            "jti": f"{name}-{time.monotonic_ns()}",
        }
        token = jwt.encode(
            claims,
            officer.private_key,
            algorithm="EdDSA",
            headers={"kid": officer.public_key.hex()},
        )
        return {"Authorization": f"Bearer {token}"}

    async def get(self, name: str, path: str) -> Any:
        """Return the JSON of a GET with the regulator's token."""
        url = f"{self.places[name].api}{path}"
        async with self.http.get(url, headers=self.headers(name)) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def submit(self, name: str, raw: bytes) -> tuple[int, Any]:
        """Submit a signed transaction; return the HTTP status and the JSON."""
        async with self.http.post(
            f"{self.places[name].api}/v1/transactions",
            data=raw,
            headers={"Content-Type": "application/msgpack"},
        ) as answer:
            return answer.status, await answer.json(content_type=None)

    async def blocks(
        self, name: str, first: int = 0, *, finality: str = "final"
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Yield the events of a node's audit stream, without end."""
        query = {"from": str(first), "follow": "true"}
        if finality == "head":
            query["finality"] = "head"
        headers = self.headers(name) | {"Accept": "application/x-ndjson"}
        async with self.http.get(
            f"{self.places[name].api}/v1/audit/blocks",
            params=query,
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=None, sock_read=HANG_S),
        ) as answer:
            assert answer.status == 200, await answer.text()
            async for line in answer.content:
                if line.strip():
                    yield json.loads(line)

    async def until_final(self, name: str, txids: set[str]) -> int:
        """Return the height at which the last of these transactions became final at a node."""
        missing = set(txids)
        async with asyncio.timeout(HANG_S), aclosing(self.blocks(name)) as events:
            async for event in events:
                missing -= {transaction["txid"] for transaction in event["transactions"]}
                if not missing:
                    return int(event["height"])
        raise AssertionError(f"{name}: the stream ended before {len(missing)} were final")

    async def until_height(self, name: str, height: int, *, finality: str = "final") -> None:
        """Return when a node's chain reached a height, final or at the head."""
        async with asyncio.timeout(HANG_S):
            async with aclosing(self.blocks(name, height, finality=finality)) as events:
                async for event in events:
                    if event["event"] == "block" and event["height"] >= height:
                        return


@asynccontextmanager
async def running_cluster(
    directory: Path, *, accounts: int = 4, started: bool = True
) -> AsyncIterator[Cluster]:
    """Hold a cluster of three banks and the regulator; on leaving, every process is gone."""
    cluster = _make_cluster(directory, accounts)
    async with AsyncExitStack() as held:
        cluster._http = await held.enter_async_context(aiohttp.ClientSession())
        await _open_links(cluster, held)
        try:
            if started:
                await cluster.start(*cluster.names)
            yield cluster
        finally:
            for process in cluster.processes.values():
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()


def _make_cluster(directory: Path, accounts: int) -> Cluster:
    names = ["bank1", "bank2", "bank3", REGULATOR]
    certificates: dict[str, bytes] = {}
    places: dict[str, Place] = {}
    # A node that is started again finds its ports free: they are none of outgoing connections.
    ports = (int(address.rpartition(":")[2]) for address in free_addresses(2 * len(names)))
    now = datetime.now(UTC)
    for name in names:
        home = directory / name
        (home / "keys").mkdir(parents=True)
        key, certificate = make_certificate(
            name, not_before=now - timedelta(days=1), not_after=now + timedelta(days=1)
        )
        _write_secret(home / "keys" / "tls.pem", key)
        (home / "tls.crt").write_bytes(certificate)
        certificates[name] = certificate_der(certificate)
        places[name] = Place(directory=home, p2p_port=next(ports), api_port=next(ports))
    wanted = consensus_parameters(sealers=4, block_time_ms=BLOCK_TIME_MS)
    parameters = Parameters(**eased(wanted))
    network = make_network(accounts=accounts, parameters=parameters, certificates=certificates)
    genesis = replace(network.genesis, time_ms=int(time.time() * 1_000) - 1_000)
    network = replace(network, genesis=genesis, genesis_hash=genesis.header().hash)
    for name, place in places.items():
        (place.directory / "genesis.json").write_text(format_genesis(genesis))
        sealing = network.sealers[MemberId(name)].private_key
        pem = sealing.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        _write_secret(place.directory / "keys" / "sealing.pem", pem)
    return Cluster(network, places)


async def _open_links(cluster: Cluster, held: AsyncExitStack) -> None:
    for name, place in cluster.places.items():
        peers = []
        for other, target in cluster.places.items():
            if other == name:
                continue
            link = cluster._links[name, other] = Link(target.p2p_port)
            await link.open()
            held.callback(link.close)
            peers.append(f'{other} = "{LOOPBACK}:{link.port}"')
        (place.directory / "node.toml").write_text(
            "\n".join(
                [
                    f'member = "{name}"',
                    'genesis = "genesis.json"',
                    'data_dir = "data"',
                    'sealing_key = "keys/sealing.pem"',
                    'tls_key = "keys/tls.pem"',
                    'tls_certificate = "tls.crt"',
                    "[p2p]",
                    f'listen = "{LOOPBACK}:{place.p2p_port}"',
                    "[p2p.peers]",
                    *peers,
                    "[api]",
                    f'listen = "{LOOPBACK}:{place.api_port}"',
                    "[mining]",
                    f"duty = {EASED_DUTY}",
                    "[analytics]",
                    "enabled = false",
                    "",
                ]
            )
        )


def _write_secret(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
