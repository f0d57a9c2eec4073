"""A served node with five blocks on genesis, of which three are final, and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.unit.node.api.served import Client, ServedNode, serving


@pytest.fixture
def node() -> ServedNode:
    """Return a node whose chain has five blocks on genesis; the last two are not final."""
    node = ServedNode()
    blocks = node.grow(5)
    node.finalize(blocks[3])
    return node


@pytest.fixture
async def client(node: ServedNode) -> AsyncIterator[Client]:
    """Yield a client of the node's API."""
    async with serving(node) as client:
        yield client
