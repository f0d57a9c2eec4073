"""``GET /v1/audit/supply?height=``: books counted from the genesis on, against the header's root."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from dataclasses import replace

import pytest

from ledger.state import Record, StateKey, balance_key
from node.audit import conservation
from node.audit.conservation import (
    HistoryRefused,
    StillCounting,
    SupplyAudit,
    SupplyCount,
)
from node.storage.view import ChainView
from node.workers.child import Child
from tests.barriers import HANG_S
from tests.factories import CNY, OPENING_BALANCE
from tests.unit.node.api.served import Client, Json, ServedNode, bearer, problem

PATH = "/v1/audit/supply"
ISSUED, REDEEMED = 50, 20


async def ask(node: ServedNode, client: Client, query: str, *, status: int = 200) -> Json:
    """Return what a regulator is answered."""
    answer = await client.get(f"{PATH}?{query}", headers=bearer(node.officer_token("regulator")))
    if status != 200:
        return await problem(answer, status)
    document: Json = await answer.json()
    assert answer.status == 200, document
    return document


@pytest.fixture
def issuing(node: ServedNode) -> ServedNode:
    """Return the node with an issue in block 6, a redemption in block 7, and an empty block; all final."""
    network = node.network
    node.connect(network.issue(network.entry("carol", ISSUED)))
    node.connect(network.redeem(network.entry("carol", REDEEMED), sequence=1))
    node.connect()
    node.finalize(node.branches.child(node.head))
    return node


async def test_books_of_every_height_agree(issuing: ServedNode, client: Client) -> None:
    """Downwards and upwards, each height has its own sums, its own block, and the header's root."""
    began = 3 * OPENING_BALANCE
    for height, issued, redeemed in ((8, 50, 20), (5, 0, 0), (6, 50, 0), (7, 50, 20), (0, 0, 0)):
        page = await ask(issuing, client, f"height={height}")
        yuan = page["items"][0]
        assert yuan["genesis_supply"] == str(began)
        assert (yuan["issued"], yuan["redeemed"]) == (str(issued), str(redeemed))
        assert yuan["balances"] == yuan["supply"] == str(began + issued - redeemed)
        assert (yuan["holders"], yuan["conserved"], page["conserved"]) == (3, True, True)
        block = issuing.head.ancestry()[height].block
        assert page["block_hash"] == block.hash.hex()
        assert page["state_root"] == page["replayed_root"] == block.header.state_root.hex()
    await issuing.supply.aclose()


async def test_pages_of_a_count(issuing: ServedNode, client: Client) -> None:
    """A count has pages like every list, and each says whether all of the chain is conserved."""
    first = await ask(issuing, client, "height=8&limit=1")
    second = await ask(issuing, client, f"height=8&limit=1&cursor={first['next_cursor']}")
    assert [page["items"][0]["asset"] for page in (first, second)] == ["CNY", "USD"]
    assert second["next_cursor"] is None
    assert second["conserved"] is True
    await issuing.supply.aclose()


async def test_what_is_not_final_is_not_counted(node: ServedNode, client: Client) -> None:
    """A height above the last final one comes by itself, and is told so; a state goes with no height."""
    assert (await ask(node, client, "height=4", status=409))["code"] == "not_final_yet"
    assert (await ask(node, client, "height=3&state=head", status=422))["errors"][0][
        "pointer"
    ] == "/query/state"
    await ask(node, client, "height=-1", status=422)


async def test_money_made_in_the_store_is_seen(node: ServedNode, client: Client) -> None:
    """A final block whose header commits to another state than its transactions make is not proved."""
    branches = node.branches
    root = branches._root

    def forged(state: dict[StateKey, Record]) -> bytes:
        return root(state | {balance_key(node.network.holders["bob"].id, CNY): 10**9})

    branches._root = forged  # type: ignore[method-assign] # a chain that breaks the rules
    node.grow(2)
    node.finalize(node.head)
    page = await ask(node, client, "height=6")
    assert page["conserved"] is False
    assert page["state_root"] != page["replayed_root"]
    await node.supply.aclose()


async def test_a_block_against_the_rules_is_named(node: ServedNode, client: Client) -> None:
    """History that the rules refuse is an answer of its own, and the next question counts anew."""
    payment = node.branches.payment(node.head, "alice", "bob", OPENING_BALANCE * 9)
    sealed = node.branches.chain.child(node.head.block.sealed, transactions=(payment,))
    bad = replace(
        node.branches.child(node.head),
        block=replace(node.head.block, sealed=sealed, transactions=(payment,)),
        node=node.branches.tree.insert(sealed),
    )
    node._extend([bad])
    node.finalize(node.branches.child(bad))
    refused = await ask(node, client, "height=6", status=409)
    assert refused["code"] == "history_refused"
    assert "block 6 breaks the rules: insufficient_funds" in refused["detail"]
    assert (await ask(node, client, "height=5"))["conserved"] is True
    await node.supply.aclose()


async def test_a_refused_block_says_nothing_of_the_heights_below(
    node: ServedNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for an earlier height while a later block is refused has its count."""
    good = conservation._block_bytes
    audit = SupplyAudit(node.genesis, node.store.view)

    def torn(view: ChainView, height: int) -> bytes:
        raw = good(view, height)
        if height == 3:
            asked.append(asyncio.run_coroutine_threadsafe(audit.count(1), loop))
            return raw[:-1]
        return raw

    loop = asyncio.get_running_loop()
    asked: list[Future[SupplyCount]] = []
    monkeypatch.setattr(conservation, "_block_bytes", torn)
    with pytest.raises(HistoryRefused) as refused:
        await audit.count(3)
    assert refused.value.height == 3
    assert (await asyncio.wrap_future(asked[0])).height == 1
    await audit.aclose()


async def test_a_counting_process_that_ends_is_not_waited_for(
    node: ServedNode, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may end so every time, on a machine with too little memory: nobody is told to go on asking."""
    spawn = Child.spawn
    with monkeypatch.context() as patched:
        patched.setattr(Child, "spawn", lambda _: spawn("keyword"))  # a module that does nothing
        assert (await ask(node, client, "height=3", status=503))["code"] == "supply_interrupted"
    assert (await ask(node, client, "height=3"))["conserved"] is True
    await node.supply.aclose()


async def test_a_long_count_goes_on_while_the_client_waits(
    issuing: ServedNode, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that waited long enough is told to come back, and the count is there then."""
    monkeypatch.setattr(conservation, "WAIT_SECONDS_MAX", 0.0)
    refused = await ask(issuing, client, "height=8", status=503)
    assert refused["code"] == "supply_counting"
    async with asyncio.timeout(HANG_S):
        await asyncio.shield(issuing.supply._waiting[8])
    assert (await ask(issuing, client, "height=8"))["conserved"] is True
    await issuing.supply.aclose()


async def test_heights_that_wait_are_bounded(
    issuing: ServedNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One height too many is told to come back; the process ends when nobody asks."""
    monkeypatch.setattr(conservation, "HEIGHTS_WAITING_MAX", 1)
    monkeypatch.setattr(conservation, "IDLE_SECONDS_MAX", 0.0)
    audit = SupplyAudit(issuing.genesis, issuing.store.view)
    counting = asyncio.create_task(audit.count(8))
    await asyncio.sleep(0)
    with pytest.raises(StillCounting):
        await audit.count(7)
    assert (await counting).height == 8
    task = audit._counting
    assert task is not None
    async with asyncio.timeout(HANG_S):
        await task
    assert (await audit.count(7)).books[0].redeemed == REDEEMED
    await audit.aclose()
