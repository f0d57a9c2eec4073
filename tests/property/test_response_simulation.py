"""A simulated freeze against the ledger itself: the same transactions, judged by its own transition."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.response.simulation import Counterfactual, Posting, Step, changes_of
from ledger.errors import InvalidTransaction
from ledger.identity import AssetCode
from ledger.kinds import Issue, Redeem, Transfer
from ledger.state import Overlay, balance_key
from ledger.transactions import SignedTransaction
from ledger.transition import validate_effect
from tests.factories import CNY, OPENING_BALANCE, USD, MemoryState, make_network

NETWORK = make_network(accounts=4)
NAMES = sorted(NETWORK.holders)
NUMBERS = {NETWORK.holders[name].id: number for number, name in enumerate(NAMES)}
Moves = list[tuple[str, list[tuple[str, str, int, AssetCode]]]]

ENDS = st.sampled_from(NAMES)
LEG = st.tuples(
    ENDS, ENDS, st.integers(1, OPENING_BALANCE * 3 // 2), st.sampled_from([CNY, CNY, USD])
)
KINDS = st.sampled_from(["transfer"] * 6 + ["issue", "redeem"])
MOVES = st.lists(st.tuples(KINDS, st.lists(LEG, min_size=1, max_size=3)), min_size=1, max_size=24)


def made(kind: str, legs: list[tuple[str, str, int, AssetCode]]) -> SignedTransaction:
    """Return a signed transaction; issues and redemptions take the first leg alone."""
    if kind == "transfer":
        return NETWORK.transfer(*[NETWORK.leg(*leg) for leg in legs])
    payer, _, amount, asset = legs[0]
    make = NETWORK.issue if kind == "issue" else NETWORK.redeem
    return make(NETWORK.entry(payer, amount), asset=asset)


def is_applied(state: MemoryState, transaction: SignedTransaction) -> bool:
    """Apply a transaction by the ledger's rules but for sequences, unless they refuse it."""
    overlay = Overlay(state)
    try:
        overlay.put_all(validate_effect(overlay, transaction, height=1))
    except InvalidTransaction:
        return False
    state.write(overlay.delta())
    return True


def step_of(transaction: SignedTransaction, index: int) -> Step:
    """Return a transaction as the simulation takes it."""
    effect, postings = transaction.body.effect, list[Posting]()
    if isinstance(effect, Transfer):
        postings += [
            Posting(NUMBERS[leg.debit], NUMBERS[leg.credit], leg.asset, leg.amount)
            for leg in effect.legs
        ]
    elif isinstance(effect, Issue):
        postings += [
            Posting(None, NUMBERS[e.account], effect.asset, e.amount) for e in effect.entries
        ]
    elif isinstance(effect, Redeem):
        postings += [
            Posting(NUMBERS[e.account], None, effect.asset, e.amount) for e in effect.entries
        ]
    kind = transaction.body.kind.name.lower()
    return Step((1, index), transaction.txid, kind, postings, transaction.body.reference)


def held(state: MemoryState) -> dict[tuple[int, str], int]:
    """Return all balances of a state."""
    return {
        (number, asset): state.get(balance_key(account, asset)) or 0
        for account, number in NUMBERS.items()
        for asset in (CNY, USD)
    }


@settings(max_examples=40)
@given(moves=MOVES, cut=st.integers(0, 24), frozen=ENDS)
def test_the_ledger_would_have_refused_just_those(moves: Moves, cut: int, frozen: str) -> None:
    """Refusals, their codes and all balances are the ledger's own, and no money is made or lost."""
    actual = NETWORK.state()
    history = [t for t in (made(*move) for move in moves[:cut]) if is_applied(actual, t)]
    judge = NETWORK.state()
    assert all(is_applied(judge, transaction) for transaction in history)
    judge.apply(NETWORK.freeze(frozen))
    books = Counterfactual(held(actual), [NUMBERS[NETWORK.holders[frozen].id]])

    later = [t for t in (made(*move) for move in moves[cut:]) if is_applied(actual, t)]
    steps = [step_of(transaction, index) for index, transaction in enumerate(later)]
    refused: list[tuple[int, str]] = []
    for index, transaction in enumerate(later):
        overlay = Overlay(judge)
        try:
            overlay.put_all(validate_effect(overlay, transaction, height=1))
        except InvalidTransaction as error:
            refused.append((index, error.code))
        else:
            judge.write(overlay.delta())
        books.apply(steps[index])
    assert [(one.step.position[1], one.code) for one in books.refusals] == refused
    replayed = {key: books.balances.get(key, 0) for key in held(judge)}
    assert replayed == held(judge)

    changes = changes_of(books.refusals)
    after = held(actual)
    for key, amount in replayed.items():
        change = changes.get(key)
        assert amount - after[key] == (change.not_paid - change.not_received if change else 0)


@settings(max_examples=20)
@given(moves=MOVES, frozen=ENDS)
def test_a_freeze_of_who_pays_nothing_changes_nothing(moves: Moves, frozen: str) -> None:
    """Without a later debit nothing is refused, and the books end as the history did."""
    state = NETWORK.state()
    spared = NETWORK.holders[frozen].id
    books = Counterfactual(held(state), [NUMBERS[spared]])
    for index, (kind, legs) in enumerate(moves):
        transaction = made(kind, legs)
        step = step_of(transaction, index)
        if all(p.debit != NUMBERS[spared] for p in step.postings) and is_applied(
            state, transaction
        ):
            books.apply(step)
    assert books.refusals == []
    assert {key: books.balances.get(key, 0) for key in held(state)} == held(state)
