"""What functional tests share: one running development network, and clients of its API.

A test that only reads and pays is in the directory `shared` and asks for `net`, and for `api` to
speak HTTP. It shares the network with every other such test, in any order: it takes accounts of its
own (`Devnet.take_account`), asks for what these did, and leaves every node running. A module whose
tests wipe data, stop finality or count what a whole chain holds is in this directory and defines a
`net` of its own, which `api` then speaks to:

    @pytest.fixture(scope="module")
    def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
        with running_devnet(tmp_path_factory.mktemp("analytics")) as net:
            yield net
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from tests.functional.devnet import HANG_S, Api, Devnet, running_devnet

SPARE_ACCOUNTS = 24
"""Accounts for tests that want their own, at each bank."""


@pytest.fixture(scope="package")
def shared_net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    """The network that tests share, from its first user until the last functional test."""
    with running_devnet(tmp_path_factory.mktemp("shared"), spare_accounts=SPARE_ACCOUNTS) as net:
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
