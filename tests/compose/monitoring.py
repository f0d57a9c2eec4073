"""A real Prometheus on this machine, asked in its own query language."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

ANSWER_S_MAX = 5


@contextmanager
def running_prometheus(config: Path) -> Iterator[Callable[[str], str | None]]:
    """Hold Prometheus running; give what asks it for one number, None while it has none."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"

    def ask(query: str) -> str | None:
        url = f"http://{address}/api/v1/query?{urlencode({'query': query})}"
        try:
            with urlopen(url, timeout=ANSWER_S_MAX) as answer:
                found = json.load(answer)["data"]["result"]
        except URLError:
            return None
        return str(found[0]["value"][1]) if found else None

    command = [
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={config.parent / 'samples'}",
        f"--web.listen-address={address}",
        "--log.level=error",
    ]
    with subprocess.Popen(command) as process:
        try:
            yield ask
        finally:
            process.terminate()
