"""Proofs of accounts at the last final block, however the head came past it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ledger.errors import InvalidProof
from ledger.identity import AccountId
from ledger.state import balance_key
from ledger.state_tree import StateTree
from node.api.backend import Busy, ReadOnly
from node.audit.access_log import AccessLog
from node.backend import PROOFS_ASKED_MAX, NodeBackend
from node.core import limits
from node.core.engine import Engine
from node.core.messages import Votes
from node.proofs import prove_account
from node.runner import EngineRunner
from node.shell import Shell
from node.storage.chain import StoredChain
from tests.barriers import HANG_S
from tests.factories import CNY, OPENING_BALANCE
from tests.refusals import refuses
from tests.unit.node.core.bench import Bench, Made

PEERS = ("bank2", "bank3", "regulator")
PAID = 5


def payments(bench: Bench, parent: Made, count: int, *, step_ms: int = 1_000) -> list[Made]:
    """Return blocks in a row on ``parent``, with a payment from Alice to Bob in each."""
    made = [parent]
    for _ in range(count):
        sequence = made[-1].block.header.height
        payment = bench.network.transfer(bench.network.leg("alice", "bob", PAID), sequence=sequence)
        made.append(bench.block(made[-1], payment, step_ms=step_ms))
    return made[1:]


def paid_bench(blocks: int) -> tuple[Bench, list[Made]]:
    """Return a node with so many payments in blocks, of which the first is final."""
    bench = Bench()
    bench.connect(*PEERS)
    made = payments(bench, bench.genesis, blocks)
    bench.deliver("bank2", *made)
    bench.receive("bank2", Votes(votes=bench.votes(bench.genesis, made[0], *PEERS)))
    bench.receive("bank2", Votes(votes=bench.votes(made[0], made[1], *PEERS)))
    assert bench.engine.chain.tree.root.height == 1
    return bench, made


def proved_balance(bench: Bench) -> int:
    """Return Alice's balance as the node proves it, once each proof leads to the final root."""
    alice = bench.network.holders["alice"].id
    proof = prove_account(bench.engine, bench.store.view(), alice, bench.network.genesis)
    root = proof.finalized.header.state_root
    for entry in proof.entries:
        entry.proof.verify(root=root, key=entry.key, value=entry.value)
    record = bench.store.view().final_record(balance_key(alice, CNY))
    assert isinstance(record, int)
    return record


def test_the_state_of_the_final_block_is_proved_past_it() -> None:
    """Blocks on it changed the same entries, and then the node started anew."""
    bench, _ = paid_bench(5)
    assert bench.height == 5
    assert proved_balance(bench) == OPENING_BALANCE - PAID
    restarted = Bench(bench.network, store=bench.store)
    assert proved_balance(restarted) == OPENING_BALANCE - PAID
    assert (
        restarted.engine.chain.state_tree.root
        == restarted.engine.chain.head.sealed.header.state_root
    )


def test_a_proof_hashes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds the engine's thread: what blocks changed is read back, and never worked out."""
    bench, _ = paid_bench(5)

    def refuse(*_: object) -> None:
        raise AssertionError("the state tree was changed for a proof")

    for name in ("stage", "adopt", "update"):
        monkeypatch.setattr(StateTree, name, refuse)
    assert proved_balance(bench) == OPENING_BALANCE - PAID


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_proof_after_the_chain_was_reorganised(is_restarted: bool) -> None:
    """Blocks that left the chain, also those from before a start, left nothing behind."""
    bench, made = paid_bench(3)
    branch = payments(bench, made[0], 4, step_ms=2_000)
    node = Bench(bench.network, store=bench.store) if is_restarted else bench
    if is_restarted:
        node.connect(*PEERS)
    node.deliver("bank3", *branch)
    chain = node.engine.chain
    if chain.head.hash != branch[-1].hash:  # the second block is justified: it takes votes to move
        node.receive("bank2", Votes(votes=node.votes(made[0], branch[2], *PEERS)))
    assert chain.head.hash == branch[-1].hash
    assert chain.state_tree.root == chain.head.sealed.header.state_root
    assert proved_balance(node) == OPENING_BALANCE - PAID


def test_too_many_unfinal_blocks_give_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept is bounded; once blocks are final again, there are proofs again."""
    monkeypatch.setattr(limits, "BODIES_IN_MEMORY_MAX", 3)
    bench, made = paid_bench(6)
    bench.tick()
    with refuses(InvalidProof, "finality_stalled"):
        proved_balance(bench)
    for source, target in pairwise(made[1:5]):
        bench.receive("bank2", Votes(votes=bench.votes(source, target, *PEERS)))
    assert bench.engine.chain.tree.root.height == 4
    assert proved_balance(bench) == OPENING_BALANCE - 4 * PAID


# --- many who ask ----------------------------------------------------------------------------


class AskedRunner:
    """An engine's runner that answers nobody until it is let, and counts who is at it."""

    def __init__(self) -> None:
        self.is_ahead = False
        self.let = asyncio.Event()
        self.asked = asyncio.Event()
        self.at_once = self.at_once_max = 0

    async def call(self, _work: Callable[[Engine], object]) -> object:
        self.at_once += 1
        self.at_once_max = max(self.at_once_max, self.at_once)
        self.asked.set()
        await self.let.wait()
        self.at_once -= 1
        raise InvalidProof("not_final_yet", "no certificate yet")


def backend_of(runner: AskedRunner) -> NodeBackend:
    """Return a node's backend over such a runner."""
    bench = Bench()
    return NodeBackend(
        genesis=bench.network.genesis,
        member=bench.member,
        store=cast(StoredChain, bench.store),
        shell=cast(Shell, SimpleNamespace()),
        runner=cast(EngineRunner, runner),
        access_log=cast(AccessLog, SimpleNamespace()),
    )


async def ask(backend: NodeBackend) -> Any:
    """Ask for a proof; what the engine refuses is an answer too."""
    with suppress(InvalidProof):
        await backend.prove_account(AccountId(bytes(20)))


async def test_the_engine_is_asked_for_one_proof_at_a_time() -> None:
    """So that it goes on between two; who finds too many before it is told to come back."""
    runner = AskedRunner()
    backend = backend_of(runner)
    async with asyncio.timeout(HANG_S), asyncio.TaskGroup() as clients:
        for _ in range(PROOFS_ASKED_MAX):
            clients.create_task(ask(backend))
        await runner.asked.wait()
        with pytest.raises(Busy):
            await ask(backend)
        runner.let.set()
    assert runner.at_once_max == 1
    await ask(backend)  # there is room again


async def test_an_engine_ahead_of_a_full_disk_proves_nothing() -> None:
    """Its state is not what the disk holds (threat 54)."""
    runner = AskedRunner()
    runner.is_ahead = True
    with pytest.raises(ReadOnly):
        await ask(backend_of(runner))
