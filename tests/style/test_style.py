"""The house rules that no linter knows, read from the source files themselves."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

LINES_MAX = 450
"""A file longer than this asks to be two (STYLE aims at about 400)."""

VAGUE_NAMES = {"common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"}

PURE_PACKAGES = ("ledger", "consensus", "node/core")

PURE_STDLIB = {
    "__future__", "abc", "array", "base64", "binascii", "bisect", "collections", "contextlib",
    "copy", "dataclasses", "enum", "fractions", "functools", "hashlib", "heapq", "hmac",
    "itertools", "json", "math", "operator", "re", "string", "struct", "types", "typing",
    "unicodedata",
}  # fmt: skip
"""Standard modules that compute and do nothing else."""

PURE_IMPORTS = {
    "ledger": PURE_STDLIB | {"bech32", "ed25519_zebra", "ledger", "msgpack", "msgspec"},
    "consensus": PURE_STDLIB | {"consensus", "ledger"},
    "node/core": PURE_STDLIB | {"consensus", "ledger", "node.core"},
}
"""Everything a pure package may import; what is not listed is refused."""

BOUNDARY_IMPORTS = {
    # The genesis file is edited by people, so pydantic reads it; text in, record out, no I/O.
    "ledger/genesis_document.py": {"pydantic"},
    # A proposal's file goes through the hands of people, too.
    "ledger/proposal_document.py": {"pydantic"},
}
"""What single modules of the pure packages may import besides, with the reason."""

# Spelled in pieces, so that this file does not find itself.
UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")
MACHINE_PATH = re.compile(r"(?<![\w.$}/:<-])/(?:home|root|Users|tmp|work|mnt)/[\w.-]+")


def _tracked(*suffixes: str) -> list[Path]:
    """Return the project's files with one of the suffixes, new ones too, ignored ones not."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    paths = (ROOT / name for name in sorted(set(listed.stdout.split("\0"))) if name)
    return [path for path in paths if path.is_file() and path.name.endswith(suffixes)]


PYTHON_FILES = _tracked(".py")
TEXT_FILES = [path for path in _tracked("") if path.suffix not in {".png", ".gz", ".csv", ".bin"}]


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _tests_of(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if node.name.startswith("test_"):
            yield node


def _imports_of(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def _is_allowed(name: str, allowed: set[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in allowed)


def test_every_test_has_a_docstring() -> None:
    """A test says in a sentence what must hold, so that its failure can be read."""
    bare = [
        f"{_name(path)}:{test.lineno} {test.name}"
        for path in PYTHON_FILES
        if path.name.startswith("test_")
        for test in _tests_of(path)
        if not ast.get_docstring(test)
    ]
    assert bare == []


def test_names_say_what_a_module_holds() -> None:
    """No file or folder is named for being a leftover."""
    vague = [
        _name(path)
        for path in PYTHON_FILES
        if VAGUE_NAMES & {part.removesuffix(".py") for part in path.relative_to(ROOT).parts}
    ]
    assert vague == []


def test_files_are_short() -> None:
    """A Python file fits in one reading."""
    lengths = {_name(path): len(path.read_bytes().splitlines()) for path in PYTHON_FILES}
    assert {name: lines for name, lines in lengths.items() if lines > LINES_MAX} == {}


def test_every_module_has_a_docstring() -> None:
    """A module's first line says what it is for."""
    bare = [_name(p) for p in PYTHON_FILES if not ast.get_docstring(ast.parse(p.read_bytes()))]
    assert bare == []


@pytest.mark.parametrize("package", PURE_PACKAGES)
def test_pure_packages_import_only_what_computes(package: str) -> None:
    """Imports of the ledger, the consensus and the node's core come from a short allow-list."""
    refused = [
        f"{_name(path)}:{line} {name}"
        for path in PYTHON_FILES
        if path.is_relative_to(ROOT / package)
        for line, name in _imports_of(path)
        if not _is_allowed(name, PURE_IMPORTS[package] | BOUNDARY_IMPORTS.get(_name(path), set()))
    ]
    assert refused == []


@pytest.mark.parametrize(
    ("rule", "pattern"), [("unfinished work", UNFINISHED), ("a machine's path", MACHINE_PATH)]
)
def test_text_carries_no_leftover(rule: str, pattern: re.Pattern[str]) -> None:
    """No file speaks of unfinished work, nor of the machine it was written on."""
    found = [
        f"{_name(path)}:{number} {rule}: {line.strip()[:80]}"
        for path in TEXT_FILES
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if pattern.search(line)
    ]
    assert found == []
