"""What a process does at its start so that its secrets stay within it (threat 60).

A core file, a debugger of the same user, the environment of the process or of its children: each
would show keys and passphrases to whoever gets a look at it.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from typing import Final

PASSPHRASE_VARIABLE: Final = "SUNLIT_PASSPHRASE"  # noqa: S105 - the name of a variable

_PR_SET_DUMPABLE: Final = 4  # prctl(2)


class _Taken:
    """The passphrase that was in the environment when the process began."""

    passphrase: str | None = None


def protect_process() -> None:
    """Leave no core file, let no other process of the user look in, and empty the environment.

    For programs, at their start; a library has no business changing the process it is in.

    Raises:
        OSError: the system refuses.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        # The limit does not hold for dumps that are piped to a program, as systemd-coredump's are;
        # this does. /proc/PID/environ, mem and maps become root's as well.
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"core files cannot be switched off: {os.strerror(number)}")
    _take_passphrase()


def environment_passphrase() -> str | None:
    """Return the passphrase that the environment has, or had at the start; None if there is none."""
    return os.environ.get(PASSPHRASE_VARIABLE) or _Taken.passphrase


def _take_passphrase() -> None:
    """Remove the passphrase from the environment, and its bytes from where the kernel shows it."""
    if PASSPHRASE_VARIABLE not in os.environ:
        return
    libc = ctypes.CDLL(None)
    libc.getenv.restype = ctypes.c_void_p
    address = libc.getenv(PASSPHRASE_VARIABLE.encode())
    value = os.environ.pop(PASSPHRASE_VARIABLE)  # copied before its bytes are overwritten
    if address is not None:
        # What unsetenv(3) removes is the pointer; /proc/PID/environ shows the block it pointed to.
        ctypes.memset(address, 0, len(os.fsencode(value)))
    _Taken.passphrase = value or None
