"""Processes that outlive the command which started them, told apart from those that reuse their id.

A process id alone names nothing for long. With the time of the process's birth it names one process
for ever, so that stopping a network never ends a stranger.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wallet.secrecy import PASSPHRASE_VARIABLE

STOP_POLL_S: Final = 0.05

_PROC: Final = Path("/proc")
_STATE, _STARTED_TICKS = 0, 19  # fields 3 and 22 of proc_pid_stat(5), after the command's name
_DEAD_STATES: Final = ("Z", "X")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessIdentity:
    """One process, for as long as this machine runs and after."""

    pid: int
    """The operating system's id."""
    birth: str
    """When it was born, in the operating system's words."""

    @property
    def is_running(self) -> bool:
        """Whether it still runs; a zombie does not."""
        return birth_of(self.pid) == self.birth


def birth_of(pid: int) -> str | None:
    """Return when the process with that id was born; None if there is none or it is a zombie."""
    return _birth_in_proc(pid) if (_PROC / "self" / "stat").exists() else _birth_by_ps(pid)


def spawn_detached(arguments: Sequence[str], *, log: Path) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, its output appended to ``log``, and return it.

    It outlives its caller, and inherits the environment without this command's passphrase, for
    which it has no use.
    """
    environment = {k: v for k, v in os.environ.items() if k != PASSPHRASE_VARIABLE}
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - this project's own program
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )


def stop_processes(processes: Iterable[ProcessIdentity], *, grace_s: float) -> None:
    """Ask the processes to end, wait for them, and kill those that outlast ``grace_s`` seconds."""
    left = _signal_running(processes, signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while left and time.monotonic() < deadline:
        time.sleep(STOP_POLL_S)
        left = [process for process in left if process.is_running]
    left = _signal_running(left, signal.SIGKILL)
    while left:
        time.sleep(STOP_POLL_S)
        left = [process for process in left if process.is_running]


def _signal_running(
    processes: Iterable[ProcessIdentity], number: signal.Signals
) -> list[ProcessIdentity]:
    running = [process for process in processes if process.is_running]
    for process in running:
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)
    return running


def _birth_in_proc(pid: int) -> str | None:
    try:
        line = (_PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = line.rpartition(")")[2].split()  # the command's name may hold anything
    if fields[_STATE] in _DEAD_STATES:
        return None
    boot = (_PROC / "sys" / "kernel" / "random" / "boot_id").read_text().strip()
    return f"{boot} {fields[_STARTED_TICKS]}"


def _birth_by_ps(pid: int) -> str | None:
    command = ["ps", "-o", "state=,lstart=", "-p", str(pid)]  # POSIX systems without /proc
    answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed
    state, _, birth = answer.stdout.strip().partition(" ")
    return birth.strip() if birth and not state.startswith(_DEAD_STATES) else None
