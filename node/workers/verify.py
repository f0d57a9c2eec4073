"""The verifying worker: chunks of signatures in, one verdict byte an item out.

Run by `node.workers.pool` as ``python -m node.workers.verify``. A request is an array of
(public key, signature, message); its answer is as many bytes, 1 for valid and 0 for invalid.
It imports little, to stay small (see tests), and ends with its input, that is with its parent.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable
from typing import Final, cast

from ledger.keys import verify
from node.workers.framing import READ_BYTES, FrameBuffer, encode_frame

STDIN: Final = 0

SignedMessage = tuple[bytes, bytes, bytes]


def judge(items: Iterable[SignedMessage]) -> bytes:
    """Return a byte an item: 1 if its signature is valid by ZIP 215, else 0."""
    return bytes([verify(*item) for item in items])


def main() -> None:
    """Answer requests in order until the input ends."""
    # An operator's Ctrl-C reaches the whole process group: the node decides when its workers go.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests = FrameBuffer()
    while data := os.read(STDIN, READ_BYTES):
        for request in requests.feed(data):
            sys.stdout.buffer.write(encode_frame(judge(cast("list[SignedMessage]", request))))
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
