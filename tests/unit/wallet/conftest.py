"""A home with the keys of a small network, and a node in this process that speaks for it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ledger.identity import MemberId
from tests.factories import Network, Signer, make_network
from tests.unit.wallet.fake_node import FakeNode
from wallet.cli import wallet
from wallet.files import write_private
from wallet.keystore import KeyEntry, KeyRole, Keystore, SigningKey
from wallet.profile import Profile, ProfileNode, save_profile

PASSPHRASE = "correct horse battery staple"

Run = Callable[..., Awaitable[Result]]


def seed_of(signer: Signer) -> bytes:
    """Return the 32 bytes of a signer's secret."""
    return signer.private_key.private_bytes_raw()


@pytest.fixture(scope="session")
def network() -> Network:
    """Return two banks, a regulator, alice (bank1), bob (bank2) and carol (bank1)."""
    return make_network(banks=2, accounts=3)


@pytest.fixture(scope="session")
def stocked_home(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home with everyone's keys, made once because Argon2id takes its time."""
    home = tmp_path_factory.mktemp("stocked") / "home"
    keystore = Keystore(home, passphrase=lambda: PASSPHRASE)
    for name, holder in network.holders.items():
        seed = seed_of(holder.signers[0])
        keystore.add_account(name, seed=seed, member=holder.member, account=holder.id)
    for member, (maker, checker) in network.officers.items():
        names = (f"{member}-officer", f"{member}-checker")
        if member == "regulator":
            names = ("regulator", "regulator-checker")
        for name, signer in zip(names, (maker, checker), strict=True):
            if name != "bank1-checker":  # so that bank1 has one officer here
                keystore.add_officer(name, seed=seed_of(signer), member=member)
    write_private(home / "passphrase", PASSPHRASE.encode(), replace=False)
    return home


@pytest.fixture
async def node(network: Network) -> AsyncIterator[FakeNode]:
    """Run a node of bank1 on a free loopback port."""
    fake = FakeNode(network)
    await fake.start()
    yield fake
    await fake.server.close()


@pytest.fixture
def wallet_home(
    stocked_home: Path,
    home: Path,
    node: FakeNode,
    network: Network,
) -> Path:
    """Return this test's home: everyone's keys, and a profile with the node in this process."""
    shutil.copytree(stocked_home, home)
    members = (MemberId("bank1"), MemberId("bank2"), MemberId("regulator"))
    nodes = tuple(ProfileNode(name=name, member=name, api=node.url) for name in members)
    profile = Profile(chain_id="test", genesis_hash=network.genesis_hash, nodes=nodes)
    save_profile(home, profile)
    return home


@pytest.fixture
def run(wallet_home: Path) -> Run:
    """Return what runs `sunlit wallet` in a thread, beside the node's loop."""

    async def invoke(*words: str, stdin: str | bytes | None = None) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, wallet, words, input=stdin)

    return invoke


def key_of(network: Network, name: str) -> SigningKey:
    """Return the unlocked key of an account of the network."""
    holder = network.holders[name]
    entry = KeyEntry(
        name=name,
        role=KeyRole.ACCOUNT,
        member=holder.member,
        account=holder.id,
        public_key=holder.signers[0].public_key,
    )
    return SigningKey(entry=entry, private_key=holder.signers[0].private_key)
