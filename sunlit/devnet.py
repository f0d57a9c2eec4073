"""The development network: every node of a small network as a process of its own on this machine."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from ledger.addresses import encode_account_id
from node.probe import NodeUnreachable, fetch_status, is_ready
from sunlit.devnet_document import (
    LOCK_NAME,
    DevnetDocument,
    NodeRecord,
    config_path,
    load_devnet,
    log_path,
    save_devnet,
)
from sunlit.devnet_plan import plan_network
from sunlit.errors import DevnetError
from sunlit.home import (
    claim_home,
    claimed_home,
    generate_chain_id,
    remove,
    resident_chain,
)
from sunlit.network import init_network, make_members
from sunlit.network_document import MembersDocument
from sunlit.processes import ProcessIdentity, birth_of, spawn_detached, stop_processes
from wallet.keystore import Keystore
from wallet.profile import save_profile

LOOPBACK: Final = "127.0.0.1"

NODE_COMMAND: Final = (sys.executable, "-m", "sunlit", "node", "run", "--config")
"""What runs a node; its configuration file follows."""

PORTS: Final = range(20_000, 32_768)
"""Ports to choose from: below those that systems give to outgoing connections, so that a node
which is down finds its port free when it comes back."""

READY_S_MAX: Final = 120.0
"""How long nodes may take to become ready."""
READY_POLL_S: Final = 0.1
STOP_S_MAX: Final = 15.0
"""How long a node may take to stop before it is killed."""
WATCH_S: Final = 0.5
LOG_LINES_SHOWN: Final = 20
LOG_BYTES_SHOWN: Final = 16 * 1024

Report = Callable[[str], None]
"""Takes a line about the progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedNode:
    """A node that this command started."""

    node: NodeRecord
    """Its record, with the new process."""
    process: subprocess.Popen[bytes]
    """The process, this command's child."""
    log: Path
    """Where its output goes."""
    log_offset: int
    """Where in the log its own output begins, bytes."""

    def log_tail(self) -> list[str]:
        """Return the last lines that it wrote."""
        with self.log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(self.log_offset, size - LOG_BYTES_SHOWN))
            return file.read().decode(errors="replace").splitlines()[-LOG_LINES_SHOWN:]


def create_devnet(
    directory: Path,
    *,
    home: Path,
    nodes: int,
    block_time_ms: int,
    keystore: Keystore,
    report: Report,
    complete: Callable[[MembersDocument], MembersDocument] = lambda document: document,
) -> DevnetDocument:
    """Make keys, genesis and configurations of a new network, all or nothing; nothing is started.

    Keys of accounts and officers go to ``keystore``, which is that of ``home``. ``complete`` says
    what the genesis holds beside what every development network's does.

    Raises:
        DevnetError: ``directory_in_use``.
        HomeTaken: the home holds keys that are not a development network's.
        KeystoreError: the passphrase does not fit.
    """
    strangers = sorted(p.name for p in directory.iterdir() if p.name != LOCK_NAME)
    if strangers:
        detail = f"{directory} is no development network and not empty ({strangers[0]} is there)"
        raise DevnetError("directory_in_use", detail, directory=directory)
    chain_id = generate_chain_id()
    with claimed_home(home, chain_id) as former, _emptied_on_failure(directory):
        if former:
            report(_set_aside(home, former))
        addresses = free_addresses(2 * nodes)
        plan = plan_network(
            chain_id=chain_id,
            p2p=addresses[:nodes],
            api=addresses[nodes:],
            block_time_ms=block_time_ms,
        )
        now = datetime.now(UTC)
        members = make_members(plan, directory=directory, keystore=keystore, now=now)
        network = init_network(complete(members), directory=directory, now=now)
        save_profile(home, network.profile())
        document = DevnetDocument(
            home=str(home),
            chain_id=chain_id,
            block_time_ms=block_time_ms,
            nodes=[
                NodeRecord(name=entry.id, member=entry.id, api=entry.api_url, p2p=entry.p2p)
                for entry in network.members
            ],
            accounts={
                entry.name: encode_account_id(entry.account)
                for entry in keystore.entries()
                if entry.account is not None
            },
        )
        save_devnet(directory, document)
    return document


@contextmanager
def _emptied_on_failure(directory: Path) -> Iterator[None]:
    """Remove what was made in a directory that held nothing but the lock, if not all was made."""
    try:
        yield
    except BaseException:
        for path in directory.iterdir():
            if path.name != LOCK_NAME:
                remove(path)
        raise


def open_devnet(
    directory: Path, *, nodes: int | None, block_time_ms: int | None, report: Report
) -> DevnetDocument:
    """Return the network that is in the directory, its keys back in its home.

    Raises:
        DevnetError: ``devnet_differs``; it is not the one that was asked for.
    """
    document = load_devnet(directory)
    _check_same("nodes", len(document.nodes), nodes, directory)
    _check_same("block time in ms", document.block_time_ms, block_time_ms, directory)
    home = Path(document.home)
    former = claim_home(home, document.chain_id)
    if former:
        report(_set_aside(home, former))
    if resident_chain(home) != document.chain_id:
        report(f"{home} no longer holds the keys of {document.chain_id}")
    return document


def _set_aside(home: Path, former: str) -> str:
    """Return what to say once another network's keys had to leave a home."""
    return f"the keys of {former} in {home} were set aside, until `sunlit dev up` of that network"


def start_nodes(
    directory: Path, document: DevnetDocument, *, report: Report
) -> tuple[DevnetDocument, list[StartedNode]]:
    """Start the nodes that are down and return once every node is ready.

    Raises:
        DevnetError: ``node_failed`` or ``node_not_ready``; those started here are stopped again.
    """
    started: list[StartedNode] = []
    try:
        for node in document.nodes:
            if node.process is None:
                one = _start(directory, node)
                started.append(one)
                # Saved one by one, so that whatever happens next, `dev down` finds it.
                document = document.with_node(one.node)
                save_devnet(directory, document)
        _wait_until_ready(document, started, report)
    except BaseException:
        stop_devnet(directory, only=[one.node.name for one in started])
        raise
    return document, started


def stop_devnet(directory: Path, *, only: Sequence[str] | None = None) -> list[str]:
    """Stop the network's nodes, all or some, and return the names of those that ran.

    Raises:
        DevnetError: ``no_devnet``.
    """
    document = load_devnet(directory)
    chosen = [node for node in document.nodes if only is None or node.name in only]
    running = {node.name: process for node in chosen if (process := node.process) is not None}
    stop_processes(running.values(), grace_s=STOP_S_MAX)
    for node in chosen:
        document = document.with_node(node.with_process(None))
    save_devnet(directory, document)
    return list(running)


def describe_status(directory: Path) -> dict[str, Any]:
    """Return the network as ``dev up`` prints it, with what each node says of itself.

    Raises:
        DevnetError: ``no_devnet``.
    """
    document = load_devnet(directory)
    description = document.describe(directory)
    for node, shown in zip(document.nodes, description["nodes"], strict=True):
        is_running = node.process is not None
        shown["pid"] = node.pid if is_running else None
        shown["running"] = is_running
        shown["ready"] = is_running and is_ready(node.api)
        # A node that is not ready, for lack of peers for instance, answers this all the same.
        shown["status"] = _status(node) if is_running else None
    return description


def watch_nodes(directory: Path, started: Sequence[StartedNode], *, report: Report) -> None:
    """Report nodes that end, and return when all were stopped by another command.

    Raises:
        DevnetError: ``node_failed``; none is left, and nobody stopped them.
    """
    running = {node.name for node in load_devnet(directory).nodes}
    while running:
        time.sleep(WATCH_S)
        for one in started:
            one.process.poll()  # leaves no zombie
        now = {node.name for node in load_devnet(directory).nodes if node.process is not None}
        for name in sorted(running - now):
            report(f"{name} has ended")
        running = now
    if any(node.pid is not None for node in load_devnet(directory).nodes):
        raise DevnetError("node_failed", "every node has ended; their logs say why")


def free_addresses(count: int) -> list[str]:
    """Return that many distinct loopback addresses on which nobody listens."""
    with ExitStack() as held:
        return [
            f"{LOOPBACK}:{port}" for port, _ in zip(_bindable(held), range(count), strict=False)
        ]


def _bindable(held: ExitStack) -> Iterator[int]:
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        candidate = held.enter_context(socket.socket())
        try:
            candidate.bind((LOOPBACK, port))
        except OSError:
            continue
        yield port
    raise DevnetError("no_free_port", f"no free port from {PORTS.start} to {PORTS.stop - 1}")


def _start(directory: Path, node: NodeRecord) -> StartedNode:
    log = log_path(directory, node)
    log_offset = log.stat().st_size if log.exists() else 0
    config = config_path(directory, node)
    process = spawn_detached([*NODE_COMMAND, str(config)], log=log)
    # A process that ended at once has no birth; it is found dead when readiness is asked for.
    identity = ProcessIdentity(pid=process.pid, birth=birth_of(process.pid) or "")
    return StartedNode(
        node=node.with_process(identity), process=process, log=log, log_offset=log_offset
    )


def _wait_until_ready(
    document: DevnetDocument, started: Sequence[StartedNode], report: Report
) -> None:
    own = {one.node.name: one for one in started}
    waiting = {node.name: node for node in document.nodes}
    deadline = time.monotonic() + READY_S_MAX
    while waiting:
        for name, node in list(waiting.items()):
            _check_alive(node, own, report)
            if is_ready(node.api):
                report(f"{name} is ready at {node.api}")
                del waiting[name]
        if waiting and time.monotonic() > deadline:
            names = ", ".join(waiting)
            detail = f"{names} did not become ready within {READY_S_MAX:.0f} s"
            raise DevnetError("node_not_ready", detail, nodes=list(waiting))
        if waiting:
            time.sleep(READY_POLL_S)


def _check_alive(node: NodeRecord, own: Mapping[str, StartedNode], report: Report) -> None:
    started = own.get(node.name)
    if started is None:
        if node.process is None:
            raise DevnetError("node_failed", f"{node.name} has ended", node=node.name)
        return
    status = started.process.poll()
    if status is not None:
        tail = started.log_tail()
        for line in tail:
            report(f"{node.name}: {line}")
        last = tail[-1] if tail else "it wrote nothing"
        detail = f"{node.name} ended with status {status}: {last} (log: {started.log})"
        raise DevnetError("node_failed", detail, node=node.name, status=status)


def _status(node: NodeRecord) -> dict[str, Any] | None:
    try:
        return fetch_status(node.api)
    except NodeUnreachable:
        return None


def _check_same(what: str, present: int, wanted: int | None, directory: Path) -> None:
    if wanted is not None and wanted != present:
        detail = f"the network in {directory} has {what} {present}, not {wanted}"
        raise DevnetError("devnet_differs", detail, directory=directory, present=present)
