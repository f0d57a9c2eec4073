"""Four real nodes: payments under fire, crashes, wiped data, partitions, and one history after all.

One network goes through all of it, so what holds in the end holds in spite of everything before.
"""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from ledger.addresses import encode_account_id
from ledger.transactions import SignedTransaction
from node.storage.vote_journal import VoteJournalFile
from tests.factories import OPENING_BALANCE
from tests.functional.cluster import Cluster, running_cluster

PAYMENTS = 1_000
ACCOUNTS = 50
UNFINAL_BLOCKS = 8
RESUME_BLOCKS_MAX = 10

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """Four running nodes; each test leaves them running, but for the last."""
    directory = tmp_path_factory.mktemp("network")
    async with running_cluster(directory, accounts=ACCOUNTS) as cluster:
        yield cluster


def payments(cluster: Cluster, count: int, seed: int) -> list[SignedTransaction]:
    """Return payments between random accounts, in order for each payer, behind those made before."""
    rng = random.Random(seed)
    names = list(cluster.network.holders)
    sequences = cluster.next_sequences
    made = []
    for number in range(count):
        payer, payee = rng.sample(names, 2)
        made.append(
            cluster.network.transfer(
                cluster.network.leg(payer, payee, rng.randrange(1, 10_000)),
                sequence=sequences[payer],
                valid_until=5_000,
                nonce=number.to_bytes(16),
            )
        )
        sequences[payer] += 1
    return made


async def submit_all(
    cluster: Cluster, transactions: Sequence[SignedTransaction], nodes: Sequence[str], seed: int
) -> dict[str, str]:
    """Submit at once, each to a random node; return the acknowledging node of each txid."""
    rng = random.Random(seed)
    acknowledged: dict[str, str] = {}

    async def submit(transaction: SignedTransaction) -> None:
        name = rng.choice(nodes)
        status, answer = await cluster.submit(name, transaction.raw)
        assert status in {200, 202}, answer
        acknowledged[transaction.txid.hex()] = name

    async with asyncio.TaskGroup() as tasks:
        for transaction in transactions:
            tasks.create_task(submit(transaction))
    return acknowledged


async def balances(cluster: Cluster, name: str) -> dict[str, int]:
    """Return what every account holds of the first asset at a node's final block."""
    held = {}
    for holder in cluster.network.holders.values():
        account = encode_account_id(holder.id)
        document = await cluster.get(name, f"/v1/accounts/{account}")
        held[account] = next(int(b["posted"]) for b in document["balances"] if b["asset"] == "CNY")
    return held


async def state_roots(cluster: Cluster, name: str, height: int) -> list[str]:
    """Return the state roots of a node's blocks up to a height."""
    roots: list[str] = []
    while len(roots) <= height:
        last = min(len(roots) + 999, height)
        page = await cluster.get(name, f"/v1/blocks?from={len(roots)}&to={last}&limit=1000")
        roots += [block["state_root"] for block in page["items"]]
    return roots


async def assert_one_history(cluster: Cluster, height: int) -> None:
    """All nodes hold the same blocks and states up to a final height."""
    for name in cluster.names:
        await cluster.until_height(name, height)
    first, *others = [await state_roots(cluster, name, height) for name in cluster.names]
    for other in others:
        assert other == first


def journalled_heights(cluster: Cluster, name: str, directory: Path) -> list[int]:
    """Return the target heights in a running node's vote journal, of which it holds the lock."""
    directory.mkdir()
    copied = shutil.copy(cluster.places[name].directory / "journal" / "votes.log", directory)
    with VoteJournalFile(Path(copied)) as journal:
        return [vote.vote.target.height for vote in journal.recovered.votes]


async def test_thousand_payments_survive_a_sigkill(cluster: Cluster) -> None:
    """1,000 payments of 50 accounts to random nodes, one node killed behind its 202: all final."""
    made = payments(cluster, PAYMENTS, seed=1)
    acknowledged = await submit_all(cluster, made, cluster.names, seed=2)
    await cluster.kill("bank2")
    assert "bank2" in acknowledged.values()
    await cluster.start("bank2")

    heights = [await cluster.until_final(name, set(acknowledged)) for name in cluster.names]
    await assert_one_history(cluster, max(heights))
    held = [await balances(cluster, name) for name in cluster.names]
    assert all(other == held[0] for other in held)
    assert sum(held[0].values()) == ACCOUNTS * OPENING_BALANCE


async def test_killed_node_rejoins_and_never_votes_twice(cluster: Cluster, tmp_path: Path) -> None:
    """threat_51: SIGKILL at any time; it catches up by itself, and its journal holds no two votes."""
    rng = random.Random(3)
    for round_number in range(3):
        victim = rng.choice(cluster.names)
        status = await cluster.get(victim, "/v1/status")
        await cluster.kill(victim)
        survivor = next(name for name in cluster.names if name != victim)
        target = status["finalized"]["height"] + 4 * (round_number + 1)
        await cluster.until_height(survivor, target)
        await cluster.start(victim)
        await cluster.until_height(victim, target)
    last = (await cluster.get("bank1", "/v1/status"))["finalized"]["height"]
    await assert_one_history(cluster, last)
    assert (await cluster.get("bank1", "/v1/audit/evidence"))["items"] == []
    for name in cluster.names:
        heights = journalled_heights(cluster, name, tmp_path / name)
        assert heights == sorted(set(heights))


async def test_wiped_node_syncs_from_the_others(cluster: Cluster) -> None:
    """A node whose data are gone, but not keys and journal, fetches the chain and votes again."""
    made = payments(cluster, 20, seed=4)
    acknowledged = await submit_all(cluster, made, cluster.names, seed=5)
    height = await cluster.until_final("bank1", set(acknowledged))
    await cluster.kill("bank3")
    shutil.rmtree(cluster.places["bank3"].directory / "data")
    await cluster.start("bank3")
    await cluster.until_final("bank3", set(acknowledged))
    await assert_one_history(cluster, height)
    status = await cluster.get("bank3", "/v1/status")
    await cluster.until_height("bank3", status["finalized"]["height"] + 3)


async def test_no_side_of_an_even_split_finalizes(cluster: Cluster) -> None:
    """threat_47: 2|2 goes on without finality and says so; healed, one history is final again."""
    sides = (("bank1", "bank2"), ("bank3", "regulator"))
    await cluster.until_height("bank1", 2)
    cluster.partition(*sides)
    for name in ("bank1", "bank3"):
        before = await cluster.get(name, "/v1/status")
        goal = before["head"]["height"] + UNFINAL_BLOCKS + RESUME_BLOCKS_MAX
        await cluster.until_height(name, goal, finality="head")
        after = await cluster.get(name, "/v1/status")
        # A link that was justified as the cut fell may finalize one block more.
        assert after["finalized"]["height"] <= before["head"]["height"] + 1
        assert after["finality"] == "stalled"
    cluster.heal()
    for name in cluster.names:
        await cluster.until_ready(name)
    heads = [(await cluster.get(n, "/v1/status"))["head"]["height"] for n in cluster.names]
    await assert_one_history(cluster, max(heads) + 2)
    await cluster.stop()
