"""How long a node takes from its command to being ready, and what memory it takes at rest."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from urllib.error import URLError
from urllib.request import urlopen

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ledger.genesis import Genesis
from ledger.genesis_document import format_genesis
from node.gossip.tls import certificate_der, make_certificate
from scripts.benchmarks.devnet import processor_seconds
from scripts.benchmarks.long_chain import MEMBER, make_genesis, write_chain
from scripts.benchmarks.measure import Better, Figure, spread_of
from tests.factories import make_signer

EMPTY_S_MAX, LONG_S_MAX = 3, 10
"""Goals of the start, seconds."""
REST_MIB_MAX = 120
"""Goal of a node at rest with its workers, on an empty chain."""
READY_S_MAX = 300
POLL_S = 0.02
REST_S = 3
"""How long a node rests before its memory is read, seconds."""
STARTS = 3
PROC = Path("/proc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A node's folder: of a network of one sealer, which is ready without anyone else."""

    directory: Path
    genesis: Genesis
    api_port: int


def measure_start(directory: Path, *, is_quick: bool) -> list[Figure]:
    """Measure a node on an empty chain and on one of a million transactions."""
    transactions, accounts = (4_000, 1_000) if is_quick else (1_000_000, 50_000)
    starts = 1 if is_quick else STARTS
    directory.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=directory, prefix="start-") as folder:
        empty = make_place(Path(folder) / "empty")
        figures = measure_place(empty, "an empty chain", EMPTY_S_MAX, starts)
        long = make_place(Path(folder) / "long")
        height = write_chain(
            long.directory, long.genesis, transactions=transactions, accounts=accounts
        )
        detail = {"transactions": transactions, "accounts": accounts, "blocks": height}
        name = f"a chain of {transactions:,} transactions"
        return figures + [
            replace(figure, detail={**figure.detail, **detail})
            for figure in measure_place(long, name, LONG_S_MAX, starts)
        ]


def make_place(directory: Path) -> Place:
    """Make the folder of a node that seals alone."""
    (directory / "keys").mkdir(parents=True, mode=0o700)
    now = datetime.now(UTC)
    key, certificate = make_certificate(
        MEMBER, not_before=now - timedelta(days=1), not_after=now + timedelta(days=1)
    )
    genesis = make_genesis(certificate=certificate_der(certificate))
    sealing = make_signer(f"{MEMBER} sealing").private_key
    pem = sealing.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for name, secret in (("tls.pem", key), ("sealing.pem", pem)):
        path = directory / "keys" / name
        path.touch(mode=0o600)
        path.write_bytes(secret)
    (directory / "tls.crt").write_bytes(certificate)
    (directory / "genesis.json").write_text(format_genesis(genesis))
    p2p_port, api_port = free_port(), free_port()
    (directory / "node.toml").write_text(
        f'member = "{MEMBER}"\n'
        'genesis = "genesis.json"\n'
        'data_dir = "data"\n'
        'sealing_key = "keys/sealing.pem"\n'
        'tls_key = "keys/tls.pem"\n'
        'tls_certificate = "tls.crt"\n'
        f'[p2p]\nlisten = "127.0.0.1:{p2p_port}"\n'
        f'[api]\nlisten = "127.0.0.1:{api_port}"\n'
    )
    return Place(directory=directory, genesis=genesis, api_port=api_port)


def free_port() -> int:
    """Return a TCP port of this machine that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def measure_place(place: Place, name: str, goal_s: float, starts: int) -> list[Figure]:
    """Start the node several times; return seconds to ready, and its memory at rest."""
    took, spent, memory = [], [], []
    for _ in range(starts):
        began_s = time.perf_counter()
        with running(place) as process:
            took.append(time.perf_counter() - began_s)
            spent.append(processor_seconds([process.pid]))
            time.sleep(REST_S)
            memory.append(memory_mib(process.pid))
    resident = [sum(rss for rss, _ in family) for family in memory]
    return [
        Figure(
            name=f"start to ready, {name}",
            value=median(took),
            unit="s",
            better=Better.LOWER,
            goal=goal_s,
            spread=spread_of(took),
            runs=starts,
            detail={"processor_s": round(median(spent), 2)},
        ),
        Figure(
            name=f"memory at rest, {name}",
            value=median(resident),
            unit="MiB",
            better=Better.LOWER,
            goal=REST_MIB_MAX if goal_s == EMPTY_S_MAX else None,
            spread=spread_of(resident),
            runs=starts,
            detail={
                "node_alone_mib": round(median(family[0][0] for family in memory), 1),
                "workers": len(memory[0]) - 1,
                "proportional_mib": round(median(sum(p for _, p in f) for f in memory), 1),
            },
        ),
    ]


@contextmanager
def running(place: Place) -> Iterator[subprocess.Popen[bytes]]:
    """Hold a node running from the moment that it is ready."""
    command = [sys.executable, "-m", "sunlit", "node", "run", "--config"]
    with (place.directory / "node.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, str(place.directory / "node.toml")], stdout=log, stderr=log
        )
    try:
        deadline_s = time.monotonic() + READY_S_MAX
        while not is_ready(place):
            if process.poll() is not None or time.monotonic() > deadline_s:
                raise AssertionError(f"the node did not start; see {place.directory / 'node.log'}")
            time.sleep(POLL_S)
        yield process
    finally:
        process.terminate()
        process.wait()


def is_ready(place: Place) -> bool:
    """Ask the node."""
    try:
        with urlopen(f"http://127.0.0.1:{place.api_port}/readyz", timeout=1) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def memory_mib(pid: int) -> list[tuple[float, float]]:
    """Return resident and proportional memory of a process, then of its children, in MiB.

    What processes share counts in each one's resident memory, and once in the proportional.
    """
    tasks = (PROC / str(pid) / "task").glob("*/children")
    children = [child for task in tasks for child in task.read_text().split()]
    return [_memory_mib(process) for process in (str(pid), *children)]


def _memory_mib(pid: str) -> tuple[float, float]:
    lines = (PROC / pid / "smaps_rollup").read_text().splitlines()
    kib = {line.split()[0]: int(line.split()[1]) for line in lines if line.endswith("kB")}
    return kib["Rss:"] / 1024, kib["Pss:"] / 1024
