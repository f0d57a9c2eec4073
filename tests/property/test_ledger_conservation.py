"""Money is neither made nor lost: random transactions, good and bad, against a simple model."""

from __future__ import annotations

from hashlib import sha256

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ledger.attesting import attestation_name
from ledger.errors import InvalidTransaction
from ledger.identity import AccountStatus, AssetCode, MemberId
from ledger.state import (
    ATTESTATION,
    Delta,
    Record,
    StateKey,
    account_of,
    balance_of,
    encode_record,
    next_sequence,
    supply_of,
)
from ledger.state_tree import tree_of
from ledger.transactions import Actor, SignedTransaction
from tests.factories import CNY, OPENING_BALANCE, REGULATOR, USD, make_network
from tests.refusals import refuses

NETWORK = make_network(accounts=4)
NAMES = st.sampled_from(list(NETWORK.holders))
ASSETS = st.sampled_from([CNY, USD])
AMOUNTS = st.integers(1, 2 * OPENING_BALANCE)
LANES = st.integers(0, 15)
Books = dict[tuple[str, AssetCode], int]
Attested = dict[str, tuple[bytes, ...]]
Snapshot = tuple[dict[StateKey, Record], bytes]


class Conservation(RuleBasedStateMachine):
    """Applies random transactions, takes some back, and keeps its own books beside."""

    def __init__(self) -> None:
        super().__init__()
        self.state = NETWORK.state()
        self.books: Books = {(n, a): OPENING_BALANCE for n in NETWORK.holders for a in (CNY, USD)}
        self.frozen: frozenset[str] = frozenset()
        self.attested: Attested = {}
        self.history: list[tuple[Delta, Books, frozenset[str], Attested, Snapshot]] = []

    def sequence_of(self, name: str, lane: int = 0) -> int:
        """Return an account's next sequence."""
        return next_sequence(self.state, Actor(NETWORK.holders[name].id, lane, 0))

    def issuer_sequence_of(self, asset: AssetCode) -> int:
        """Return the issuer's next sequence."""
        issuer = NETWORK.genesis.assets[asset].issuer
        return next_sequence(self.state, Actor(issuer, 0, 0))

    def apply(
        self, transaction: SignedTransaction, books: Books | None, debited: str | None = None
    ) -> None:
        """Apply a transaction that the model allows (``books`` after it) or refuses (None)."""
        if debited in self.frozen:
            self.refuse(transaction, "account_frozen")
        elif books is None:
            self.refuse(transaction, "insufficient_funds")
        else:
            self.keep(transaction)
            self.books = books

    def keep(self, transaction: SignedTransaction) -> None:
        """Apply a transaction and remember how to take it back."""
        before = dict(self.state.entries), self.state.tree.root
        model = (self.books, self.frozen, self.attested)
        self.history.append((self.state.apply(transaction), *model, before))

    def refuse(self, transaction: SignedTransaction, code: str) -> None:
        """Expect a refusal that leaves the state as it was."""
        before = dict(self.state.entries), self.state.tree.root
        with refuses(InvalidTransaction, code):
            self.state.apply(transaction)
        assert (self.state.entries, self.state.tree.root) == before

    def moved(self, changes: list[tuple[str, AssetCode, int]]) -> Books | None:
        """Return the books after the changes in order, or None if one of them overdraws."""
        books = dict(self.books)
        for name, asset, change in changes:
            books[name, asset] += change
            if books[name, asset] < 0:
                return None
        return books

    @rule(
        payer=NAMES,
        legs=st.lists(st.tuples(NAMES, ASSETS, AMOUNTS), min_size=1, max_size=4),
        lane=LANES,
    )
    def transfer(self, payer: str, legs: list[tuple[str, AssetCode, int]], lane: int) -> None:
        """One account pays several, itself perhaps among them."""
        changes = []
        for payee, asset, amount in legs:
            changes += [(payer, asset, -amount), (payee, asset, amount)]
        transaction = NETWORK.transfer(
            *[NETWORK.leg(payer, payee, amount, asset) for payee, asset, amount in legs],
            lane=lane,
            sequence=self.sequence_of(payer, lane),
        )
        self.apply(transaction, self.moved(changes), payer)

    @rule(name=NAMES, asset=ASSETS, amount=AMOUNTS)
    def issue(self, name: str, asset: AssetCode, amount: int) -> None:
        """The issuer creates supply."""
        transaction = NETWORK.issue(
            NETWORK.entry(name, amount), asset=asset, sequence=self.issuer_sequence_of(asset)
        )
        self.apply(transaction, self.moved([(name, asset, amount)]))

    @rule(name=NAMES, asset=ASSETS, amount=AMOUNTS)
    def redeem(self, name: str, asset: AssetCode, amount: int) -> None:
        """The issuer and an account destroy supply."""
        transaction = NETWORK.redeem(
            NETWORK.entry(name, amount),
            asset=asset,
            sequence=self.issuer_sequence_of(asset),
            account_sequence=self.sequence_of(name),
        )
        self.apply(transaction, self.moved([(name, asset, -amount)]), name)

    @rule(name=NAMES, is_freeze=st.booleans())
    def measure(self, name: str, is_freeze: bool) -> None:
        """The regulator freezes or unfreezes an account; money moves by neither."""
        make = NETWORK.freeze if is_freeze else NETWORK.unfreeze
        transaction = make(name, sequence=next_sequence(self.state, Actor(REGULATOR, 0, 0)))
        if is_freeze == (name in self.frozen):
            self.refuse(transaction, "already_frozen" if is_freeze else "not_frozen")
            return
        self.keep(transaction)
        self.frozen ^= {name}

    @rule(
        member=st.sampled_from(list(NETWORK.genesis.members)),
        content=st.sampled_from([b"a", b"b"]),
        ahead=st.integers(0, 2),
    )
    def attest(self, member: MemberId, content: bytes, ahead: int) -> None:
        """A member attests a document, perhaps again or out of turn; money moves by none."""
        attested = self.attested.get(member, ())
        revision = max(1, len(attested) + ahead)
        transaction = NETWORK.attest(
            content,
            member=member,
            revision=revision,
            sequence=next_sequence(self.state, Actor(member, 0, 0)),
        )
        if revision > len(attested) + 1:
            self.refuse(transaction, "revision_gap")
        elif revision <= len(attested) or attested[-1:] == (content,):
            self.refuse(transaction, "already_attested")
        else:
            self.keep(transaction)
            self.attested = {**self.attested, member: (*attested, content)}

    @precondition(lambda self: self.history)
    @rule(blocks=st.integers(1, 3))
    def undo(self, blocks: int) -> None:
        """A reorganisation takes back the last few transactions."""
        for _ in range(min(blocks, len(self.history))):
            delta, self.books, self.frozen, self.attested, before = self.history.pop()
            self.state.undo(delta)
            assert (self.state.entries, self.state.tree.root) == before

    @invariant()
    def accounts_are_frozen_as_the_model_says(self) -> None:
        """Measures and their undoing leave each account in its status."""
        for name, holder in NETWORK.holders.items():
            record = account_of(self.state, holder.id)
            assert record is not None
            assert (record.status is AccountStatus.FROZEN) is (name in self.frozen)

    @invariant()
    def attestations_are_those_that_were_kept(self) -> None:
        """Each document that a member attested stands under its revision, and no other does."""
        found = {
            (name.member, name.revision): record.sha256
            for key, record in self.state.entries.items()
            if key[:1] == ATTESTATION
            for name in [attestation_name(key)]
        }
        assert found == {
            (member, number): sha256(content).digest()
            for member, contents in self.attested.items()
            for number, content in enumerate(contents, start=1)
        }

    @invariant()
    def balances_are_those_of_the_books(self) -> None:
        """Every balance is what the model says, and none is negative."""
        for (name, asset), amount in self.books.items():
            assert balance_of(self.state, NETWORK.holders[name].id, asset) == amount >= 0

    @invariant()
    def supply_is_the_sum_of_balances(self) -> None:
        """What exists of an asset is what the accounts hold."""
        for asset in (CNY, USD):
            held = sum(amount for (_, code), amount in self.books.items() if code == asset)
            assert supply_of(self.state, asset) == held

    def teardown(self) -> None:
        """The tree that was changed step by step is that of the final state."""
        entries: dict[bytes, bytes] = {
            key: encode_record(record) for key, record in self.state.entries.items()
        }
        assert tree_of(entries).root == self.state.tree.root


TestConservation = Conservation.TestCase
TestConservation.settings = settings(max_examples=25, stateful_step_count=20)
