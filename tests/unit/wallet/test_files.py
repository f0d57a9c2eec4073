"""Private files: whole or not at all, and for the owner alone."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from wallet.errors import KeystoreError
from wallet.files import is_exposed, read_private, remove_private, write_private


def test_a_file_is_private_under_any_umask(tmp_path: Path) -> None:
    """The mode does not depend on the user's umask."""
    before = os.umask(0)
    try:
        write_private(tmp_path / "new/secret", b"x", replace=False)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new/secret").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_replacing_is_a_choice(tmp_path: Path) -> None:
    """Without it an existing file stays; with it the new content is there, and nothing else."""
    path = tmp_path / "secret"
    write_private(path, b"one", replace=False)
    with pytest.raises(FileExistsError):
        write_private(path, b"two", replace=False)
    assert read_private(path, bytes_max=10) == b"one"
    write_private(path, b"three", replace=True)
    assert read_private(path, bytes_max=10) == b"three"
    assert list(tmp_path.iterdir()) == [path]


def test_a_crash_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the new content cannot be made durable, the old is still there, and no litter."""
    path = tmp_path / "secret"
    write_private(path, b"old", replace=False)

    def fail(descriptor: int) -> None:
        raise OSError("disk")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk"):
        write_private(path, b"new", replace=True)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_large_and_exposed_files_are_refused(tmp_path: Path) -> None:
    """A reader's limit and the file's mode are both checked."""
    path = tmp_path / "secret"
    write_private(path, b"x" * 11, replace=False)
    with pytest.raises(KeystoreError, match="file_too_large"):
        read_private(path, bytes_max=10)
    assert not is_exposed(path)
    path.chmod(0o640)
    assert is_exposed(path)
    with pytest.raises(KeystoreError, match="file_exposed"):
        read_private(path, bytes_max=100)


def test_removing_twice_is_fine(tmp_path: Path) -> None:
    """What is gone is gone."""
    write_private(tmp_path / "secret", b"x", replace=False)
    remove_private(tmp_path / "secret")
    remove_private(tmp_path / "secret")
    assert list(tmp_path.iterdir()) == []
