"""How fast blocks are connected, from their bytes to a durable commit, on one core.

Every step is the node's own: `decode_block`, the seal and the header rules, the verifying worker's
``judge`` of every signature (here in this process, so that it counts on the core), the body's roots, the
state transition, the state root, and one synced write batch of RocksDB in a directory on disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ed25519_zebra import ed_verify

from ledger.blocks import decode_block, validate_body
from ledger.keys import verify
from ledger.transition import signature_items_of_all
from node.collector import settle_collector
from node.core.chain import Chain
from node.core.effects import StoreBlock
from node.core.ports import Environment, RecoveredVotes
from node.storage.chain_store import RocksStore
from node.workers.verify import judge
from scripts.benchmarks.measure import Figure, compare, core_clock, one_core, seconds, spread_of
from scripts.benchmarks.payments import Workload, batch_payments, single_payments

CACHE_MIB = 64
"""Cache of the store: a bank's node, where the default suits four nodes on one machine."""
SINGLE_RATIO_GOAL = 0.6
BATCH_LEGS_GOAL = 40_000
WARM_UP_BLOCKS = 2
"""Blocks that are connected before any is timed: with them every account was touched."""
STEPS = ("decode", "verify", "validate", "commit")


class Follower:
    """A node's chain and store that take blocks one after the other."""

    def __init__(self, workload: Workload, directory: Path) -> None:
        chain = workload.chain
        self._store = RocksStore(directory, chain.network.genesis, CACHE_MIB)
        environment = Environment(
            member=chain.members[0],
            chain_id=chain.network.genesis.chain_id,
            rules=chain.rules,
            store=self._store,
            votes=RecoveredVotes(votes=(), is_stopped=False),
            verify=verify,
            sign=None,
            random_bytes=bytes,
        )
        self._chain = Chain(environment, self._store.recover())
        self._bytes_max = chain.rules.parameters.block_bytes_max
        self.step_seconds = dict.fromkeys(STEPS, 0.0)
        """Seconds spent in each step so far."""

    def connect(self, raw: bytes) -> float:
        """Connect an encoded block durably and return the seconds that it took.

        Raises:
            LedgerError: the block is invalid.
        """
        self._chain.begin_call()
        times = [core_clock()]
        block = decode_block(raw, bytes_max=self._bytes_max)
        times.append(core_clock())
        node = self._chain.accept_header(block.sealed)
        if not all(judge(signature_items_of_all(block.transactions))):
            raise AssertionError("the workload's signatures are good")
        times.append(core_clock())
        validate_body(block)
        self._chain.accept_body(node, block)
        move = self._chain.activate(())
        times.append(core_clock())
        if move is None or move.refused:
            raise AssertionError("the workload's blocks are valid")
        self._store.apply([StoreBlock(block=block), move.commit])
        times.append(core_clock())
        for step, began, ended in zip(STEPS, times, times[1:], strict=False):
            self.step_seconds[step] += ended - began
        return times[-1] - times[0]

    def close(self) -> None:
        """Release the store's files."""
        self._store.close()


@contextmanager
def following(workload: Workload, directory: Path) -> Iterator[Follower]:
    """Lend a follower at genesis with its store in a new folder under ``directory``."""
    settle_collector()  # as the node does when it starts
    directory.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=directory, prefix="bench-") as folder:
        follower = Follower(workload, Path(folder))
        try:
            yield follower
        finally:
            follower.close()


def measure_single(directory: Path, *, is_quick: bool) -> list[Figure]:
    """Measure one-leg payments connected a second against bare verifications a second."""
    size, blocks = (200, 4) if is_quick else (2_000, 12)
    workload = single_payments(blocks=blocks, size=size, accounts=2 * size)
    values, limits = [], []
    with one_core(), following(workload, directory) as follower:
        for number, raw in enumerate(workload.blocks):
            bare_s = _bare_verify_seconds(raw)
            connect_s = follower.connect(raw)
            if number >= WARM_UP_BLOCKS:
                limits.append(size / bare_s)
                values.append(size / connect_s)
        detail = _detail(workload, follower)
    return [
        compare(
            "single payments connected",
            values=values,
            limits=limits,
            unit="transactions/s/core",
            limit_name="bare Ed25519 verifies of the same signatures",
            goal=SINGLE_RATIO_GOAL,
            detail=detail,
        )
    ]


def measure_batches(directory: Path, *, is_quick: bool) -> list[Figure]:
    """Measure legs a second in batches of 1,000, every leg to another account."""
    size, blocks, legs = (2, 4, 100) if is_quick else (10, 10, 1_000)
    workload = batch_payments(blocks=blocks, size=size, legs=legs, accounts=size * legs)
    values = []
    with one_core(), following(workload, directory) as follower:
        for number, raw in enumerate(workload.blocks):
            connect_s = follower.connect(raw)
            if number >= WARM_UP_BLOCKS:
                values.append(size * legs / connect_s)
        detail = _detail(workload, follower)
    return [
        Figure(
            name=f"legs connected in batches of {legs}",
            value=sorted(values)[len(values) // 2],
            unit="legs/s/core",
            goal=BATCH_LEGS_GOAL,
            spread=spread_of(values),
            runs=len(values),
            detail=detail,
        )
    ]


def _bare_verify_seconds(raw: bytes) -> float:
    """Return the seconds that the library alone needs for a block's signatures."""
    block = decode_block(raw, bytes_max=len(raw))
    items = [
        (signature, message, key[1:])
        for key, signature, message in signature_items_of_all(block.transactions)
    ]

    def verify_all() -> None:
        for item in items:
            ed_verify(*item)

    return seconds(verify_all)


def _detail(workload: Workload, follower: Follower) -> dict[str, float | int | str]:
    legs = len(workload.blocks) * workload.transactions_per_block * workload.legs_per_transaction
    return {
        "blocks": len(workload.blocks),
        "transactions_per_block": workload.transactions_per_block,
        "accounts": workload.accounts,
        "cache_mib": CACHE_MIB,
        "block_bytes": len(workload.blocks[-1]),
        **{
            f"{step}_us_per_leg": round(spent / legs * 1e6, 2)
            for step, spent in follower.step_seconds.items()
        },
    }
