"""A process that works with models: it takes one task after the other, and ends with its input.

    python -m analytics.serving.child

    standard input    tasks, each a frame: its length in 4 bytes (big-endian), then JSON {"task", …}
    standard output   an answer for each, in order, a frame too: `DONE` and JSON, or `REFUSED` and
                      {"code", "detail", "fields"}

It holds no key, no token and no open file of the ledger. What libraries print goes to standard error.
When the analytics process dies, however that happens, its input ends and so does this process, in the
middle of a task if need be.
"""

from __future__ import annotations

import json
import os
import queue
import resource
import signal
import sys
import threading
import traceback
from typing import BinaryIO, Final

from analytics.errors import AnalyticsError
from analytics.serving.limits import CHILD_MEMORY_MIB, CHILD_NICE, MIB

LENGTH_BYTES: Final = 4
"""Bytes of a frame's length."""
DONE: Final = b"+"
"""How the answer to a task that was done begins."""
REFUSED: Final = b"-"
"""How the answer to one that was refused begins."""


def main() -> None:
    """Do tasks until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(CHILD_NICE)
    most = CHILD_MEMORY_MIB * MIB
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    tasks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read_tasks, args=(tasks,), name="tasks", daemon=True).start()
    while True:
        answer = _answer(tasks.get())
        answers.write(len(answer).to_bytes(LENGTH_BYTES, "big") + answer)
        answers.flush()


def _read_tasks(tasks: queue.SimpleQueue[bytes]) -> None:
    """Take tasks as they come; the input's end is the end of everything."""
    stream = sys.stdin.buffer
    while (frame := _frame(stream)) is not None:
        tasks.put(frame)
    os._exit(0)


def _frame(stream: BinaryIO) -> bytes | None:
    head = stream.read(LENGTH_BYTES)
    if len(head) < LENGTH_BYTES:
        return None
    length = int.from_bytes(head, "big")
    body = stream.read(length)
    return body if len(body) == length else None


def _answer(frame: bytes) -> bytes:
    from analytics.serving.tasks import TASKS  # noqa: PLC0415 - memory is limited by now

    try:
        document = json.loads(frame)
        return DONE + json.dumps(TASKS[document.pop("task")](**document), allow_nan=False).encode()
    except AnalyticsError as error:
        fields = {name: str(value) for name, value in error.fields.items()}
        return _refusal(error.code, error.detail, **fields)
    except MemoryError:
        return _refusal("model_too_large", f"this takes more than {CHILD_MEMORY_MIB} MiB of memory")
    except Exception:  # noqa: BLE001 - told to who asked; the log gets the traceback
        traceback.print_exc(file=sys.stderr)
        return _refusal("model_failed", "the model failed; the node's log says why")


def _refusal(code: str, detail: str, **fields: str) -> bytes:
    return REFUSED + json.dumps({"code": code, "detail": detail, "fields": fields}).encode()


if __name__ == "__main__":
    main()
