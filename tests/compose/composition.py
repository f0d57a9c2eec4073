"""The network of docker-compose.yml on a real engine: its life, its links and its wallet."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from subprocess import DEVNULL
from typing import Any, Final
from urllib.request import urlopen

from wallet.connection import Connection, connect
from wallet.errors import ApiError, NodeUnreachable
from wallet.profile import load_profile
from wallet.trust import trusting_context

ROOT: Final = Path(__file__).resolve().parents[2]
PROJECT: Final = "sunlit-test"
"""A project of the tests' own, so that nobody's volumes are removed but theirs."""
NAMES: Final = ("bank1", "bank2", "bank3", "regulator")

COMMAND_S_MAX: Final = 300
LOG_LINES_SHOWN: Final = 30
HANG_S: Final = 120  # a barrier that is never reached fails the test instead of hanging it
POLL_S: Final = 0.1


def engine_answers() -> bool:
    """Return whether there are an engine and Compose."""
    try:
        asked = (["docker", "version"], ["docker", "compose", "version"])
        return all(subprocess.call(one, stdout=DEVNULL, stderr=DEVNULL) == 0 for one in asked)
    except FileNotFoundError:
        return False


class Composition:
    """Four members in containers, and a home on this machine that pays through their ports."""

    def __init__(self, home: Path) -> None:
        self.home = home

    # --- containers --------------------------------------------------------------------------

    def compose(self, *arguments: str) -> str:
        """Run docker compose and return what it prints."""
        command = ["docker", "compose", "--project-name", PROJECT, *arguments]
        # Prometheus comes from a registry, which a test does without.
        return _run(command, os.environ | {"COMPOSE_PROFILES": ""})

    def container(self, name: str) -> dict[str, Any]:
        """Return what the engine knows of a service's container."""
        identity = self.compose("ps", "--all", "--quiet", name).strip()
        (document,) = json.loads(_run(["docker", "inspect", identity], os.environ))
        assert isinstance(document, dict)
        return document

    def partition(self, *groups: Iterable[str]) -> None:
        """Let no packet pass between members of different groups."""
        containers = {name: self.container(name) for group in groups for name in group}
        addresses = {name: _address(container) for name, container in containers.items()}
        for group in groups:
            inside = set(group)
            for name in inside:
                for stranger in addresses.keys() - inside:
                    _iptables(
                        containers[name], "-A", "INPUT", "-s", addresses[stranger], "-j", "DROP"
                    )

    def heal(self, names: Iterable[str] = NAMES) -> None:
        """Let every packet pass again."""
        for name in names:
            _iptables(self.container(name), "-F")

    # --- the wallet --------------------------------------------------------------------------

    def wallet(self, *arguments: str) -> dict[str, Any]:
        """Run `sunlit wallet` on this machine and return its document."""
        command = [sys.executable, "-m", "sunlit", "wallet", *arguments, "--json"]
        document = json.loads(_run(command, os.environ | {"SUNLIT_HOME": str(self.home)}))
        assert isinstance(document, dict)
        return document

    def send(self, payer: str, payee: str, amount: str, *, wait: str) -> dict[str, Any]:
        """Pay CNY and return the receipt."""
        return self.wallet(
            "send", "--from", payer, "--to", payee, amount, "CNY", "--wait", wait
        )  # fmt: skip

    def posted(self, account: str) -> int:
        """Return the CNY that an account holds at its own bank's final block, smallest units."""
        document = self.wallet("balance", account, "--state", "finalized")
        return next(int(b["posted"]) for b in document["balances"] if b["asset"] == "CNY")

    # --- what the nodes say ------------------------------------------------------------------

    @asynccontextmanager
    async def node(self, name: str) -> AsyncIterator[Connection]:
        """Meet a member's node at its published port, known by its certificate."""
        profile = load_profile(self.home)
        url = next(node.api for node in profile.nodes if node.name == name)
        async with connect(profile, url=url) as connection:
            yield connection

    def votes(self, name: str) -> int:
        """Return how many votes a member's node has released since it started."""
        profile = load_profile(self.home)
        node = next(node for node in profile.nodes if node.name == name)
        assert node.certificate is not None
        context = trusting_context(node.certificate)
        with urlopen(f"{node.api}/metrics", context=context) as answer:
            lines = answer.read().decode().splitlines()
        (line,) = (line for line in lines if line.startswith("sunlit_votes_total "))
        return int(float(line.split()[1]))

    async def height(self, name: str, block: str) -> int:
        """Return the height of a node's ``head`` or ``finalized`` block."""
        async with self.node(name) as connection:
            return int(connection.status[block]["height"])

    async def hashes(self, name: str, last: int) -> list[str]:
        """Return the hashes of a node's blocks up to a height."""
        async with self.node(name) as connection:
            return [block["hash"] async for block in connection.client.blocks(0, last)]

    async def until_height(self, name: str, block: str, height: int) -> None:
        """Return when a node's ``head`` or ``finalized`` block is as high as that."""

        async def is_there() -> bool:
            return await self.height(name, block) >= height

        await self.until(is_there)

    async def until_final(self, name: str, txid: str) -> int:
        """Return the height of a transaction, when it is final at a node."""
        found: dict[str, Any] = {}

        async def is_final() -> bool:
            async with self.node(name) as connection:
                try:
                    found.update(await connection.client.transaction(txid))
                except ApiError as error:
                    if error.code != "unknown_transaction":  # which it is until the node has it
                        raise
            return found.get("status") == "final"

        await self.until(is_final)
        return int(found["height"])

    async def until(self, is_reached: Callable[[], Awaitable[bool]]) -> None:
        """Return when a question has the answer yes; a node that is down has none."""
        async with asyncio.timeout(HANG_S):
            while True:
                try:
                    if await is_reached():
                        return
                except NodeUnreachable:
                    pass
                await asyncio.to_thread(time.sleep, POLL_S)  # another machine's news has no event


@contextmanager
def running_composition(directory: Path) -> Iterator[Composition]:
    """Hold the network running, built from this checkout; on leaving, nothing of it is left."""
    composition = Composition(directory / "home")
    composition.compose("build", "--quiet")
    try:
        composition.compose("down", "--volumes", "--timeout", "1")
        composition.compose("up", "--detach", "--wait")
        composition.compose("cp", "network:/network/home", str(composition.home))
        yield composition
    except AssertionError as error:
        error.add_note(composition.compose("logs", "--no-color", "--tail", str(LOG_LINES_SHOWN)))
        raise
    finally:
        composition.compose("down", "--volumes", "--timeout", "1")


def _address(container: Mapping[str, Any]) -> str:
    (network,) = container["NetworkSettings"]["Networks"].values()
    return str(network["IPAddress"])


def _iptables(container: Mapping[str, Any], *rule: str) -> None:
    process_id = str(container["State"]["Pid"])
    _run(["nsenter", "--target", process_id, "--net", "iptables", "--wait", *rule], os.environ)


def _run(command: list[str], environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=COMMAND_S_MAX,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr[-4_000:]}"
    return done.stdout
