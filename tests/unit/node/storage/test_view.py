"""A view answers for one moment of the chain, at its head and at its last final block."""

from __future__ import annotations

import json

import pytest

from consensus.bundle import VerifiedTransaction, bundle_document, verify_bundle
from ledger.attesting import attestation_name, attestation_prefix
from ledger.genesis_document import format_genesis
from ledger.hashing import BlockHash
from ledger.identity import AccountId, MemberId
from ledger.keys import verify
from ledger.state import account_key, balance_key, supply_key
from ledger.transactions import opened_account_id
from node.core.effects import (
    LogTransactions,
    Retirement,
    RetireTransactions,
    StoreCertificate,
    TransactionStatus,
)
from node.storage.chain import StoredChain
from node.storage.view import At, ChainView, Finality, Position
from tests.branches import Branches, Built
from tests.factories import CNY, OPENING_BALANCE, USD, key_set, make_signer
from tests.unit.node.storage.stores import Shelf


@pytest.fixture
def store(shelf: Shelf, branches: Branches) -> StoredChain:
    """Return a store of the genesis alone."""
    return shelf.open(branches.network.genesis)


def _account(branches: Branches, name: str) -> AccountId:
    return branches.network.holders[name].id


def _final_chain(store: StoredChain, branches: Branches, count: int) -> list[Built]:
    """Return a stored chain of which all but the last block are final, one root after another."""
    chain = branches.grow(branches.genesis, count)
    root = branches.genesis
    store.apply(branches.extend(branches.genesis, chain[:2]))
    for child, tip in zip(chain[1:], (*chain[2:], None), strict=True):
        store.apply([branches.finality(root, child)])
        root = child.parent or root
        if tip is not None:
            store.apply(branches.extend(child, [tip]))
    return chain


def test_a_view_never_changes(store: StoredChain, branches: Branches) -> None:
    """What it said before later commits it says after them, reorganisations included."""
    old, new = branches.grow(branches.genesis, 2), branches.grow(branches.genesis, 3)
    store.apply(branches.extend(branches.genesis, old))
    view = store.view()
    bob = _account(branches, "bob")

    def answers() -> tuple[object, ...]:
        return (
            view.head,
            view.final,
            view.balances(bob, At.HEAD),
            view.balances(bob, At.FINAL),
            view.account_history(bob, limit=10),
            [view.hash_at(height) for height in range(5)],
            view.location(old[0].block.transactions[0].txid),
        )

    before = answers()
    store.apply([branches.store(built) for built in new])
    store.apply([branches.commit(old[-1], new[-1])])
    store.apply([branches.finality(branches.genesis, new[2])])
    assert answers() == before
    assert store.view().head == new[-1].checkpoint
    assert store.view().final == new[1].checkpoint


def test_records_at_the_final_block(store: StoredChain, branches: Branches) -> None:
    """The state at the last final block is the head's, less what the blocks since changed."""
    chain = branches.grow(branches.genesis, 4)
    store.apply(branches.extend(branches.genesis, chain))
    store.apply([branches.finality(branches.genesis, chain[2])])
    view = store.view()
    for key in chain[3].state:
        assert view.record(key) == chain[3].get(key)
        assert view.final_record(key) == chain[1].get(key)
    alice, bob = _account(branches, "alice"), _account(branches, "bob")
    assert view.balances(alice, At.HEAD) == {CNY: OPENING_BALANCE - 4, USD: OPENING_BALANCE}
    assert view.balances(bob, At.FINAL) == {CNY: OPENING_BALANCE + 2, USD: OPENING_BALANCE}
    assert view.next_sequences(alice, At.HEAD) == (4,) + (0,) * 15
    assert view.next_sequences(alice, At.FINAL) == (2,) + (0,) * 15


def test_entries_that_appeared_after_the_final_block(
    store: StoredChain, branches: Branches
) -> None:
    """An account opened since is at the head and not at the last final block."""
    opening = branches.network.open_account(key_set([make_signer("zoe")]))
    built = branches.child(branches.genesis, opening)
    store.apply(branches.extend(branches.genesis, [built]))
    view, account = store.view(), opened_account_id(opening.txid)
    assert view.account(account, At.HEAD) == built.get(account_key(account))
    assert view.account(account, At.FINAL) is None
    prefix = account_key(account)[:1]
    assert account_key(account) in view.records_under(prefix, At.HEAD)
    assert account_key(account) not in view.records_under(prefix, At.FINAL)
    member = branches.network.holders["alice"].member
    assert view.member_sequence(member, At.HEAD) == 1
    assert view.member_sequence(member, At.FINAL) == 0
    assert [entry.txid for entry in view.account_history(account, limit=5).entries] == [
        opening.txid
    ]


def test_attestations_are_read_in_order_from_any_of_them(
    store: StoredChain, branches: Branches
) -> None:
    """Those under a prefix behind a key, ascending; the final state has those of final blocks."""
    attest = branches.network.attest
    first = branches.child(branches.genesis, attest(), attest(member="bank2"))
    second = branches.child(first, attest(b"other", revision=2, sequence=1))
    store.apply(branches.extend(branches.genesis, [first, second]))
    store.apply([branches.finality(branches.genesis, second)])
    view = store.view()

    def found(prefix: bytes, at: At, after: bytes | None = None) -> list[tuple[str, int]]:
        records = view.lasting_records(prefix, at, after=after)
        return [attestation_name(key)[::3] for key, _ in records]

    one, two = MemberId("bank1"), MemberId("bank2")
    everything = attestation_prefix()
    assert found(everything, At.HEAD) == [(one, 1), (one, 2), (two, 1)]
    assert found(everything, At.FINAL) == [(one, 1), (two, 1)]
    assert found(attestation_prefix(one), At.HEAD) == [(one, 1), (one, 2)]
    key = next(key for key in first.delta.after if key[:1] == everything)
    assert found(everything, At.HEAD, after=key) == [(one, 2), (two, 1)]
    assert found(attestation_prefix(two), At.HEAD, after=key) == [(two, 1)]
    assert found(attestation_prefix(one), At.HEAD, after=everything + b"z") == []


def test_the_register(store: StoredChain, branches: Branches) -> None:
    """Members, assets and supplies are those of the genesis document."""
    genesis, view = branches.network.genesis, store.view()
    for at in At:
        assert view.members(at) == genesis.members
        assert view.assets(at) == genesis.assets
        assert view.supply(CNY, at) == genesis.state()[supply_key(CNY)]
    assert view.record_at(balance_key(_account(branches, "alice"), CNY), At.HEAD) == OPENING_BALANCE


def test_account_history_is_paged_newest_first(store: StoredChain, branches: Branches) -> None:
    """Pages follow one another without gap or overlap, within a range of heights."""
    chain = branches.grow(branches.genesis, 7)
    store.apply(branches.extend(branches.genesis, chain))
    view, alice = store.view(), _account(branches, "alice")
    expected = [(b.height, b.block.transactions[0].txid) for b in reversed(chain)]
    found, cursor = [], None
    for _ in range(4):
        page = view.account_history(alice, limit=2, cursor=cursor)
        found += [(entry.position.height, entry.txid) for entry in page.entries]
        cursor = page.next_cursor
    assert found == expected
    assert cursor is None
    some = view.account_history(alice, since=3, until=5, limit=10)
    assert [entry.position.height for entry in some.entries] == [5, 4, 3]
    assert view.account_history(_account(branches, "carol"), limit=5).entries == ()


def test_history_reaches_both_sides_of_a_leg(store: StoredChain, branches: Branches) -> None:
    """Payer and payee find a payment, and the accounts of an issue or redemption theirs."""
    network = branches.network
    issue = network.issue(network.entry("carol", 5))
    redeem = network.redeem(network.entry("carol", 2), sequence=1)
    pay = branches.payment(branches.genesis, "alice", "bob")
    store.apply(
        branches.extend(branches.genesis, [branches.child(branches.genesis, pay, issue, redeem)])
    )
    found = {
        name: [entry.txid for entry in history.entries]
        for name in ("alice", "bob", "carol")
        for history in [store.view().account_history(_account(branches, name), limit=5)]
    }
    assert found == {"alice": [pay.txid], "bob": [pay.txid], "carol": [redeem.txid, issue.txid]}


def test_blocks_and_their_finality(store: StoredChain, branches: Branches) -> None:
    """A block is final, justified or unconfirmed; an outline has its header and txids."""
    chain = branches.grow(branches.genesis, 3)
    store.apply(branches.extend(branches.genesis, chain))
    store.apply([StoreCertificate(certificate=branches.certificate(chain[0], chain[1]))])
    store.apply([branches.finality(branches.genesis, chain[1])])
    view = store.view()
    assert [view.finality_of(height) for height in range(5)] == [
        Finality.FINAL,
        Finality.FINAL,
        Finality.JUSTIFIED,
        Finality.UNCONFIRMED,
        None,
    ]
    outline = view.outline(chain[1].hash)
    assert outline is not None
    assert outline.sealed == chain[1].block.sealed
    assert outline.txids == tuple(t.txid for t in chain[1].block.transactions)
    assert view.block(chain[1].hash) == chain[1].block
    assert view.outline(branches.genesis.hash) is not None
    assert view.outline(BlockHash(bytes(32))) is None
    assert view.hash_at(-1) is None
    assert view.hash_at(2**80) is None


def test_where_a_transaction_stands(store: StoredChain, branches: Branches) -> None:
    """It is found on the chain, in the mempool, among the retired, or nowhere."""
    chain = branches.grow(branches.genesis, 1)
    included = chain[0].block.transactions[0]
    waiting = branches.payment(chain[0], "alice", "bob")
    expired = branches.payment(chain[0], "bob", "carol")
    store.apply(branches.extend(branches.genesis, chain))
    store.apply([LogTransactions(transactions=(waiting, expired))])
    retired = Retirement(txid=expired.txid, status=TransactionStatus.EXPIRED, code="expired")
    store.apply([RetireTransactions(retired=(retired,))])
    view = store.view()
    located = view.transaction(included.txid)
    assert located is not None
    assert located.transaction == included
    assert located.position == Position(1, 0)
    assert located.block_hash == chain[0].hash
    assert view.pending(waiting.txid) == waiting.raw
    assert view.pending(expired.txid) is None
    assert view.retirement(expired.txid) == retired
    assert view.transaction(waiting.txid) is None
    assert view.retirement(waiting.txid) is None


def test_transactions_by_height(store: StoredChain, branches: Branches) -> None:
    """A scan gives a range of heights in order and goes on after a position."""
    genesis = branches.genesis
    pair = [branches.payment(genesis, "alice", "bob", ahead=ahead) for ahead in range(2)]
    first = branches.child(genesis, *pair)
    chain = [first, *branches.grow(first, 3)]
    store.apply(branches.extend(genesis, chain))
    view = store.view()

    def positions(**bounds: object) -> list[tuple[int, int]]:
        found = view.transactions(**bounds)  # type: ignore[arg-type] # bounds are the test's own
        return [(one.position.height, one.position.index) for one in found]

    assert positions(since=0, until=99) == [(1, 0), (1, 1), (2, 0), (3, 0), (4, 0)]
    assert positions(since=2, until=3) == [(2, 0), (3, 0)]
    assert positions(since=0, until=2, after=Position(1, 0)) == [(1, 1), (2, 0)]


def _verified_height(view: ChainView, branches: Branches, built: Built) -> int:
    """Return the height of the final header under which a block's transaction is proved."""
    genesis = branches.network.genesis
    transaction = built.block.transactions[0]
    proof = view.prove(transaction.txid)
    assert proof is not None
    document = bundle_document(
        proof,
        chain_id=genesis.chain_id,
        genesis_hash=branches.genesis.hash,
        genesis=json.loads(format_genesis(genesis)),
    )
    verified = verify_bundle(document, genesis=genesis, verify=verify)
    assert isinstance(verified, VerifiedTransaction)
    assert verified.transaction == transaction
    assert verified.sealed == built.block.sealed
    return verified.finalized.header.height


def test_every_final_transaction_is_proved(store: StoredChain, branches: Branches) -> None:
    """A proof needs nothing but the genesis document, also long after; none before finality."""
    chain = _final_chain(store, branches, 9)
    view = store.view()
    assert view.final == chain[-2].checkpoint
    for built in chain[:-1]:
        assert _verified_height(view, branches, built) == built.height
    assert view.prove(chain[-1].block.transactions[0].txid) is None
    assert view.prove(branches.payment(branches.genesis, "alice", "bob").txid) is None


def test_a_proof_leads_through_the_history(store: StoredChain, branches: Branches) -> None:
    """Blocks that became final together are proved by the certificate of the last of them."""
    chain = branches.grow(branches.genesis, 12)
    store.apply(branches.extend(branches.genesis, chain))
    store.apply([branches.finality(branches.genesis, chain[5])])
    store.apply([branches.finality(chain[4], chain[11])])
    heights = [_verified_height(store.view(), branches, built) for built in chain[:-1]]
    assert heights == [5] * 5 + [11] * 6
