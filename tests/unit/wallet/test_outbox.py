"""Kept transactions."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest

from tests.factories import Network
from wallet.errors import KeystoreError, OutboxError
from wallet.outbox import Outbox


def test_what_is_kept_comes_back_as_it_was(home: Path, network: Network) -> None:
    """The same bytes are there for another process, for the owner alone, until removed."""
    transactions = [network.transfer(network.leg("alice", "bob", n)) for n in (1, 2)]
    for transaction in transactions:
        Outbox(home).keep(transaction)
    kept = Outbox(home).transactions()
    assert {transaction.raw for transaction in kept} == {t.raw for t in transactions}
    txid = transactions[0].txid.hex()
    assert stat.S_IMODE((home / "outbox" / txid).stat().st_mode) == 0o600
    Outbox(home).remove(txid)
    assert [transaction.raw for transaction in Outbox(home).transactions()] == [transactions[1].raw]


def test_an_empty_home_has_an_empty_outbox(home: Path) -> None:
    """Nothing is made by looking."""
    assert Outbox(home).transactions() == []
    assert not home.exists()


@pytest.mark.parametrize("txid", ["", "..", "../keystore/alice.json", "zz" * 32, "AA" * 32])
def test_ids_cannot_leave_the_outbox_threat_70(home: Path, txid: str) -> None:
    """An id is 64 hexadecimal digits, so that it names a kept transaction and nothing else."""
    with pytest.raises(OutboxError, match="bad_txid"):
        Outbox(home).load(txid)


def test_damage_is_told_and_not_sent(home: Path, network: Network) -> None:
    """A file that is no transaction, or another, or exposed, is refused by its path."""
    outbox = Outbox(home)
    one, two = (network.transfer(network.leg("alice", "bob", n)) for n in (1, 2))
    outbox.keep(one)
    path = home / "outbox" / one.txid.hex()
    path.write_bytes(two.raw)
    with pytest.raises(OutboxError, match="outbox_damaged"):
        outbox.transactions()
    path.write_bytes(one.raw[:-1])
    with pytest.raises(OutboxError, match="outbox_damaged"):
        outbox.load(one.txid.hex())
    path.chmod(0o644)
    with pytest.raises(KeystoreError, match="file_exposed"):
        outbox.load(one.txid.hex())
    with pytest.raises(OutboxError, match="unknown_transaction"):
        outbox.load("00" * 32)


async def test_the_lock_is_exclusive(home: Path) -> None:
    """Two senders of one home take turns, whoever comes first."""
    inside, most = 0, 0

    async def enter() -> None:
        nonlocal inside, most
        async with Outbox(home).locked():
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(enter() for _ in range(8)))
    assert most == 1
