"""A malicious member against three honest nodes, over real TLS with its real keys.

Each attack must cost the member its session and a day, and the network nothing: the node that was
attacked goes on to finalize the same blocks as the others. Four sealers need three votes, so that
one node which stopped voting would be noticed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import cycle
from typing import Any

import pytest
import pytest_asyncio

from consensus.votes import Checkpoint, SignedVote, Vote
from ledger import codec
from ledger.blocks import Block, SealedHeader
from ledger.genesis_document import format_genesis
from ledger.hashing import HASH_BYTES, BlockHash
from ledger.identity import MemberId
from ledger.transactions import SignedTransaction
from node.core.limits import PROTOCOL_VERSION
from node.core.messages import (
    BlockMessage,
    GetBlocks,
    MessageType,
    Refuse,
    Tip,
    Votes,
)
from tests.factories import REGULATOR
from tests.factories import make_member as member_record
from tests.functional.cluster import HANG_S, Cluster, running_cluster
from tests.functional.malicious import Follower, Malicious, Wire
from tests.functional.peers import Member, make_member

ATTACKER = MemberId("bank3")
"""The fourth sealer, whose node is this test."""
HONEST = ("bank1", "bank2", REGULATOR)
ACCOMPLICES = 16

# One cluster serves them all, so they share its event loop.
pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """The cluster and those who attack it.

    A node that caught a member shuts it out for a day. So the attacker stays at home and only makes
    blocks and votes; its accomplices, members who do not seal, bring them, each once.
    """

    cluster: Cluster
    chain: Follower
    attacker: Malicious
    accomplices: Iterator[Malicious]
    victims: Iterator[str]

    def next_attack(self) -> tuple[Malicious, str]:
        """Return an accomplice whom no node knows yet, and the node that it attacks."""
        return next(self.accomplices), next(self.victims)

    async def assert_unharmed(self, victim: str) -> None:
        """The node finalizes on, and what is final is the same at another one."""
        status = await self.cluster.get(victim, "/v1/status")
        goal = status["finalized"]["height"] + 1
        other = next(name for name in HONEST if name != victim)
        blocks = []
        for name in (victim, other):
            await self.cluster.until_height(name, goal)
            page = await self.cluster.get(name, f"/v1/blocks?from={goal}&to={goal}")
            blocks.append(page["items"])
        assert blocks[0] == blocks[1] != []

    async def assert_banished(self, member: Malicious, victim: str) -> None:
        """The node lets the member in no more, and is unharmed."""
        assert await member.refusal(victim) == "discouraged"
        await self.assert_unharmed(victim)

    @asynccontextmanager
    async def cornered(
        self, victim: str, member: Malicious
    ) -> AsyncIterator[tuple[Wire, SealedHeader]]:
        """Cut the node off from all but the member; yield their session and the node's head.

        The head is the node's own block, which it may not follow up itself: it stands still.
        """
        others = [name for name in self.cluster.names if name != victim]
        self.cluster.partition([victim], others)
        try:
            async with member.session(victim) as (wire, known):
                head = await wire.head_sealed_by(victim, known)
                self.chain.adopt(await wire.headers_after(self.chain.genesis.hash))
                yield wire, head
        finally:
            self.cluster.heal()

    async def mine(
        self, parent: SealedHeader, *transactions: SignedTransaction, **changes: Any
    ) -> Block:
        """Return a block of the attacker's with real work, proper but for the fields changed."""
        draft = self.chain.draft(parent, sealer=ATTACKER, transactions=transactions)
        sealed = await asyncio.to_thread(self.chain.mine, replace(draft, **changes))
        return Block(sealed=sealed, transactions=transactions, certificates=())

    def vote(self, height: int, mark: int) -> SignedVote:
        """Return the attacker's vote for a made-up block."""
        source = Checkpoint(height=0, hash=self.chain.genesis.hash)
        target = Checkpoint(height=height, hash=BlockHash(bytes([mark]) * HASH_BYTES))
        set_id = self.chain.rules.sealers.set_id
        return self.chain.sign(ATTACKER, Vote(set_id=set_id, source=source, target=target))


def register(cluster: Cluster, joining: Sequence[Member]) -> None:
    """Add members without any role to the genesis of a cluster that has not started yet."""
    network = cluster.network
    added = {
        MemberId(member.member_id): replace(
            member_record(member.member_id, number, certificate=member.registered.certificate),
            roles=(),
        )
        for number, member in enumerate(joining, start=100)
    }
    genesis = replace(network.genesis, members=dict(network.genesis.members) | added)
    cluster.network = replace(network, genesis=genesis, genesis_hash=genesis.header().hash)
    for place in cluster.places.values():
        (place.directory / "genesis.json").write_text(format_genesis(genesis))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """Run three honest nodes of four; the others are in the test's hands."""
    directory = tmp_path_factory.mktemp("p2p_attacks")
    accomplices = [make_member(directory, f"accomplice{n}") for n in range(ACCOMPLICES)]
    async with running_cluster(directory / "cluster", started=False) as cluster:
        register(cluster, accomplices)
        sealers = [files_of(cluster, name) for name in cluster.names]
        attacker = next(each for each in sealers if each.member_id == ATTACKER)
        await cluster.start(*HONEST)
        yield Scene(
            cluster=cluster,
            chain=Follower(cluster.network),
            attacker=Malicious(cluster, attacker, sealers),
            accomplices=(Malicious(cluster, each, sealers) for each in accomplices),
            victims=cycle(HONEST),
        )
        await cluster.stop()


def files_of(cluster: Cluster, name: str) -> Member:
    """Return the member whose node's files these are."""
    directory = cluster.places[name].directory
    return Member(name, directory / "tls.crt", directory / "keys" / "tls.pem")


async def deliver(wire: Wire, block: Block) -> None:
    """Announce a block and hand it over when it is asked for."""
    await wire.send(Tip(head=block.sealed, justified=b"", final=b""))
    while block.hash not in (await wire.next(GetBlocks)).hashes:
        pass
    await wire.send(BlockMessage(block=block.encode()))


FRAMES = {
    "threat_1_malformed": (b"\xc1", "malformed"),
    "threat_1_trailing_bytes": (b"\x92\x08\x90\x00", "malformed"),
    "threat_2_depth_bomb": (b"\x91" * 100_000 + b"\x00", "malformed"),
    "threat_3_length_lie": (b"\x92\x03\xdd\xff\xff\xff\xff", "malformed"),
    "threat_4_map": (b"\x82\x01\x02\x01\x02", "map_not_allowed"),
    "threat_5_longer_spelling": (b"\x92\xcc\x08\x90", "not_canonical"),
    "threat_6_float": (b"\x92\x08\xcb" + bytes(8), "bad_shape"),
}


@pytest.mark.parametrize(("frame", "code"), FRAMES.values(), ids=FRAMES.keys())
async def test_threats_1_to_6_frames_that_no_node_sends(
    scene: Scene, frame: bytes, code: str
) -> None:
    """Bytes that are no canonical message end the session and cost the member a day."""
    member, victim = scene.next_attack()
    async with asyncio.timeout(HANG_S):
        async with member.session(victim) as (wire, _):
            await wire.send_frame(frame)
            assert await wire.farewell() == code
        await scene.assert_banished(member, victim)


async def test_threat_12_a_hello_in_another_members_name(scene: Scene) -> None:
    """The hello names who the certificate names, or nobody listens."""
    member, victim = scene.next_attack()
    async with asyncio.timeout(HANG_S):
        async with member.connection(victim) as wire:
            await wire.send(replace(member.hello(), member=MemberId("bank2")))
            assert await wire.farewell() == "wrong_identity"
        await scene.assert_banished(member, victim)


async def test_threat_15_an_unknown_version_is_named_beside_ours(scene: Scene) -> None:
    """The peer reads both versions before the connection ends, whatever else its hello says."""
    member, victim = scene.next_attack()
    async with asyncio.timeout(HANG_S):
        async with member.connection(victim) as wire:
            theirs = PROTOCOL_VERSION + 1
            await wire.send_frame(codec.encode((int(MessageType.HELLO), theirs, "as yet unknown")))
            refusal = await wire.next(Refuse)
            assert refusal.code == "unknown_protocol_version"
            assert f"version {theirs}" in refusal.detail
            assert f"version {PROTOCOL_VERSION}" in refusal.detail
            assert await wire.farewell() == "unknown_protocol_version"
        await scene.assert_banished(member, victim)


async def test_threat_31_a_block_with_a_false_state(scene: Scene) -> None:
    """Real work and the right seal do not help a block whose state root is made up."""
    member, victim = scene.next_attack()
    async with asyncio.timeout(HANG_S):
        async with scene.cornered(victim, member) as (wire, head):
            block = await scene.mine(head, state_root=bytes(HASH_BYTES))
            await deliver(wire, block)
            assert await wire.farewell() == "wrong_state_root"
        await scene.assert_banished(member, victim)


async def test_threat_17_a_payment_replayed_in_a_block(scene: Scene) -> None:
    """A payment that is final already makes the block that repeats it invalid."""
    network, cluster = scene.cluster.network, scene.cluster
    payment = network.transfer(network.leg("alice", "bob", 1_000))
    member, victim = scene.next_attack()
    async with asyncio.timeout(HANG_S):
        status, answer = await cluster.submit(victim, payment.raw)
        assert status == 202, answer
        await cluster.until_final(victim, {payment.txid.hex()})
        async with scene.cornered(victim, member) as (wire, head):
            await deliver(wire, await scene.mine(head, payment))
            assert await wire.farewell() == "sequence_conflict"
        await scene.assert_banished(member, victim)


async def test_threat_37_two_blocks_in_a_row(scene: Scene) -> None:
    """The attacker's first block is good and becomes the head; its second keeps no gap."""
    member, victim = scene.next_attack()
    async with asyncio.timeout(HANG_S):
        async with scene.cornered(victim, member) as (wire, head):
            first = await scene.mine(head)
            await deliver(wire, first)
            await scene.cluster.until_height(victim, first.header.height, finality="head")
            second = await scene.mine(first.sealed)
            await wire.send(Tip(head=second.sealed, justified=b"", final=b""))
            assert await wire.farewell() == "diversity"
        await scene.assert_banished(member, victim)


async def test_a_block_that_the_node_has_already(scene: Scene) -> None:
    """A block sent once more, unasked, changes nothing: a nuisance, which costs no session yet."""
    member, victim = scene.next_attack()
    async with asyncio.timeout(HANG_S):
        async with member.session(victim) as (wire, head):
            await wire.send(GetBlocks(hashes=(head.hash,)))
            replayed = await wire.next(BlockMessage)
            for _ in range(2):
                await wire.send(replayed)
            await wire.send(GetBlocks(hashes=(head.hash,)))
            assert await wire.next(BlockMessage) == replayed
        await scene.assert_unharmed(victim)
        assert await member.refusal(victim) == "not_an_upgrade"


async def test_threat_43_a_double_vote_is_shown_everywhere(scene: Scene) -> None:
    """Two votes, each told to another node, become evidence at every node; nobody is cut off."""
    cluster = scene.cluster
    async with asyncio.timeout(HANG_S):
        height = (await cluster.get("bank1", "/v1/status"))["head"]["height"] + 1_000
        for victim, mark in (("bank1", 1), ("bank2", 2)):
            async with scene.attacker.session(victim) as (wire, _):
                await wire.send(Votes(votes=(scene.vote(height, mark),)))
                await scene.assert_unharmed(victim)
        for name in HONEST:
            while not (found := await cluster.get(name, "/v1/audit/evidence"))["items"]:
                await scene.assert_unharmed(name)
            (evidence,) = found["items"]
            assert (evidence["member"], evidence["offence"]) == (ATTACKER, "double_vote")
            assert await scene.attacker.refusal(name) == "not_an_upgrade"


async def test_threat_45_a_vote_forged_in_another_members_name(scene: Scene) -> None:
    """A vote that its member did not sign costs who sent it a day, and counts for nothing."""
    member, victim = scene.next_attack()
    async with asyncio.timeout(HANG_S):
        status = await scene.cluster.get(victim, "/v1/status")
        forged = replace(scene.vote(status["head"]["height"] + 2_000, 3), member=MemberId("bank1"))
        async with member.session(victim) as (wire, _):
            await wire.send(Votes(votes=(forged,)))
            assert await wire.farewell() == "bad_vote_signature"
        await scene.assert_banished(member, victim)
        evidence = await scene.cluster.get(victim, "/v1/audit/evidence")
        assert all(found["member"] == ATTACKER for found in evidence["items"])
