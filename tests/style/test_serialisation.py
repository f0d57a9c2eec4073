"""What is stored or sent is data: no format that runs code when it is read."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = ("ledger", "consensus", "node", "wallet", "auditor", "analytics", "sunlit", "scripts")
"""The folders whose code runs outside tests."""

EXECUTABLE_FORMATS = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
"""Modules that read objects by running what the bytes say."""


RAW = {"Options", "WriteBatch"}
"""What `rocksdict` makes pickling unless it is told ``raw_mode=True``."""


def _trees() -> Iterator[tuple[str, ast.Module]]:
    for folder in PROGRAM:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_bytes())


def _imports_of(tree: ast.Module) -> Iterator[tuple[str, ast.alias]]:
    """Yield each import's top-level module and the name that it binds."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name.partition(".")[0], alias) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module.partition(".")[0], alias) for alias in node.names)


def _raw_modes(tree: ast.Module) -> Iterator[bool]:
    """Yield, for each call of what can pickle, whether it is told not to."""
    imported = [alias for module, alias in _imports_of(tree) if module == "rocksdict"]
    names = {alias.asname or alias.name for alias in imported if alias.name in RAW}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
            yield any(k.arg == "raw_mode" and ast.unparse(k.value) == "True" for k in node.keywords)


def test_threat_71_nothing_is_pickled() -> None:
    """No program imports a serialiser that executes what it reads."""
    found = [
        (name, module)
        for name, tree in _trees()
        for module, _ in _imports_of(tree)
        if module in EXECUTABLE_FORMATS
    ]
    assert found == []


def test_threat_71_the_store_holds_raw_bytes() -> None:
    """Every database and batch of `rocksdict` is made in raw mode: its default pickles."""
    made = {name: modes for name, tree in _trees() if (modes := list(_raw_modes(tree)))}
    assert made
    assert [name for name, modes in made.items() if not all(modes)] == []
