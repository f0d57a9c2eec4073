"""What is installed without the checkout: every file that a package needs goes along."""

from __future__ import annotations

import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
DATA: dict[str, list[str]] = PROJECT["tool"]["setuptools"]["package-data"]
PACKAGES = [
    name
    for name in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    if not name.endswith("*")
]


def is_installed(file: Path) -> bool:
    """Tell whether package-data names a file of the package that is nearest above it."""
    package = next(folder for folder in file.parents if (ROOT / folder / "__init__.py").is_file())
    patterns = [*DATA["*"], *DATA.get(".".join(package.parts), [])]
    name = file.relative_to(package)
    # fnmatch lets * pass over slashes; setuptools does not.
    return any(
        fnmatch(str(name), pattern) and len(name.parts) == len(Path(pattern).parts)
        for pattern in patterns
    )


def test_files_beside_the_modules_are_installed() -> None:
    """Pages, styles and scripts of a package are named in package-data, in subfolders too."""
    listed = subprocess.run(
        ["git", "ls-files", "--", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    files = [Path(name) for name in listed if not name.endswith(".py")]
    assert files
    assert [str(file) for file in files if not is_installed(file)] == []


def test_a_file_in_a_subfolder_needs_a_pattern_of_its_own() -> None:
    """A pattern of every package reaches the files beside its modules, and none below."""
    assert is_installed(Path("node/dashboard/static/index.html"))
    assert not is_installed(Path("node/dashboard/other/index.html"))
