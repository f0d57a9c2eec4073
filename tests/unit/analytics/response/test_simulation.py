"""A freeze replayed on hand-made histories, whose answers are known by hand."""

from __future__ import annotations

from itertools import count

from analytics.response.simulation import (
    FROZEN,
    SHORT,
    Change,
    Counterfactual,
    Posting,
    Step,
    Stopped,
    changes_of,
    stopped_by_asset,
    stopped_by_text,
)

MULE, FIRM, WORKER, LANDLORD, SHOP = range(5)
HELD = {(MULE, "CNY"): 100, (FIRM, "CNY"): 50, (WORKER, "CNY"): 10, (SHOP, "CNY"): 5}


def replayed(
    *steps: list[tuple[int | None, int | None, int]], frozen: int = MULE
) -> Counterfactual:
    """Return the books after steps of legs (payer, payee, amount), each a block of its own."""
    books = Counterfactual(HELD, [frozen])
    for height, legs in zip(count(1), steps, strict=False):
        postings = [Posting(payer, payee, "CNY", amount) for payer, payee, amount in legs]
        books.apply(Step((height, 0), bytes([height]), "transfer", postings, f"text {len(legs)}"))
    return books


def told(books: Counterfactual) -> list[tuple[int, str, int, int]]:
    """Return of each refusal its height, code, account and generation."""
    return [(one.step.position[0], *one[1:]) for one in books.refusals]


def test_a_frozen_account_is_credited_and_not_debited() -> None:
    """What it pays is refused, what it is paid comes, and others pay as they did."""
    books = replayed([(MULE, FIRM, 30)], [(SHOP, MULE, 5)], [(FIRM, WORKER, 20)])
    assert told(books) == [(1, FROZEN, MULE, 0)]
    assert books.balances == {
        (MULE, "CNY"): 105, (FIRM, "CNY"): 30, (WORKER, "CNY"): 30, (SHOP, "CNY"): 0,
    }  # fmt: skip
    assert books.replayed == 3


def test_who_misses_the_money_cannot_pay_in_turn() -> None:
    """The firm was to pay wages from what the mule paid it, and the worker the rent from those."""
    books = replayed(
        [(MULE, FIRM, 40)],
        [(FIRM, WORKER, 80)],  # 50 are there, 90 would have been
        [(WORKER, LANDLORD, 60)],  # 10 are there
        [(WORKER, SHOP, 10)],
        [(LANDLORD, SHOP, 1)],  # nothing is there
    )
    assert told(books) == [
        (1, FROZEN, MULE, 0), (2, SHORT, FIRM, 1), (3, SHORT, WORKER, 2), (5, SHORT, LANDLORD, 3),
    ]  # fmt: skip
    assert stopped_by_asset(books.refusals) == {"CNY": Stopped(frozen=40, short=141)}
    changes = changes_of(books.refusals)
    assert changes[FIRM, "CNY"] == Change(not_received=40, not_paid=80, generation=0)
    assert changes[WORKER, "CNY"] == Change(not_received=80, not_paid=60, generation=1)
    assert changes[LANDLORD, "CNY"] == Change(not_received=60, not_paid=1, generation=2)
    assert stopped_by_text(books.refusals) == {("text 1", "CNY"): (4, 181)}


def test_a_payment_that_other_money_covers_goes_through() -> None:
    """Who has enough without what did not come pays all the same."""
    books = replayed([(MULE, FIRM, 40)], [(FIRM, WORKER, 50)], [(WORKER, LANDLORD, 60)])
    assert told(books) == [(1, FROZEN, MULE, 0)]


def test_a_transaction_is_refused_whole() -> None:
    """One leg of a frozen account stops the others of its transaction too."""
    books = replayed([(FIRM, WORKER, 50), (MULE, FIRM, 1)], [(WORKER, SHOP, 60)])
    assert told(books) == [(1, FROZEN, MULE, 0), (2, SHORT, WORKER, 1)]
    assert books.balances == HELD


def test_legs_are_covered_in_their_order() -> None:
    """What an earlier leg brings pays a later one, as on the ledger; not the other way round."""
    books = replayed([(MULE, SHOP, 1)], [(FIRM, SHOP, 45), (SHOP, LANDLORD, 50)])
    assert told(books) == [(1, FROZEN, MULE, 0)]
    books = replayed([(MULE, SHOP, 1)], [(SHOP, LANDLORD, 6), (FIRM, SHOP, 45)])
    assert told(books) == [(1, FROZEN, MULE, 0), (2, SHORT, SHOP, 1)]


def test_issues_reach_frozen_accounts_and_redemptions_do_not_leave_them() -> None:
    """Supply may be created on a frozen account, and none is destroyed from it."""
    books = replayed([(None, MULE, 7)], [(MULE, None, 3)], [(FIRM, None, 50)])
    assert told(books) == [(2, FROZEN, MULE, 0)]
    assert (books.balances[MULE, "CNY"], books.balances[FIRM, "CNY"]) == (107, 0)


def test_an_account_that_is_let_go_pays_again() -> None:
    """Measures of the history go on to count: a freeze ends where it was ended."""
    books = replayed([(MULE, FIRM, 30)])
    books.unfreeze(MULE)
    books.apply(Step((2, 0), b"2", "transfer", [Posting(MULE, FIRM, "CNY", 100)], ""))
    books.freeze(MULE)
    books.apply(Step((3, 0), b"3", "transfer", [Posting(MULE, FIRM, "CNY", 1)], ""))
    assert told(books) == [(1, FROZEN, MULE, 0), (3, FROZEN, MULE, 0)]
