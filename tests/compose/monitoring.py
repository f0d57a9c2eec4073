"""A real Prometheus on this machine, asked by its own HTTP API."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

ANSWER_S_MAX = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A member's node, as Prometheus sees it."""

    health: str
    """``up``, ``down``, or ``unknown`` before the first scrape."""
    last_error: str
    """Why the last scrape failed; empty when it did not."""


class Prometheus:
    """A running server's own HTTP API."""

    def __init__(self, address: str) -> None:
        self._address = address

    def targets(self) -> dict[str, Target]:
        """Return its targets by member; none while the server does not answer."""
        found = self._ask("targets", state="active")
        return {
            target["labels"]["member"]: Target(
                health=target["health"], last_error=target["lastError"]
            )
            for target in (found or {}).get("activeTargets", [])
        }

    def count(self, query: str) -> int:
        """Return how many series a query finds; none while the server does not answer."""
        found = self._ask("query", query=query)
        return len((found or {}).get("result", []))

    def _ask(self, path: str, **fields: str) -> Any:
        try:
            url = f"http://{self._address}/api/v1/{path}?{urlencode(fields)}"
            with urlopen(url, timeout=ANSWER_S_MAX) as answer:
                return json.load(answer)["data"]
        except URLError:
            return None


@contextmanager
def running_prometheus(config: Path) -> Iterator[Prometheus]:
    """Hold Prometheus running with a configuration."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={config.parent / 'samples'}",
        f"--web.listen-address={address}",
        "--log.level=error",
    ]
    with subprocess.Popen(command) as process:
        try:
            yield Prometheus(address)
        finally:
            process.terminate()
