"""The chain store does what each effect says and gives it back, in this life and in the next."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consensus.evidence import Evidence, find_evidence
from consensus.tree import BlockNode
from ledger.hashing import TxId
from ledger.state import PARAMETERS_KEY, balance_key, encode_record
from node.core.effects import (
    LogTransactions,
    Note,
    Retirement,
    RetireTransactions,
    StoreCertificate,
    StoreEvidence,
    StoreVotes,
    TransactionStatus,
)
from node.errors import ConfigError, StoreCorrupt, StoreFailed
from node.storage import commit, tables
from node.storage.chain import StoredChain
from node.storage.tables import SCHEMA_KEY, Table, number_key
from tests.branches import Branches, Built
from tests.factories import CNY, make_network
from tests.unit.node.storage.stores import MemoryShelf, Shelf, contents

CHAIN_TABLES = (
    Table.HEIGHTS,
    Table.TRANSACTIONS,
    Table.ACCOUNT_HISTORY,
    Table.STATE,
    Table.UNDO,
    Table.META,
)
"""What depends on the best chain alone, and not on the branches that were left."""


def _parts(node: BlockNode) -> tuple[object, ...]:
    return (node.sealed, node.chainwork, node.history, node.recent_sealers, node.proved)


def _evidence(branches: Branches, member: int = 0) -> Evidence:
    """Return the evidence of a double vote for two siblings."""
    genesis = branches.genesis
    targets = [branches.child(genesis), branches.child(genesis)]
    name = branches.chain.members[member]
    votes = [
        branches.chain.sign(name, branches.chain.link(genesis.block.sealed, t.block.sealed))
        for t in targets
    ]
    evidence = find_evidence(votes[1], votes[:1])
    assert evidence is not None
    return evidence


def test_a_new_store_holds_the_genesis(shelf: Shelf, branches: Branches) -> None:
    """It starts with the state of block 0 and with block 0 as head and last final block."""
    genesis = branches.network.genesis
    store = shelf.open(genesis)
    recovered = store.recover()
    sealed = genesis.header()
    assert (recovered.head, recovered.root.hash) == (sealed.hash, sealed.hash)
    assert _parts(recovered.root) == _parts(branches.genesis.node)
    assert recovered.root.has_body
    assert recovered.root.is_valid
    assert (recovered.blocks, recovered.certificates, recovered.transactions) == ((), (), ())
    assert store.sealed_header(sealed.hash) == sealed
    assert store.block(sealed.hash) == branches.genesis.block
    assert store.hash_at(0) == sealed.hash
    entries = {key: encode_record(record) for key, record in genesis.state().items()}
    assert dict(store.state_entries()) == entries
    store.close()


def test_another_genesis_is_refused(shelf: Shelf, branches: Branches) -> None:
    """Data of one chain are never taken for those of another, and both are named."""
    shelf.open(branches.network.genesis).close()
    other = make_network(banks=2).genesis
    with pytest.raises(ConfigError) as refusal:
        shelf.open(other)
    assert refusal.value.code == "wrong_genesis"
    assert refusal.value.fields["expected"] == other.header().hash.hex()
    shelf.open(branches.network.genesis).close()


def test_another_schema_is_refused(shelf: Shelf, branches: Branches) -> None:
    """A program does not guess at data that another version wrote."""
    shelf.open(branches.network.genesis).close()
    tables = shelf.tables()
    tables.write({Table.META: {SCHEMA_KEY: number_key(99)}}, is_synced=True)
    tables.close()
    with pytest.raises(ConfigError) as refusal:
        shelf.open(branches.network.genesis)
    assert refusal.value.code == "unknown_schema"


def test_a_stored_block_comes_back(shelf: Shelf, branches: Branches) -> None:
    """A block that joined no chain yet is given back whole, and waits for the engine's choice."""
    built = branches.grow(branches.genesis, 1)[0]
    store = shelf.open(branches.network.genesis)
    store.apply([branches.store(built)])
    store.close()
    store = shelf.open(branches.network.genesis)
    assert store.block(built.hash) == built.block
    assert store.block_bytes(built.hash) == built.block.encode()
    assert store.sealed_header(built.hash) == built.block.sealed
    assert store.hash_at(1) is None
    recovered = store.recover()
    assert recovered.blocks == (built.block,)
    assert recovered.head == branches.genesis.hash
    store.close()


def test_a_connected_chain_comes_back(shelf: Shelf, branches: Branches) -> None:
    """State, indexes, undo and head are those of the last block, before and after a restart."""
    chain = branches.grow(branches.genesis, 3)
    store = shelf.open(branches.network.genesis)
    store.apply(branches.extend(branches.genesis, chain))
    _assert_chain(store, chain)
    store.close()
    store = shelf.open(branches.network.genesis)
    _assert_chain(store, chain)
    store.close()


def _assert_chain(store: StoredChain, chain: list[Built]) -> None:
    head = chain[-1]
    assert store.recover().head == head.hash
    assert [block.hash for block in store.recover().blocks] == [b.hash for b in chain]
    assert {k: store.get(k) for k in head.state} == head.state
    entries = {key: encode_record(record) for key, record in head.state.items()}
    assert dict(store.state_entries()) == entries
    for built in chain:
        assert store.hash_at(built.height) == built.hash
        assert store.before(built.hash) == built.delta.before
        for index, transaction in enumerate(built.block.transactions):
            assert store.location(transaction.txid) == (built.height, index)
    assert store.hash_at(head.height + 1) is None


def test_a_reorganisation_leaves_what_a_straight_chain_leaves(
    shelf: Shelf, branches: Branches
) -> None:
    """State and indexes after leaving a branch are those of a node that never saw it."""
    left, taken = branches.grow(branches.genesis, 2), branches.grow(branches.genesis, 3)
    store = shelf.open(branches.network.genesis)
    store.apply(branches.extend(branches.genesis, left))
    store.apply([branches.store(built) for built in taken])
    store.apply([branches.commit(left[-1], taken[-1])])
    assert store.location(left[0].block.transactions[0].txid) is None
    assert store.before(left[0].hash) is None
    _assert_state(store, taken[-1])
    store.close()
    straight = MemoryShelf()
    straight.open(branches.network.genesis).apply(branches.extend(branches.genesis, taken))
    reorganised, expected = contents(shelf.tables()), contents(straight.tables())
    for table in CHAIN_TABLES:
        assert reorganised[table] == expected[table]


def _assert_state(store: StoredChain, head: Built) -> None:
    keys = {key for key, _ in store.state_entries()}
    assert keys == set(head.state)
    assert {key: store.get(key) for key in keys} == head.state


def test_a_transaction_stays_found_when_its_block_is_replaced(
    shelf: Shelf, branches: Branches
) -> None:
    """A transaction in both branches is found where the best chain has it."""
    payment = branches.payment(branches.genesis, "alice", "bob")
    other = branches.payment(branches.genesis, "bob", "carol")
    old = branches.child(branches.genesis, payment)
    new = branches.child(branches.genesis, other, payment)
    store = shelf.open(branches.network.genesis)
    store.apply(branches.extend(branches.genesis, [old]))
    store.apply([branches.store(new), branches.commit(old, new)])
    assert store.location(payment.txid) == (1, 1)
    store.close()


def test_finality_moves_the_root_and_forgets_other_branches(
    shelf: Shelf, branches: Branches
) -> None:
    """The root comes back as the tree knew it; what can no longer be chosen is gone."""
    stale = branches.grow(branches.genesis, 2)
    chain = branches.grow(branches.genesis, 4)
    store = shelf.open(branches.network.genesis)
    store.apply([branches.store(built) for built in stale])
    store.apply(branches.extend(branches.genesis, chain))
    store.apply([branches.finality(branches.genesis, chain[2])])
    for _ in range(2):
        recovered = store.recover()
        assert _parts(recovered.root) == _parts(chain[1].node)
        assert recovered.root.parent is None
        assert recovered.root.children == []
        assert recovered.blocks == (chain[2].block, chain[3].block)
        assert recovered.head == chain[3].hash
        assert store.before(chain[1].hash) is None
        assert store.before(chain[2].hash) == chain[2].delta.before
        assert [store.block(built.hash) for built in stale] == [None, None]
        assert store.block(chain[0].hash) == chain[0].block
        store.close()
        store = shelf.open(branches.network.genesis)
    store.close()


def test_blocks_that_miss_their_parent_are_not_recovered(shelf: Shelf, branches: Branches) -> None:
    """A block whose parent was lost with the power is left out, and goes with finality."""
    chain, stray = branches.grow(branches.genesis, 3), branches.grow(branches.genesis, 2)[1]
    store = shelf.open(branches.network.genesis)
    store.apply([branches.store(stray), *branches.extend(branches.genesis, chain)])
    assert stray.hash not in {block.hash for block in store.recover().blocks}
    store.apply([replace(branches.finality(branches.genesis, chain[2]), dropped=())])
    assert store.block(stray.hash) is None
    store.close()


def test_certificates_of_justified_blocks_come_back(shelf: Shelf, branches: Branches) -> None:
    """They are kept, below the last final block too, until its chain proves what they do."""
    chain = branches.grow(branches.genesis, 3)
    links = [(branches.genesis, chain[0]), (chain[0], chain[1]), (chain[1], chain[2])]
    certificates = tuple(branches.certificate(*link) for link in links)
    store = shelf.open(branches.network.genesis)
    store.apply(branches.extend(branches.genesis, chain))
    store.apply([StoreCertificate(certificate=one) for one in certificates])
    assert store.recover().certificates == certificates
    store.apply([branches.finality(branches.genesis, chain[2])])
    assert store.recover().certificates == certificates
    store.close()


def test_threat_57_votes_that_were_heard_come_back(shelf: Shelf, branches: Branches) -> None:
    """The newest of each member, lowest target first, however old the others are that come late."""
    blocks = branches.grow(branches.genesis, tables.VOTES_PER_MEMBER + 2)
    parents = [branches.genesis, *blocks]
    votes = [
        vote
        for source, target in zip(parents, blocks, strict=False)
        for vote in branches.certificate(source, target).votes()
    ]
    voters = len({vote.member for vote in votes})
    store = shelf.open(branches.network.genesis)
    store.apply([StoreVotes(votes=tuple(votes))])
    store.apply([StoreVotes(votes=tuple(votes[:voters]))])
    store.close()
    store = shelf.open(branches.network.genesis)
    kept = store.recover().votes
    assert set(kept) == set(votes[2 * voters :])
    heights = [vote.vote.target.height for vote in kept]
    assert heights == sorted(heights)
    store.close()


def test_evidence_is_kept_once_a_pair(shelf: Shelf, branches: Branches) -> None:
    """The same two votes found again, at another height, are the same evidence."""
    evidence = _evidence(branches)
    store = shelf.open(branches.network.genesis)
    store.apply([StoreEvidence(evidence=evidence, height=3)])
    store.apply([StoreEvidence(evidence=evidence, height=9)])
    store.close()
    store = shelf.open(branches.network.genesis)
    assert store.recover().evidence == (evidence,)
    assert [found.height for found in store.view().evidence()] == [3]
    store.close()


def test_evidence_against_one_member_is_bounded(
    shelf: Shelf, branches: Branches, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A member that signs conflicting votes without end fills no disk; others are still judged."""
    monkeypatch.setattr(commit, "EVIDENCE_PER_MEMBER_MAX", 2)
    store = shelf.open(branches.network.genesis)
    for _ in range(4):
        store.apply([StoreEvidence(evidence=_evidence(branches), height=1)])
    assert len(store.recover().evidence) == 2
    store.apply([StoreEvidence(evidence=_evidence(branches, member=1), height=1)])
    assert len(store.recover().evidence) == 3
    store.close()


def test_the_mempool_comes_back_in_order_of_arrival(shelf: Shelf, branches: Branches) -> None:
    """Logged transactions are pending, once each, until they are retired."""
    first, second, third = (
        branches.payment(branches.genesis, "alice", "bob", ahead=ahead) for ahead in range(3)
    )
    store = shelf.open(branches.network.genesis)
    store.apply([LogTransactions(transactions=(first, second))])
    store.apply([LogTransactions(transactions=(second,))])
    store.apply([RetireTransactions(included=(first.txid,))])
    store.close()
    store = shelf.open(branches.network.genesis)
    store.apply([LogTransactions(transactions=(third, first))])
    assert store.recover().transactions == (second.raw, third.raw, first.raw)
    assert store.pending(second.txid) == second.raw
    store.apply([RetireTransactions(included=(second.txid,))])
    assert store.pending(second.txid) is None
    store.close()


def test_the_reason_of_a_retirement_is_remembered(shelf: Shelf, branches: Branches) -> None:
    """Who asks later learns why; a transaction that is accepted after all is pending again."""
    payment = branches.payment(branches.genesis, "alice", "bob")
    retired = _retirement(payment.txid)
    store = shelf.open(branches.network.genesis)
    store.apply([LogTransactions(transactions=(payment,))])
    store.apply([RetireTransactions(retired=(retired,))])
    assert store.pending(payment.txid) is None
    store.close()
    store = shelf.open(branches.network.genesis)
    assert store.retirement(payment.txid) == retired
    store.apply([LogTransactions(transactions=(payment,))])
    assert store.retirement(payment.txid) is None
    assert store.pending(payment.txid) == payment.raw
    store.close()


def _retirement(txid: TxId) -> Retirement:
    return Retirement(txid=txid, status=TransactionStatus.EXPIRED, code="expired")


def test_the_oldest_retirements_are_forgotten(
    shelf: Shelf, branches: Branches, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only so many are remembered; one that was retired again counts from then."""
    monkeypatch.setattr(commit, "RETIREMENTS_MAX", 3)
    txids = [TxId(bytes([number]) * 32) for number in range(5)]
    store = shelf.open(branches.network.genesis)
    for txid in (*txids[:3], txids[0]):
        store.apply([RetireTransactions(retired=(_retirement(txid),))])
    assert store.retirement(txids[0]) is not None
    store.close()
    store = shelf.open(branches.network.genesis)
    store.apply([RetireTransactions(retired=tuple(map(_retirement, txids[3:])))])
    remembered = [store.retirement(txid) is not None for txid in txids]
    assert remembered == [True, False, False, True, True]
    store.close()
    assert len(contents(shelf.tables())[Table.RETIREMENT_ORDER]) == 3


def test_effects_of_others_change_nothing(shelf: Shelf, branches: Branches) -> None:
    """Whatever is no write of the chain store is left alone, and the view stays the same."""
    store = shelf.open(branches.network.genesis)
    view = store.view()
    store.apply([Note(name="tick", fields={})])
    assert store.view() is view
    del view
    store.close()


def test_threat_53_a_failed_write_changes_nothing(
    branches: Branches, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that was not written leaves head, state and view as they were."""
    shelf = MemoryShelf()
    store = shelf.open(branches.network.genesis)
    built = branches.grow(branches.genesis, 1)[0]
    key = balance_key(branches.network.holders["bob"].id, CNY)
    before = store.get(key)

    def fail(*_: object, **__: object) -> None:
        raise StoreFailed("store_failed", "the disk refuses")

    monkeypatch.setattr(shelf.tables(), "write", fail)
    with pytest.raises(StoreFailed):
        store.apply(branches.extend(branches.genesis, [built]))
    assert store.get(key) == before
    assert store.view().head == branches.genesis.checkpoint
    assert store.recover().head == branches.genesis.hash


def test_a_history_that_contradicts_the_root_is_refused(shelf: Shelf, branches: Branches) -> None:
    """Finality over blocks that the store did not follow is a contradiction, not a guess."""
    chain = branches.grow(branches.genesis, 3)
    store = shelf.open(branches.network.genesis)
    store.apply(branches.extend(branches.genesis, chain))
    finality = branches.finality(branches.genesis, chain[2])
    with pytest.raises(StoreCorrupt) as refusal:
        store.apply([replace(finality, finalized=finality.finalized[1:])])
    assert refusal.value.code == "history_mismatch"
    store.close()


def test_threat_55_damaged_records_are_not_decoded(shelf: Shelf, branches: Branches) -> None:
    """Bytes that are no record stop the node with the table and the key."""
    shelf.open(branches.network.genesis).close()
    tables = shelf.tables()
    tables.write({Table.STATE: {PARAMETERS_KEY: b"\xc1"}}, is_synced=True)
    tables.close()
    store = shelf.open(branches.network.genesis)
    with pytest.raises(StoreCorrupt) as refusal:
        store.get(PARAMETERS_KEY)
    assert refusal.value.code == "record_corrupt"
    assert refusal.value.fields == {"table": "state", "key": PARAMETERS_KEY.hex()}
    store.close()


def test_a_lost_undo_is_noticed_at_open(shelf: Shelf, branches: Branches) -> None:
    """A store that cannot take its head's block back does not open."""
    built = branches.grow(branches.genesis, 1)[0]
    store = shelf.open(branches.network.genesis)
    store.apply(branches.extend(branches.genesis, [built]))
    store.close()
    tables = shelf.tables()
    tables.write({Table.UNDO: {built.hash: None}}, is_synced=True)
    tables.close()
    with pytest.raises(StoreCorrupt) as refusal:
        shelf.open(branches.network.genesis)
    assert refusal.value.code == "undo_missing"
