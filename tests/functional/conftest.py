"""What functional tests share: one running development network, and clients of its API.

A test that only reads and pays asks for `net`, and for `api` to speak HTTP. It shares the network
with every other such test, in any order, so it takes accounts of its own (`Devnet.take_account`),
asks for what these did, and leaves every node running. A module whose tests kill, freeze for good or
count what a whole chain holds defines a `net` of its own, which `api` then speaks to:

    @pytest.fixture(scope="module")
    def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
        with running_devnet(tmp_path_factory.mktemp("analytics")) as net:
            yield net
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.functional.devnet import HANG_S, Api, Devnet, running_devnet

HERE = Path(__file__).parent


@pytest.fixture(scope="package")
def shared_net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    """The network that tests share, from its first user until the last functional test."""
    with running_devnet(tmp_path_factory.mktemp("shared"), is_shared=True) as net:
        yield net


@pytest.fixture(scope="package")
def net(shared_net: Devnet) -> Devnet:
    """Return a running development network of two banks and the regulator: the shared one."""
    return shared_net


@pytest.fixture
async def api(net: Devnet) -> AsyncIterator[Api]:
    """Yield the HTTP API of the network's nodes."""
    timeout = aiohttp.ClientTimeout(total=HANG_S)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        yield Api(net, http)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests that share the network last: it runs no longer than it has users."""
    mine = [at for at, item in enumerate(items) if item.path.is_relative_to(HERE)]
    ordered = sorted((items[at] for at in mine), key=_shares)
    for at, item in zip(mine, ordered, strict=True):
        items[at] = item


def _shares(item: pytest.Item) -> bool:
    return "shared_net" in getattr(item, "fixturenames", ())
