"""What a development network remembers in its directory: names, ports, processes, accounts."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from sunlit.errors import DevnetError
from sunlit.processes import ProcessIdentity
from wallet.files import make_private_directory, write_private

LOCK_NAME: Final = "dev.lock"
_DOCUMENT_NAME: Final = "dev.json"


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class NodeRecord(_Document):
    """One node and the process that last ran it."""

    name: str
    member: str
    api: str
    """Base URL of its HTTP API."""
    p2p: str
    """HOST:PORT at which its peers reach it."""
    pid: int | None = None
    """Process of the node itself, None when it was stopped."""
    birth: str | None = None
    """When that process was born, so that a reused id is never taken for it."""

    @property
    def process(self) -> ProcessIdentity | None:
        """The process, if it still runs."""
        if self.pid is None or self.birth is None:
            return None
        process = ProcessIdentity(pid=self.pid, birth=self.birth)
        return process if process.is_running else None

    def with_process(self, process: ProcessIdentity | None) -> NodeRecord:
        """Return the record of the same node in another process, or in none."""
        pid, birth = (process.pid, process.birth) if process else (None, None)
        return self.model_copy(update={"pid": pid, "birth": birth})


class DevnetDocument(_Document):
    """``dev.json``."""

    format: Literal["sunlit-devnet/1"] = "sunlit-devnet/1"
    home: str
    """Home that holds the keys of its accounts and officers."""
    chain_id: str
    block_time_ms: int
    nodes: list[NodeRecord]
    accounts: dict[str, str]
    """Account ids by the names of their keys."""

    def with_node(self, record: NodeRecord) -> DevnetDocument:
        """Return the document with that node's record in place of the one before."""
        nodes = [record if node.name == record.name else node for node in self.nodes]
        return self.model_copy(update={"nodes": nodes})

    def describe(self, directory: Path) -> dict[str, Any]:
        """Return what ``dev up`` prints, ready for JSON."""
        return {
            "dir": str(directory),
            "home": self.home,
            "chain_id": self.chain_id,
            "nodes": [
                {
                    "name": node.name,
                    "member": node.member,
                    "api": node.api,
                    "p2p": node.p2p,
                    "pid": node.pid,
                    "config": str(config_path(directory, node)),
                }
                for node in self.nodes
            ],
            "accounts": self.accounts,
        }


def config_path(directory: Path, node: NodeRecord) -> Path:
    """Return a node's configuration file."""
    return directory / node.member / "node.toml"


def log_path(directory: Path, node: NodeRecord) -> Path:
    """Return the file that a node's output goes to."""
    return directory / node.member / "node.log"


def is_devnet(directory: Path) -> bool:
    """Return whether a development network lives in the directory."""
    return (directory / _DOCUMENT_NAME).exists()


def load_devnet(directory: Path) -> DevnetDocument:
    """Return what the directory remembers.

    Raises:
        DevnetError: ``no_devnet`` or ``devnet_damaged``.
    """
    path = directory / _DOCUMENT_NAME
    try:
        return DevnetDocument.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        detail = f"no development network in {directory}; `sunlit dev up` makes one"
        raise DevnetError("no_devnet", detail, directory=directory) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "document"
        detail = f"{path}: {where}: {first['msg']}"
        raise DevnetError("devnet_damaged", detail, file=path) from None


def save_devnet(directory: Path, document: DevnetDocument) -> None:
    """Write the document durably, in place of the one before."""
    content = document.model_dump_json(indent=2).encode() + b"\n"
    write_private(directory / _DOCUMENT_NAME, content, replace=True)


@contextmanager
def lock_devnet(directory: Path) -> Iterator[None]:
    """Keep other commands from changing the network in the directory meanwhile.

    Where what is done meanwhile fails and there is no network, neither the lock's file stays nor
    a directory that was made for it.

    Raises:
        DevnetError: ``devnet_busy``; another command holds it.
    """
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    make_private_directory(directory)
    with (directory / LOCK_NAME).open("ab") as file:
        _lock(file, directory)
        try:
            yield
        except BaseException:
            if not is_devnet(directory):
                (directory / LOCK_NAME).unlink(missing_ok=True)
                for path in missing:
                    with suppress(OSError):  # somebody has put something there
                        path.rmdir()
            raise


def _lock(file: IO[bytes], directory: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # A command that failed removes the file: a lock on what is no longer there locks nothing.
        is_current = os.path.samestat(os.fstat(file.fileno()), (directory / LOCK_NAME).stat())
    except (BlockingIOError, FileNotFoundError):
        is_current = False
    if not is_current:
        detail = f"another command is changing the network in {directory}"
        raise DevnetError("devnet_busy", detail, directory=directory)
