"""Sending by several at once, and after faults."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ledger.kinds import Transfer
from tests.factories import Network
from tests.unit.wallet.conftest import key_of
from tests.unit.wallet.fake_node import FINAL_HEIGHT, FakeNode
from wallet.client import NodeClient
from wallet.connection import connect
from wallet.errors import ApiError
from wallet.outbox import Outbox
from wallet.profile import load_profile
from wallet.sending import Draft, Sender, Wait


def draft_of(network: Network, amount: int = 1) -> Draft:
    """Return a payment from alice to bob."""
    return Draft(
        effect=Transfer(legs=(network.leg("alice", "bob", amount),)),
        actors=(network.holders["alice"].id,),
        signers=(key_of(network, "alice"),),
    )


async def send_once(home: Path, network: Network, amount: int = 1) -> str:
    """Send one payment by a sender of its own, as a process does; return its final status."""
    profile = load_profile(home)
    async with connect(profile, key_of(network, "alice")) as connection:
        sender = Sender(
            connection,
            Outbox(home),
            genesis_hash=profile.genesis_hash,
            progress=lambda _: None,
        )
        (transaction,) = await sender.prepare([draft_of(network, amount)])
        receipt = await sender.submit(transaction)
        return (await sender.follow(transaction, receipt, Wait.FINAL, timeout_s=60)).status


async def test_senders_at_once_share_the_sequences(
    node: FakeNode, wallet_home: Path, network: Network
) -> None:
    """Many processes that send from one account at once: each transaction gets through."""
    statuses = await asyncio.gather(*(send_once(wallet_home, network, n) for n in range(1, 25)))
    assert set(statuses) == {"final"}
    assert len({transaction.body.actors[0] for transaction in node.submitted}) == 24


async def test_a_conflict_is_told_with_its_code(
    node: FakeNode, wallet_home: Path, network: Network
) -> None:
    """Another home took the sequence: nothing was sent, and the next try reads it anew."""
    node.refuse("POST", 409, "sequence_conflict")
    with pytest.raises(ApiError, match="sequence_conflict"):
        await send_once(wallet_home, network)
    assert Outbox(wallet_home).transactions() == []
    assert await send_once(wallet_home, network) == "final"


async def test_a_transaction_that_the_node_forgot_is_given_again(
    node: FakeNode, wallet_home: Path, network: Network
) -> None:
    """A 404 while waiting is answered by the same bytes."""
    node.refuse("POST", 202, "pending")  # it says so, and forgets
    profile = load_profile(wallet_home)
    async with connect(profile, key_of(network, "alice")) as connection:
        sender = Sender(
            connection,
            Outbox(wallet_home),
            genesis_hash=profile.genesis_hash,
            progress=lambda _: None,
        )
        (transaction,) = await sender.prepare([draft_of(network)])
        with pytest.raises(ApiError, match="bad_answer"):
            await sender.submit(transaction)
        receipt = await sender.submit(transaction)
        node.statuses.clear()
        node.state = network.state()
        receipt = await sender.follow(transaction, receipt, Wait.FINAL, timeout_s=60)
    assert receipt.status == "final"
    assert [sent.raw for sent in node.submitted] == [transaction.raw] * 2


async def test_what_expired_at_the_final_block_is_forgotten(
    node: FakeNode, wallet_home: Path, network: Network
) -> None:
    """Bytes that no block can hold any more are removed; those of a live window stay."""
    outbox = Outbox(wallet_home)
    leg = network.leg("alice", "bob", 1)
    outbox.keep(network.transfer(leg, valid_until=FINAL_HEIGHT))
    alive = network.transfer(leg, valid_until=FINAL_HEIGHT + 1)
    outbox.keep(alive)
    assert await send_once(wallet_home, network) == "final"
    assert [kept.txid for kept in outbox.transactions()] == [alive.txid]
    assert node.submitted[0].body.actors[0].lane == 1  # lane 0 is taken by the living one


async def test_a_resent_refusal_is_not_the_last_word(
    node: FakeNode, wallet_home: Path, network: Network
) -> None:
    """One node's refusal proves nothing of a transaction that another may have taken."""
    profile, outbox = load_profile(wallet_home), Outbox(wallet_home)
    transaction = network.transfer(network.leg("alice", "bob", 1))
    outbox.keep(transaction)
    node.refuse("POST", 422, "not_yet_valid")
    async with connect(profile, key_of(network, "alice")) as connection:
        sender = Sender(
            connection, outbox, genesis_hash=profile.genesis_hash, progress=lambda _: None
        )
        with pytest.raises(ApiError, match="not_yet_valid"):
            await sender.submit(transaction, is_new=False)
        sender.drop([])
    assert [kept.raw for kept in outbox.transactions()] == [transaction.raw]


async def test_next_sequences_must_be_given(
    node: FakeNode, wallet_home: Path, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that leaves out what the wallet signs for is not guessed at."""

    async def account(self: NodeClient, account: str, *, state: str) -> dict[str, object]:
        return {"account": account}

    monkeypatch.setattr(NodeClient, "account", account)
    with pytest.raises(ApiError, match="bad_answer"):
        await send_once(wallet_home, network)
