"""Directories and files that come to be all at once: everything is there, or nothing.

A new directory is built beside its place and renamed into it. Files that join others in a directory
are written beside their places first, since writing is what fails, and then renamed one by one. A
crash can leave names that begin with a dot and end in ``.new``; nothing reads them.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from sunlit.errors import NetworkError
from wallet.files import (
    PRIVATE_DIRECTORY_MODE,
    PRIVATE_FILE_MODE,
    sync_directory,
    temporary_beside,
    write_temporary,
)

PUBLIC_FILE_MODE: Final = 0o644

Placement = Callable[[Path], Path]
"""Takes where something will be, gives where it is built now."""


@contextmanager
def staged(*targets: Path) -> Iterator[Placement]:
    """Give the place to build each directory in; on leaving all are in theirs, or nothing is.

    Args:
        targets: absolute paths that do not exist or are empty directories; one may be in another.

    Raises:
        NetworkError: ``directory_in_use`` or ``not_written``.
    """
    roots = [path for path in dict.fromkeys(targets) if not _is_within(path, targets)]
    for root in roots:
        _check_free(root)
    stages = {root: temporary_beside(root) for root in roots}

    def placement(path: Path) -> Path:
        root = next(root for root in roots if path.is_relative_to(root))
        return stages[root] / path.relative_to(root)

    with _undoing(roots[0]) as undo:
        for root, stage in stages.items():
            _make_parents(root, undo)
            stage.mkdir(mode=PRIVATE_DIRECTORY_MODE)
            undo.callback(shutil.rmtree, stage, ignore_errors=True)
        yield placement
        for root, stage in stages.items():
            stage.rename(root)
            undo.callback(root.rename, stage)
    for root in roots:
        sync_directory(root.parent)


def write_together(files: Mapping[Path, bytes], *, public: Mapping[Path, bytes]) -> None:
    """Write files, replacing those that are there, if all of them can be written.

    Args:
        files: content by path, readable by their owner alone.
        public: content by path, readable by everybody whom the directory lets in.

    Raises:
        NetworkError: ``not_written``; every file is as it was.
    """
    contents = {**files, **public}
    temporaries = {path: temporary_beside(path) for path in contents}
    with _undoing(next(iter(contents))) as undo:
        for path, temporary in temporaries.items():
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
            _make_parents(path, undo)
            undo.callback(temporary.unlink, missing_ok=True)
            mode = PUBLIC_FILE_MODE if path in public else PRIVATE_FILE_MODE
            write_temporary(temporary, contents[path], mode=mode)
        for path, temporary in temporaries.items():
            temporary.replace(path)
    for directory in dict.fromkeys(path.parent for path in contents):
        sync_directory(directory)


@contextmanager
def _undoing(first: Path) -> Iterator[ExitStack]:
    """Give a stack of what undoes the work; it is unwound only if the work fails."""
    with ExitStack() as undo:
        try:
            yield undo
        except OSError as error:
            detail = (
                f"{first} was not made, nor anything else: "
                f"{error.filename or 'input or output'}: {error.strerror}"
            )
            raise NetworkError("not_written", detail, directory=first) from error
        undo.pop_all()


def _make_parents(path: Path, undo: ExitStack) -> None:
    for parent in reversed(path.parents):
        if not parent.exists():
            parent.mkdir(mode=PRIVATE_DIRECTORY_MODE)
            undo.callback(_remove_empty, parent)


def _remove_empty(directory: Path) -> None:
    with suppress(OSError):  # somebody else has put something there
        directory.rmdir()


def _is_within(path: Path, others: tuple[Path, ...]) -> bool:
    return any(path != other and path.is_relative_to(other) for other in others)


def _check_free(target: Path) -> None:
    if not target.exists():
        return
    found = None if not target.is_dir() else next(iter(sorted(target.iterdir())), target)
    if found != target:
        what = f"holds {found.name}" if found else "is a file"
        detail = (
            f"{target} {what}; name a directory that does not exist, or move this one away "
            "if it is no network that is still needed"
        )
        raise NetworkError("directory_in_use", detail, directory=target)
