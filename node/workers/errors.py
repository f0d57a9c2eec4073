"""What can go wrong with a worker process.

WorkerError
├── WorkerExited     the process ended or broke the protocol while an answer was due
├── VerifierFailed   a chunk of signatures outlived two worker processes
└── MinerFailed      the mining worker kept ending, one restart after another
"""

from __future__ import annotations

from typing import ClassVar


class WorkerError(Exception):
    """Base of every fault of a worker process; ``fields`` holds the offending values."""

    code: ClassVar[str] = "worker_error"

    def __init__(self, detail: str, **fields: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fields = fields


class WorkerExited(WorkerError):
    """The process is gone, or wrote what is no message; its owner starts another."""

    code = "worker_exited"


class VerifierFailed(WorkerError):
    """No verdict was reached for these signatures; the caller must not treat them as judged."""

    code = "verifier_failed"


class MinerFailed(WorkerError):
    """Mining is impossible on this host; the node stops rather than pretend to mine."""

    code = "miner_failed"
