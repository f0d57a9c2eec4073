"""The books of any height agree: random issues, redemptions and payments, counted by the worker."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import InvalidTransaction
from ledger.state import next_sequence
from ledger.transactions import Actor, SignedTransaction
from node.workers.replay import Reader
from tests.branches import Branches, Built
from tests.factories import CNY, OPENING_BALANCE

NAMES = ("alice", "bob", "carol")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["issue", "redeem", "pay"]),
        st.sampled_from(NAMES),
        st.sampled_from(NAMES),
        st.integers(1, 2 * OPENING_BALANCE),
    ),
    max_size=8,
)


def transaction_of(
    branches: Branches, head: Built, kind: str, first: str, second: str, amount: int
) -> SignedTransaction:
    """Return what a step asks for, in its turn."""
    network = branches.network
    if kind == "pay":
        return branches.payment(head, first, second, amount)
    sequence = next_sequence(head, Actor(network.genesis.assets[CNY].issuer, 0, 0))
    if kind == "issue":
        return network.issue(network.entry(first, amount), sequence=sequence)
    account = Actor(network.holders[first].id, 0, 0)
    return network.redeem(
        network.entry(first, amount),
        sequence=sequence,
        account_sequence=next_sequence(head, account),
    )


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_what_came_in_is_what_is_there(steps: list[tuple[str, str, str, int]]) -> None:
    """Genesis + issued - redeemed = balances = supply at every height, and the root is the header's."""
    branches = Branches()
    reader, head = Reader(), branches.genesis
    reader.take(("bytes", branches.network.genesis.encode()))
    assert reader.take(("genesis",)) is None
    issued = redeemed = 0
    for kind, first, second, amount in steps:
        try:
            head = branches.child(head, transaction_of(branches, head, kind, first, second, amount))
        except InvalidTransaction:
            continue
        issued += amount if kind == "issue" else 0
        redeemed += amount if kind == "redeem" else 0
        reader.take(("bytes", head.block.encode()))
        assert reader.take(("block",)) is None
        assert counted(reader, head) == (issued, redeemed)


def counted(reader: Reader, head: Built) -> tuple[int, int]:
    """Return what was issued and redeemed of CNY by the worker's count, whose books must agree."""
    match reader.take(("count",)):
        case ("counted", root, books):
            assert root == head.block.header.state_root
            began, issued, redeemed, balances, _, supply = books[CNY]  # type: ignore[index] # the worker's own shape
            assert int(began) + int(issued) - int(redeemed) == int(balances) == int(supply)
            return int(issued), int(redeemed)
    raise AssertionError("no count")
