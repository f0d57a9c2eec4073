"""Each kind of store, for the tests that hold for both."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.branches import Branches
from tests.unit.node.storage.stores import MemoryShelf, RocksShelf, Shelf


@pytest.fixture(params=["memory", "rocks"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Shelf:
    """Return where a store is opened and reopened."""
    return MemoryShelf() if request.param == "memory" else RocksShelf(tmp_path / "chain")


@pytest.fixture
def branches() -> Branches:
    """Return a builder of blocks on a fresh network."""
    return Branches()
