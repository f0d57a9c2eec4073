"""The process of a training: it ends with whoever started it, and within its limits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from analytics.registry.limits import TRAINING_MEMORY_MIB

HANG_S = 120
MODULE = "analytics.registry.child"


def test_it_ends_with_its_standard_input(tmp_path: Path) -> None:
    """Before a request, and in the middle of one: here it waits for a table that never comes."""
    idle = subprocess.run(
        [sys.executable, "-m", MODULE], input=b"", capture_output=True, timeout=HANG_S, check=False
    )
    assert (idle.returncode, idle.stdout) == (0, b"")
    table = tmp_path / "table.parquet"
    os.mkfifo(table)
    child = subprocess.Popen(
        [sys.executable, "-m", MODULE], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    said, _ = child.communicate(json.dumps({"table": str(table)}).encode() + b"\n", timeout=HANG_S)
    assert (child.returncode, said) == (0, b"")


def answer_of(*program: str, asked: bytes) -> tuple[int, bytes, bytes]:
    """Return status, output and log of a process whose standard input stays open until its end."""
    with subprocess.Popen(
        [sys.executable, *program],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as child:  # fmt: skip
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdin.write(asked)
        child.stdin.flush()
        said, log = child.stdout.read(), child.stderr.read()
        return child.wait(HANG_S), said, log


def test_memory_is_bounded_and_the_bound_is_told() -> None:
    """More than its limit is refused by the system, and the process says so by its code."""
    mebibytes = TRAINING_MEMORY_MIB + 512
    program = (
        f"from analytics.registry import child\nchild.train = lambda asked: bytes({mebibytes} << 20)\n"
        "child.main()"
    )
    status, said, log = answer_of("-c", program, asked=b"{}\n")
    assert (status, json.loads(said)["code"]) == (0, "training_memory"), log


def test_a_fault_of_the_program_is_in_the_log() -> None:
    """Nothing is told as done; standard error has the traceback."""
    status, said, log = answer_of("-m", MODULE, asked=b'{"table": 1}\n')
    assert (status, said) == (1, b"")
    assert b"Traceback" in log
