"""Safety of finality: four sealers, one of them faulty, and any schedule of messages.

Three honest nodes run fork choice, tally, voter and journal over blocks and votes that reach them
in any order. The fourth signs what it likes and shows each vote to whom it likes. Whatever the
schedule, all that is final anywhere lies on one chain.
"""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.evidence import Evidence
from consensus.finality import ConflictingCertificates, FinalityTally
from consensus.fork_choice import best_tip
from consensus.tree import BlockTree
from consensus.votes import SignedVote, Vote
from consensus.voting import VoteJournal, Voter
from ledger.blocks import SealedHeader
from ledger.hashing import BlockHash
from ledger.identity import MemberId
from ledger.keys import verify
from tests.chains import ChainBuilder, checkpoint
from tests.factories import make_network

NETWORK = make_network(accounts=0)
STEPS = 250
STEP_MS = 200
PATIENCE_MS = 1_400


class HonestNode:
    """A sealer as far as finality goes, with the messages that wait for it."""

    def __init__(self, chain: ChainBuilder, member: MemberId) -> None:
        self.chain = chain
        self.member = member
        self.tree: BlockTree = chain.tree()
        self.tally = FinalityTally(chain.rules, checkpoint(chain.genesis))
        self.voter = Voter(chain.rules.sealers.set_id)
        self.journal = VoteJournal()
        self.inbox: list[SealedHeader | SignedVote] = []
        self.finals = [chain.genesis.hash]
        self.evidence: list[Evidence] = []

    def hear(self, message: SealedHeader | SignedVote) -> None:
        """Take in one message; a block without its parent goes back to wait."""
        if isinstance(message, SignedVote):
            found = self.tally.add(message, verify)
            if found is not None:
                self.evidence.append(found)
        elif message.header.parent in self.tree:
            self.tree.insert(message).has_body = True
        else:
            self.inbox.append(message)
        self.settle()

    def settle(self) -> None:
        """Let the final block move, and the tree with it."""
        self.tally.advance(self.tree)
        final = self.tree.find(self.tally.final)
        assert final is not None
        if final is not self.tree.root:
            self.finals += [node.hash for node in final.path_from(self.tree.root)]
            self.tree.advance_root(final)

    def head(self) -> SealedHeader:
        """Return the fork-choice head."""
        return best_tip(self.tree, self.tally.justified, self.tree.root).sealed

    def vote(self, now_ms: int) -> SignedVote | None:
        """Return a vote for the head if the journal releases a new one."""
        head = self.tree.get(self.head().hash)
        assert head is not None
        vote = self.voter.choose(head, self.tally.justified, now_ms=now_ms, patience_ms=PATIENCE_MS)
        if vote is None or self.journal.refusal(vote) is not None:
            return None
        signed = self.chain.sign(self.member, vote)
        if self.journal.recognises(signed):
            return None
        self.journal.record(signed)
        return signed


class Gossip:
    """Honest nodes and faulty members under one random schedule."""

    def __init__(self, seed: int, *, faulty: int = 1) -> None:
        self.schedule = random.Random(seed)
        self.chain = ChainBuilder(NETWORK, seed=seed)
        self.faulty = self.chain.members[:faulty]
        self.nodes = [HonestNode(self.chain, m) for m in self.chain.members[faulty:]]
        self.blocks = [self.chain.genesis]
        self.cast: list[Vote] = []
        # How eager each kind of step is differs from schedule to schedule.
        self.weights = [self.schedule.randint(1, limit) for limit in (3, 12, 6, 4)]

    def run(self) -> None:
        """Take random steps, then deliver everything."""
        steps = (self._mine, self._deliver, self._vote, self._misbehave)
        for now_ms in range(0, STEPS * STEP_MS, STEP_MS):
            self.schedule.choices(steps, self.weights)[0](now_ms)
        for node in self.nodes:
            for message in self._sorted(node):
                node.hear(message)

    def _sorted(self, node: HonestNode) -> list[SealedHeader | SignedVote]:
        waiting, node.inbox = node.inbox, []
        blocks = [m for m in waiting if not isinstance(m, SignedVote)]
        votes = [m for m in waiting if isinstance(m, SignedVote)]
        return [*sorted(blocks, key=lambda sealed: sealed.header.height), *votes]

    def _send(self, message: SealedHeader | SignedVote, receivers: list[HonestNode]) -> None:
        for node in receivers:
            node.inbox.append(message)

    def _some_nodes(self) -> list[HonestNode]:
        return [node for node in self.nodes if self.schedule.random() < 0.6]

    def _mine(self, _now_ms: int) -> None:
        """Somebody seals a block, mostly on its own head, so that branches come and go."""
        parent = self.schedule.choice(self.nodes).head()
        if self.schedule.random() < 0.3:
            parent = self.schedule.choice(self.blocks[-4:])
        self.blocks.append(self.chain.child(parent))
        self._send(self.blocks[-1], self.nodes)

    def _deliver(self, _now_ms: int) -> None:
        """A node hears a few messages out of order; others stay back for as long as chance has it."""
        node = self.schedule.choice(self.nodes)
        for _ in range(min(len(node.inbox), self.schedule.randint(1, 8))):
            node.hear(node.inbox.pop(self.schedule.randrange(min(len(node.inbox), 6))))

    def _vote(self, now_ms: int) -> None:
        node = self.schedule.choice(self.nodes)
        signed = node.vote(now_ms)
        if signed is not None:
            self.cast.append(signed.vote)
            self._send(signed, self.nodes)

    def _misbehave(self, _now_ms: int) -> None:
        """A faulty member signs any link; mostly one that helps a vote it has seen."""
        vote = self._any_link()
        if self.cast and self.schedule.random() < 0.8:
            vote = self.schedule.choice(self.cast[-8:])
        receivers = self._some_nodes()
        for member in self.faulty:
            self._send(self.chain.sign(member, vote), receivers)

    def _any_link(self) -> Vote:
        if len(self.blocks) == 1:
            self._mine(0)
        target = self.schedule.choice(self.blocks[1:])
        path = [self.chain.genesis, *self.chain.ancestry(target)]
        return self.chain.link(self.schedule.choice(path[:-1]), target)

    def finals(self) -> dict[int, set[BlockHash]]:
        """Return every block that is final anywhere, by height."""
        found: dict[int, set[BlockHash]] = {}
        for node in self.nodes:
            for height, block_hash in enumerate(node.finals):
                found.setdefault(height, set()).add(block_hash)
        return found


SEEDS = st.integers(0, 1 << 32)


@settings(max_examples=60)
@given(seed=SEEDS)
def test_threat_43_one_faulty_sealer_of_four_never_makes_two_blocks_final(seed: int) -> None:
    """Under any schedule each height has one final block at most, and only the faulty are accused."""
    gossip = Gossip(seed)
    gossip.run()
    assert all(len(hashes) == 1 for hashes in gossip.finals().values())
    accused = {
        vote.member
        for node in gossip.nodes
        for found in node.evidence
        for vote in (found.first, found.second)
    }
    assert accused <= set(gossip.faulty)


@settings(max_examples=40)
@given(seed=SEEDS)
def test_honest_sealers_never_accuse_one_another(seed: int) -> None:
    """With nobody faulty there is no evidence and one final chain, however messages cross."""
    gossip = Gossip(seed, faulty=0)
    gossip.run()
    assert all(len(hashes) == 1 for hashes in gossip.finals().values())
    assert all(node.evidence == [] for node in gossip.nodes)
    assert gossip.cast


def test_schedules_reach_finality() -> None:
    """The schedules are not idle: most of them make blocks final, and branches compete."""
    heights = []
    for seed in range(20):
        gossip = Gossip(seed)
        gossip.run()
        heights.append(max(gossip.finals()))
    assert sum(height > 0 for height in heights) > 10


def test_threat_48_two_faulty_sealers_of_four_are_caught() -> None:
    """Beyond the bound safety may break, and then it is seen.

    The attack is the one that a single member makes above, so that one is put to the test.
    """
    broken = 0
    for seed in range(60):
        gossip = Gossip(seed, faulty=2)
        try:
            gossip.run()
        except ConflictingCertificates:
            broken += 1
        else:
            broken += any(len(hashes) > 1 for hashes in gossip.finals().values())
    assert broken > 0
