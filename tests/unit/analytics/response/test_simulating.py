"""A simulated freeze read from a warehouse: a hand-made chain, and what is refused or cut."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from analytics import limits
from analytics.errors import RequestRefused
from analytics.response import simulating
from analytics.response.simulating import Asked, simulate
from analytics.warehouse.store import Settings, Warehouse, connect
from ledger.addresses import encode_account_id
from ledger.measures import Freeze, Unfreeze
from ledger.state import next_sequence
from ledger.transactions import Actor
from node.analytics.simulation_documents import SimulationDocument
from tests.factories import OPENING_BALANCE, REGULATOR
from tests.histories import History

DESCRIBED = TypeAdapter(SimulationDocument)
"""What the node's document of its API says of every answer."""
HELD = OPENING_BALANCE
HEIGHT, LAST = 1, 6


class Chain:
    """A chain of alice, who is to be frozen, bob, whom she pays, carol and dave, and its warehouse."""

    def __init__(self, path: Path) -> None:
        self.history = History()
        pay = self.history.pay
        self._add(pay("alice", "bob", 100, "before"))
        self._add(pay("alice", "bob", HELD // 2, "salary"), pay("carol", "alice", 7, "loan"))
        self._add(pay("bob", "carol", HELD + 150, "rent"))
        self._add(pay("carol", "dave", HELD - 10, "goods"))
        self._add(self._measure(Freeze, "alice"))
        self._add(self._measure(Unfreeze, "alice"), pay("alice", "dave", 5, "after"))
        self.warehouse = Warehouse.create(connect(path, Settings()), self.history.network.genesis)
        self.warehouse.append(self.history.blocks)

    def account(self, name: str) -> str:
        """Return an account's id."""
        return encode_account_id(self.history.holders[name].id)

    def txid(self, height: int, index: int = 0) -> str:
        """Return the txid at a place."""
        return self.history.blocks[height - 1].transactions[index].txid.hex()

    def ask(self, *names: str, height: int = HEIGHT, until: int = LAST) -> dict[str, Any]:
        """Simulate the freeze of accounts; the answer is JSON, as it is sent."""
        accounts = tuple(self.account(name) for name in names)
        with self.warehouse.reading() as cursor:
            document = simulate(cursor, Asked(accounts, height, until))
        sent = json.loads(json.dumps(document))
        DESCRIBED.validate_python(sent)
        return dict(sent)

    def _add(self, *transactions: Any) -> None:
        self.history.add(transactions)

    def _measure(self, kind: Any, name: str) -> Any:
        network, state = self.history.network, self.history.state
        sequence = next_sequence(state, Actor(REGULATOR, 0, 0))
        make = network.freeze if kind is Freeze else network.unfreeze
        return self.history.apply(make(name, sequence=sequence))


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """Return the chain."""
    made = Chain(tmp_path_factory.mktemp("simulating") / "file")
    yield made
    made.warehouse.close()


def test_the_answer_that_is_known_by_hand(chain: Chain) -> None:
    """Bob lacks what alice did not pay; carol could pay the goods without his rent; later all is well."""
    told = chain.ask("alice")
    assert told["counts"] == {
        "replayed": 5, "refused": 2, "frozen": 1, "insufficient_funds": 1, "generations": 1,
        "affected": 2, "worse_off": 1, "alerts": 0,
    }  # fmt: skip
    half, rent = HELD // 2, HELD + 150
    assert told["stopped"] == [
        {"asset": "CNY", "frozen": str(half), "insufficient_funds": str(rent)}
    ]
    assert [(one["txid"], one["code"], one["generation"]) for one in told["refused"]] == [
        (chain.txid(2), "account_frozen", 0), (chain.txid(3), "insufficient_funds", 1),
    ]  # fmt: skip
    carol, bob = told["affected"]
    assert (carol["account"], carol["not_received"], carol["generation"]) == (
        chain.account("carol"), str(rent), 1,
    )  # fmt: skip
    assert (bob["not_received"], bob["not_paid"]) == (str(half), str(rent))
    assert (bob["actual"], bob["simulated"]) == (str(half - 50), str(HELD + 100))
    assert [(one["reference"], one["amount"]) for one in told["texts"]] == [
        ("rent", str(rent)), ("salary", str(half)),
    ]  # fmt: skip
    (held,) = [one for one in told["held"] if one["asset"] == "CNY"]
    assert (held["actual"], held["simulated"]) == (str(HELD - half - 98), str(HELD - 98))
    assert not told["truncated"]


def test_a_replay_may_end_early(chain: Chain) -> None:
    """Up to the block of the freeze nothing is replayed; up to the next one the direct debit is."""
    assert chain.ask("alice", until=HEIGHT)["counts"]["replayed"] == 0
    assert chain.ask("alice", until=2)["counts"]["refused"] == 1
    assert chain.ask("alice", height=2)["counts"]["refused"] == 0


def test_several_accounts_are_frozen_together(chain: Chain) -> None:
    """What debits any of them is refused as frozen, not as short."""
    told = chain.ask("alice", "bob")
    assert [one["code"] for one in told["refused"]] == ["account_frozen"] * 2
    assert {one["account"] for one in told["affected"]} == {chain.account("carol")}


def test_alerts_that_rest_on_refused_payments_are_told(chain: Chain) -> None:
    """An alert about a payment that was refused would not have come as it is; others would."""
    rows = [("a" * 32, [chain.txid(3)], 3), ("b" * 32, [chain.txid(4)], 4)]
    with chain.warehouse.reading() as cursor:
        for alert, txids, height in rows:
            cursor.execute(
                "INSERT INTO alerts VALUES (?, 'velocity', 'low', ?, 0.5, '[]', ?, ?,"
                " make_timestamp_ms(0), 'velocity/1')",
                [alert, chain.account("bob"), txids, height],
            )
    told = chain.ask("alice")
    assert [(one["id"], one["transactions"]) for one in told["alerts"]] == [("a" * 32, 1)]
    assert told["counts"]["alerts"] == 1


@pytest.mark.parametrize(
    ("names", "height", "code"),
    [(("alice",), 5, "already_frozen"), (("nobody",), 1, "unknown_account")],
)
def test_what_could_not_have_been_frozen_is_refused(
    chain: Chain, names: tuple[str, ...], height: int, code: str
) -> None:
    """An account that is frozen at the height, and one that was not open."""
    accounts = tuple(chain.account(n) if n != "nobody" else "sun1nobody" for n in names)
    with chain.warehouse.reading() as cursor, pytest.raises(RequestRefused) as refused:
        simulate(cursor, Asked(accounts, height, LAST))
    assert refused.value.code == code


def test_limits_hold(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    """A history that is too long is refused before it is read, and long lists are cut and say so."""
    monkeypatch.setattr(simulating, "SIMULATION_ROWS_MAX", 1)
    told = chain.ask("alice")
    assert (len(told["refused"]), told["counts"]["refused"], told["truncated"]) == (1, 2, True)
    monkeypatch.setattr(simulating, "SIMULATION_LEGS_MAX", 3)
    with pytest.raises(RequestRefused, match="5 legs follow") as refused:
        chain.ask("alice")
    assert refused.value.code == "simulation_too_large"
    assert limits.SIMULATION_LEGS_MAX > 3
