"""Private files: owner-only from their first byte, replaced at once or not at all, durable.

A reader refuses a file that others may read or that is larger than it should be (threats 58, 59).
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import Final

from wallet.errors import KeystoreError

PRIVATE_FILE_MODE: Final = 0o600
PRIVATE_DIRECTORY_MODE: Final = 0o700

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_TEMPORARY_SUFFIX: Final = ".new"


def make_private_directory(path: Path) -> None:
    """Create a directory, and missing parents, for the owner alone; an existing one stays."""
    for directory in (*reversed(path.parents), path):
        if not directory.exists():
            directory.mkdir(mode=PRIVATE_DIRECTORY_MODE, exist_ok=True)


def write_private(path: Path, content: bytes, *, replace: bool) -> None:
    """Write a file of mode 0600 so that a crash leaves the old content or the new, never a part.

    Returns once content and name are on disk. Without ``replace`` an existing file stays as it is.

    Raises:
        FileExistsError: the file exists and ``replace`` is false.
    """
    make_private_directory(path.parent)
    temporary = temporary_beside(path)
    try:
        write_temporary(temporary, content)
        if replace:
            temporary.replace(path)
        else:
            # A hard link is the atomic "create unless it exists" that a rename cannot be.
            path.hardlink_to(temporary)
    finally:
        temporary.unlink(missing_ok=True)
    sync_directory(path.parent)


def temporary_beside(path: Path) -> Path:
    """Return a name in the same directory that nothing has; what is there last is renamed."""
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}{_TEMPORARY_SUFFIX}")


def write_temporary(path: Path, content: bytes, *, mode: int = PRIVATE_FILE_MODE) -> None:
    """Write a new file; its content, not yet its name, is on disk on return.

    Raises:
        FileExistsError: there is one.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def remove_private(path: Path) -> None:
    """Delete a file durably; a missing one is fine."""
    path.unlink(missing_ok=True)
    sync_directory(path.parent)


def read_private(path: Path, *, bytes_max: int) -> bytes:
    """Return the content of a file that only its owner can read.

    Raises:
        FileNotFoundError: there is no such file.
        KeystoreError: ``file_exposed`` or ``file_too_large``.
    """
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & _OTHERS:
            detail = f"{path} can be read by others (mode {mode:04o}); chmod 600 it"
            raise KeystoreError("file_exposed", detail, path=str(path), mode=mode)
        content = file.read(bytes_max + 1)
    if len(content) > bytes_max:
        detail = f"{path} is larger than {bytes_max} bytes"
        raise KeystoreError("file_too_large", detail, path=str(path), bytes_max=bytes_max)
    return content


def is_exposed(path: Path) -> bool:
    """Tell whether someone other than the owner may read or write a regular file."""
    mode = path.stat().st_mode
    return stat.S_ISREG(mode) and bool(mode & _OTHERS)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
