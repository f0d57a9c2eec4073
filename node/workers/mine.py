"""The mining worker: one job at a time, searched in slices of nonces within a duty cycle.

Run by `node.workers.miner` as ``python -m node.workers.mine DUTY``. It reads
``("start", job_id, header_prefix, target: 32 bytes, start_nonce)`` and ``("stop",)``, and writes
``("hashed", count)`` and ``("found", job_id, nonce)``. A later message replaces the job at once.

Between slices it waits on its input, so that a new job or the parent's death (end of input) is
seen within a slice, and so long that processor time stays within DUTY of the wall clock.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from typing import Final, cast

from node.workers.framing import READ_BYTES, FrameBuffer, encode_frame
from node.workers.search import NONCES, search

STDIN: Final = 0
SLICE_S: Final = 0.005  # short enough that a new job is seen at once, long enough to cost nothing
SLICE_NONCES_FIRST: Final = 1_000
SLICE_NONCES_MIN: Final = 64
REPORT_S: Final = 1.0  # how often the count of hashes is reported


class Job:
    """A header to solve and how far the search has come.

    A plain class: the module dataclasses brings inspect, ast and dis, a sixth of this process.
    """

    __slots__ = ("header_prefix", "job_id", "next_nonce", "target")

    def __init__(self, *, job_id: int, header_prefix: bytes, target: int, next_nonce: int) -> None:
        self.job_id = job_id
        self.header_prefix = header_prefix
        self.target = target
        self.next_nonce = next_nonce


class Worker:
    """The state of the mining process between two slices."""

    def __init__(self, duty: float) -> None:
        self._duty = duty
        self._messages = FrameBuffer()
        self._job: Job | None = None
        self._slice_nonces = SLICE_NONCES_FIRST
        self._resume_at_s = 0.0  # the rest that the last slice earned lasts until then
        self._hashes = 0
        self._reported_at_s = time.monotonic()

    def run(self) -> None:
        """Search until the input ends."""
        while self._take_messages():
            job = self._job
            if job is not None and time.monotonic() >= self._resume_at_s:
                self._search_slice(job)
                self._report_hashes()

    def _take_messages(self) -> bool:
        """Wait for messages as long as there is nothing to search; return False at the end."""
        wait_s = max(0.0, self._resume_at_s - time.monotonic()) if self._job else None
        readable, _, _ = select.select([STDIN], [], [], wait_s)
        if readable:
            data = os.read(STDIN, READ_BYTES)
            for message in self._messages.feed(data):
                self._job = read_job(cast("tuple[object, ...]", message))
            return bool(data)
        return True

    def _search_slice(self, job: Job) -> None:
        began_s, cpu_began_s = time.monotonic(), time.process_time()
        nonce = search(job.header_prefix, job.target, job.next_nonce, self._slice_nonces)
        done = self._slice_nonces if nonce is None else (nonce - job.next_nonce) % NONCES + 1
        self._hashes += done
        job.next_nonce = (job.next_nonce + done) % NONCES
        cpu_s = time.process_time() - cpu_began_s
        # A new job inherits the rest that is due: changing tips buys no processor time.
        self._resume_at_s = began_s + cpu_s / self._duty
        if nonce is not None:
            self._job = None
            send("found", job.job_id, nonce)
        elif cpu_s > 0:
            self._slice_nonces = max(SLICE_NONCES_MIN, int(done * SLICE_S / cpu_s))

    def _report_hashes(self) -> None:
        now_s = time.monotonic()
        if self._job is None or now_s - self._reported_at_s >= REPORT_S:
            send("hashed", self._hashes)
            self._hashes = 0
            self._reported_at_s = now_s


def read_job(message: tuple[object, ...]) -> Job | None:
    """Return the job that a ``start`` message carries, None for ``stop``."""
    if message[0] == "stop":
        return None
    _, job_id, header_prefix, target, start_nonce = cast(
        "tuple[str, int, bytes, bytes, int]", message
    )
    return Job(
        job_id=job_id,
        header_prefix=header_prefix,
        target=int.from_bytes(target, "big"),
        next_nonce=start_nonce,
    )


def send(*message: object) -> None:
    """Write one message to the node."""
    sys.stdout.buffer.write(encode_frame(message))
    sys.stdout.buffer.flush()


def main() -> None:
    """Mine with the duty cycle named by the only argument."""
    # An operator's Ctrl-C reaches the whole process group: the node decides when its workers go.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Worker(float(sys.argv[1])).run()


if __name__ == "__main__":
    main()
