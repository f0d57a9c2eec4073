"""What a freeze would have changed: a history replayed with some accounts frozen from a height on.

    balances at the height + the transactions after it + frozen accounts -> refusals, balances

The rules are the ledger's (``ledger.transition``): a frozen account may be credited and not debited, a
transaction is applied whole or not at all, and each debit must be covered at its turn. Two things are
refused by them: what debits a frozen account, and what then lacks the money that did not come, in turn.
The chain of causes is followed to the end of the history. Nobody acts otherwise than they did: nobody
pays later, from elsewhere or less. Sequences are not followed, since who is refused uses the number
for the next payment.

Accounts are numbers, as the warehouse has them; amounts are smallest units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

FROZEN: Final = "account_frozen"
"""Why the ledger refuses a debit of a frozen account; its own code."""
SHORT: Final = "insufficient_funds"
"""Why the ledger refuses a debit that the balance does not cover; its own code."""

Position = tuple[int, int]
"""Height of a block, and the place of a transaction in it."""


class Posting(NamedTuple):
    """One leg. A named tuple, because there are many."""

    debit: int | None
    """Payer; None where supply is created."""
    credit: int | None
    """Payee; None where supply is destroyed."""
    asset: str
    amount: int


class Step(NamedTuple):
    """A transaction of the history that moves amounts."""

    position: Position
    txid: bytes
    kind: str
    """``transfer``, ``issue`` or ``redeem``."""
    postings: Sequence[Posting]
    """Its legs, in their order."""
    reference: str
    """Payment text of its first leg."""


class Refusal(NamedTuple):
    """A transaction that would not have been applied."""

    step: Step
    code: str
    """``FROZEN`` or ``SHORT``."""
    account: int
    """Whose debit was refused."""
    generation: int
    """How many refusals stand between it and the freeze: 0 where the account was frozen."""


class Counterfactual:
    """The books of a history in which some accounts were frozen.

    ``balances`` are those at the height of the freeze, by account and asset; accounts that are not
    there hold nothing. Steps are given in the order of the chain.
    """

    def __init__(self, balances: Mapping[tuple[int, str], int], frozen: Sequence[int]) -> None:
        self.balances = dict(balances)
        """What each account holds of each asset, as far as the history was replayed."""
        self.replayed = 0
        """Number of steps given."""
        self.refusals: list[Refusal] = []
        """What would have been refused, in the order of the chain."""
        self._frozen = set(frozen)
        self._missed: dict[tuple[int, str], int] = {}

    def freeze(self, account: int) -> None:
        """Freeze an account; one that is frozen stays so."""
        self._frozen.add(account)

    def unfreeze(self, account: int) -> None:
        """Let an account be debited again."""
        self._frozen.discard(account)

    def apply(self, step: Step) -> None:
        """Apply a transaction, or note why it is refused."""
        self.replayed += 1
        for posting in step.postings:
            if posting.debit in self._frozen:
                self._refuse(step, FROZEN, posting.debit, 0)
                return
        if len(step.postings) == 1:
            self._apply_one(step, step.postings[0])
        else:
            self._apply_all(step)

    def _apply_one(self, step: Step, posting: Posting) -> None:
        """Apply a transaction of one leg, as nearly all are, without another table."""
        debit, credit, asset, amount = posting
        balances = self.balances
        if debit is not None:
            debited = debit, asset
            after = balances.get(debited, 0) - amount
            if after < 0:
                self._refuse_short(step, debited)
                return
            balances[debited] = after
        if credit is not None:
            credited = credit, asset
            balances[credited] = balances.get(credited, 0) + amount

    def _apply_all(self, step: Step) -> None:
        balances, writes = self.balances, dict[tuple[int, str], int]()
        for debit, credit, asset, amount in step.postings:
            if debit is not None:
                key = debit, asset
                after = writes.get(key, balances.get(key, 0)) - amount
                if after < 0:
                    self._refuse_short(step, key)
                    return
                writes[key] = after
            if credit is not None:
                key = credit, asset
                writes[key] = writes.get(key, balances.get(key, 0)) + amount
        balances.update(writes)

    def _refuse_short(self, step: Step, short: tuple[int, str]) -> None:
        # The history had the money for it, so what lacks is what a refused transaction did not bring.
        self._refuse(step, SHORT, short[0], self._missed[short] + 1)

    def _refuse(self, step: Step, code: str, account: int, generation: int) -> None:
        self.refusals.append(Refusal(step, code, account, generation))
        for posting in step.postings:
            if posting.credit is not None:
                key = posting.credit, posting.asset
                self._missed[key] = min(generation, self._missed.get(key, generation))


class Change(NamedTuple):
    """What the refusals mean for one account and asset."""

    not_received: int
    """Sum that would not have come."""
    not_paid: int
    """Sum that would not have gone."""
    generation: int
    """The least generation of the refusals that it is a party of."""


def changes_of(refusals: Sequence[Refusal]) -> dict[tuple[int, str], Change]:
    """Return what refusals mean for each account and asset that they would have moved.

    What an account holds in the end is, against the history, ``not_paid - not_received`` more.
    """
    changes: dict[tuple[int, str], Change] = {}
    for refusal in refusals:
        for debit, credit, asset, amount in refusal.step.postings:
            for account, received, paid in ((debit, 0, amount), (credit, amount, 0)):
                if account is None:
                    continue
                before = changes.get((account, asset), Change(0, 0, refusal.generation))
                changes[account, asset] = Change(
                    before.not_received + received,
                    before.not_paid + paid,
                    min(before.generation, refusal.generation),
                )
    return changes


class Stopped(NamedTuple):
    """Sums of an asset that would not have moved."""

    frozen: int
    """In transactions that debit a frozen account."""
    short: int
    """In transactions that would have lacked the money."""


def stopped_by_asset(refusals: Sequence[Refusal]) -> dict[str, Stopped]:
    """Return the sums of refused transactions by asset, in the order of the assets' codes."""
    sums: dict[str, Stopped] = {}
    for refusal in refusals:
        for posting in refusal.step.postings:
            frozen, short = sums.get(posting.asset, Stopped(0, 0))
            if refusal.code == FROZEN:
                frozen += posting.amount
            else:
                short += posting.amount
            sums[posting.asset] = Stopped(frozen, short)
    return dict(sorted(sums.items()))


def stopped_by_text(refusals: Sequence[Refusal]) -> dict[tuple[str, str], tuple[int, int]]:
    """Return transactions and sum by payment text and asset: which wages, which rents.

    The largest sum comes first.
    """
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for refusal in refusals:
        by_asset: dict[str, int] = {}
        for posting in refusal.step.postings:
            by_asset[posting.asset] = by_asset.get(posting.asset, 0) + posting.amount
        for asset, amount in by_asset.items():
            key = refusal.step.reference, asset
            payments, total = sums.get(key, (0, 0))
            sums[key] = payments + 1, total + amount
    return dict(sorted(sums.items(), key=lambda one: (-one[1][1], one[0])))
