"""What can go wrong in the shell of a node, and what its caller must do.

    NodeError
    ├── ConfigError      the operator's configuration is wrong: exit status 2, nothing is started
    ├── StoreCorrupt     the disk holds what was never written: stop, name the file and the repair
    ├── StoreFailed      the disk did not take a write: stop, never call it done
    └── RestartNeeded    there is room again after a write found none: start over from the disk

`VerifierFailed`, a fault of a worker process, is defined beside the workers and named here too.
"""

from __future__ import annotations

from node.workers.errors import VerifierFailed

__all__ = [
    "ConfigError",
    "NodeError",
    "RestartNeeded",
    "StoreCorrupt",
    "StoreFailed",
    "VerifierFailed",
]


class NodeError(Exception):
    """Base of every fault of the node's shell.

    ``code`` is stable and machine-readable; ``detail`` is one sentence for people; ``fields``
    holds the offending values under their names.
    """

    def __init__(self, code: str, detail: str, **fields: object) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.fields = fields

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


class ConfigError(NodeError):
    """The configuration, or a file that it names, cannot be used as it is."""


class StoreCorrupt(NodeError):
    """A stored record fails its checksum or contradicts the chain."""


class StoreFailed(NodeError):
    """A write or its sync failed; what it held is not durable."""

    @property
    def is_disk_full(self) -> bool:
        """Whether it failed for want of room, which an operator or a neighbour can make."""
        return self.code == "disk_full"


class RestartNeeded(NodeError):
    """The engine is ahead of its store since a write failed; the disk has the truth."""
