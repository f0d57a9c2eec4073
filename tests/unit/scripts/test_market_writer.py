"""Chains of markets: every block in its place with payments in order, sealed in turn, and final."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from consensus.target import bits_to_target
from ledger.blocks import Block
from ledger.identity import MemberId
from node.storage.chain_store import RocksStore
from scripts.markets.writer import BLOCKS_PER_COMMIT, ChainWriter, Sign
from tests.factories import Network, make_network

CACHE_MIB = 1
STEP_MS = 600_000
BLOCKS = 2 * BLOCKS_PER_COMMIT + 3


def signs_of(network: Network) -> dict[MemberId, Sign]:
    """Return what signs for each sealer."""
    return {member: network.sealers[member].sign for member in network.genesis.sealers().keys}


def written(network: Network, directory: Path) -> tuple[RocksStore, ChainWriter]:
    """Return the store of a chain in which alice pays bob twice a block, and what wrote it."""
    genesis = network.genesis
    writer = ChainWriter(RocksStore(directory, genesis, CACHE_MIB), genesis, signs_of(network))
    for number in range(BLOCKS):
        pair = [
            network.transfer(network.leg("alice", "bob", 1), sequence=2 * number + place)
            for place in range(2)
        ]
        writer.add(pair, genesis.time_ms + (number + 1) * STEP_MS)
    writer.close()
    return RocksStore(directory, genesis, CACHE_MIB), writer


def blocks_of(store: RocksStore) -> list[Block]:
    """Return the stored chain after genesis."""
    found = []
    for height in range(1, BLOCKS + 1):
        block_hash = store.hash_at(height)
        assert block_hash is not None
        block = store.block(block_hash)
        assert block is not None
        found.append(block)
    return found


def test_a_written_chain_is_final_but_for_its_last_block(tmp_path: Path) -> None:
    """A node that opens the store has the head, its parent as final, and no loose votes."""
    store, writer = written(make_network(), tmp_path / "chain")
    recovered = store.recover()
    assert writer.height == BLOCKS
    assert recovered.root.height == BLOCKS - 1 == writer.final.height
    assert [block.header.height for block in recovered.blocks] == [BLOCKS]
    store.close()


def test_blocks_keep_the_rules_that_a_node_checks(tmp_path: Path) -> None:
    """Work meets the target, nobody seals twice running, and each block proves its parent's link."""
    store, _ = written(make_network(), tmp_path / "chain")
    blocks = blocks_of(store)
    assert all(int.from_bytes(b.hash) <= bits_to_target(b.header.bits) for b in blocks)
    assert all(a.header.sealer != b.header.sealer for a, b in pairwise(blocks))
    assert {block.header.sealer for block in blocks} == set(make_network().genesis.members)
    assert [len(block.certificates) for block in blocks] == [0] + [1] * (BLOCKS - 1)
    assert all(len(block.transactions) == 2 for block in blocks)
    store.close()


def test_every_sealer_votes_for_every_block(tmp_path: Path) -> None:
    """Journals need these votes: a key with one that its journal lacks is stopped."""
    network = make_network()
    store, writer = written(network, tmp_path / "chain")
    for member in network.genesis.sealers().keys:
        targets = [vote.vote.target.height for vote in writer.votes[member]]
        assert targets == list(range(1, BLOCKS + 1))
    store.close()


def test_a_payment_out_of_turn_is_refused(tmp_path: Path) -> None:
    """Nothing is left out in silence: labels would name payments that are not on the chain."""
    network = make_network()
    store = RocksStore(tmp_path / "chain", network.genesis, CACHE_MIB)
    writer = ChainWriter(store, network.genesis, signs_of(network))
    ahead = network.transfer(network.leg("alice", "bob", 1), sequence=1)
    with pytest.raises(ValueError, match="cannot hold its transactions"):
        writer.add([ahead], network.genesis.time_ms + STEP_MS)
    writer.close()
