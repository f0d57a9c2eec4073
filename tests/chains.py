"""Real chains for tests: mined, sealed, voted for and certified with the network's own keys.

Everything follows from the seed and the order of the calls. A child's sealer is dealt by height,
so that any branch keeps the diversity rule unless a test says who seals.

    chain = ChainBuilder()
    blocks = chain.extend(chain.genesis, 5)
    certificate = chain.certificate(blocks[0], blocks[1])
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import sha256

from consensus.evidence import Evidence
from consensus.finality import FinalityTally
from consensus.headers import ChainRules, next_bits, next_clock_ms
from consensus.target import bits_to_target
from consensus.tree import BlockTree, genesis_node
from consensus.votes import Certificate, Checkpoint, SignedVote, Vote
from ledger.blocks import NONCE_BYTES, Header, SealedHeader, certificates_root, tx_root
from ledger.hashing import BlockHash, double_sha256
from ledger.identity import MemberId, Role
from ledger.keys import verify
from ledger.merkle import EMPTY_FRONTIER, Frontier, leaf_hash
from ledger.parameters import Parameters
from ledger.transactions import SignedTransaction
from tests.factories import EASIEST_BITS, Network, make_network, network_of, seal

STEP_MS = 1_000
"""Time between a block and its parent unless a test says otherwise, milliseconds."""


class ChainBuilder:
    """Makes headers, votes and certificates of one network's chain, on any branch."""

    def __init__(self, network: Network | None = None, *, seed: int = 0) -> None:
        self.network = network or make_network(accounts=0)
        self.genesis = self.network.genesis.header()
        self.rules = ChainRules(
            genesis_hash=self.genesis.hash,
            parameters=self.network.genesis.parameters,
            sealers=self.network.genesis.sealers(),
        )
        self.members: tuple[MemberId, ...] = tuple(self.rules.sealers.keys)
        self._seed = seed
        self._mined = 0
        self._blocks: dict[BlockHash, SealedHeader] = {self.genesis.hash: self.genesis}
        self._histories: dict[BlockHash, Frontier] = {
            self.genesis.hash: EMPTY_FRONTIER.append(leaf_hash(self.genesis.hash))
        }

    def tree(self, headers: Iterable[SealedHeader] = ()) -> BlockTree:
        """Return a tree that holds genesis and these headers, parents first."""
        tree = BlockTree(genesis_node(self.genesis), self.rules)
        for sealed in headers:
            tree.insert(sealed)
        return tree

    def draft(
        self,
        parent: SealedHeader,
        *,
        sealer: MemberId | None = None,
        step_ms: int = STEP_MS,
        transactions: Sequence[SignedTransaction] = (),
        certificates: Sequence[bytes] = (),
        state_root: bytes | None = None,
    ) -> Header:
        """Return the header of a child that keeps every rule, with no work done yet."""
        below, sealers = parent.header, self.rules.sealers
        height, time_ms = below.height + 1, below.time_ms + step_ms
        return Header(
            height=height,
            parent=parent.hash,
            time_ms=time_ms,
            clock_ms=next_clock_ms(below, time_ms, self.rules.parameters),
            bits=next_bits(below, self.rules.parameters),
            sealer=sealer or self.members[height % len(self.members)],
            transaction_count=len(transactions),
            tx_root=tx_root(transactions),
            certificates_root=certificates_root(certificates),
            state_root=state_root or below.state_root,
            history_root=self._histories[parent.hash].root(),
            set_id=sealers.set_id,
            set_hash=sealers.hash,
            next_set_id=sealers.set_id,
            next_set_hash=sealers.hash,
            nonce=bytes(NONCE_BYTES),
        )

    def mine(self, header: Header) -> SealedHeader:
        """Return the header with a nonce that meets its bits, sealed by the sealer it names."""
        self._mined += 1
        start = sha256(f"{self._seed} {self._mined}".encode()).digest()[:NONCE_BYTES]
        prefix, target = header.work_prefix(), bits_to_target(header.bits)
        counter = int.from_bytes(start)
        nonce = start
        while int.from_bytes(double_sha256(prefix + nonce)) > target:
            counter = (counter + 1) % (1 << 8 * NONCE_BYTES)
            nonce = counter.to_bytes(NONCE_BYTES)
        sealed = seal(header.with_nonce(nonce), self.network.sealers[header.sealer])
        history = self._histories[header.parent]
        self._histories[sealed.hash] = history.append(leaf_hash(sealed.hash))
        self._blocks[sealed.hash] = sealed
        return sealed

    def child(
        self,
        parent: SealedHeader,
        *,
        sealer: MemberId | None = None,
        step_ms: int = STEP_MS,
        transactions: Sequence[SignedTransaction] = (),
        certificates: Sequence[bytes] = (),
        state_root: bytes | None = None,
    ) -> SealedHeader:
        """Return a mined child; two calls alike give two different siblings."""
        header = self.draft(
            parent,
            sealer=sealer,
            step_ms=step_ms,
            transactions=transactions,
            certificates=certificates,
            state_root=state_root,
        )
        return self.mine(header)

    def extend(
        self, parent: SealedHeader, count: int, *, step_ms: int = STEP_MS
    ) -> list[SealedHeader]:
        """Return ``count`` mined headers in a row on ``parent``."""
        chain = [parent]
        for _ in range(count):
            chain.append(self.child(chain[-1], step_ms=step_ms))
        return chain[1:]

    def ancestry(self, tip: SealedHeader) -> list[SealedHeader]:
        """Return the blocks after genesis up to ``tip``, lowest first."""
        path = []
        while tip.hash != self.genesis.hash:
            path.append(tip)
            tip = self._blocks[tip.header.parent]
        return path[::-1]

    def link(self, source: SealedHeader, target: SealedHeader) -> Vote:
        """Return the unsigned vote from one block to another."""
        set_id = self.rules.sealers.set_id
        return Vote(set_id=set_id, source=checkpoint(source), target=checkpoint(target))

    def sign(self, member: MemberId, vote: Vote) -> SignedVote:
        """Return the member's signed vote."""
        message = vote.message(self.genesis.hash)
        return SignedVote(
            member=member, vote=vote, signature=self.network.sealers[member].sign(message)
        )

    def votes(
        self,
        source: SealedHeader,
        target: SealedHeader,
        members: Iterable[MemberId] | None = None,
    ) -> tuple[SignedVote, ...]:
        """Return the votes of some members, the first q unless told, for one link."""
        voters = self.members[: self.rules.sealers.quorum] if members is None else members
        return tuple(self.sign(member, self.link(source, target)) for member in voters)

    def certificate(
        self,
        source: SealedHeader,
        target: SealedHeader,
        members: Iterable[MemberId] | None = None,
    ) -> Certificate:
        """Return the certificate of a link, by the first q members unless told."""
        votes = self.votes(source, target, members)
        return Certificate(
            vote=self.link(source, target),
            signatures=tuple(sorted((vote.member, vote.signature) for vote in votes)),
        )


class Tallied:
    """A chain of four sealers, a tree that holds all of it, and one node's tally of votes."""

    def __init__(self, length: int = 6) -> None:
        self.chain = ChainBuilder()
        self.blocks = [self.chain.genesis, *self.chain.extend(self.chain.genesis, length)]
        self.tree: BlockTree = self.chain.tree(self.blocks[1:])
        self.tally = FinalityTally(self.chain.rules, checkpoint(self.chain.genesis))
        self.evidence: list[Evidence] = []

    def add(self, votes: Sequence[SignedVote]) -> None:
        """Count votes, keeping their evidence."""
        for vote in votes:
            found = self.tally.add(vote, verify)
            if found is not None:
                self.evidence.append(found)

    def link(self, source: int, target: int, voters: Sequence[int] = (0, 1, 2)) -> None:
        """Count the votes of some members for a link of the main chain, and settle them."""
        self.vote(self.blocks[source], self.blocks[target], voters)
        self.tally.advance(self.tree)

    def vote(self, source: SealedHeader, target: SealedHeader, voters: Sequence[int]) -> None:
        """Count the votes of some members, by number, for any link."""
        self.add(self.chain.votes(source, target, [self.chain.members[v] for v in voters]))

    @property
    def justified(self) -> list[int]:
        """Heights of the justified blocks."""
        return sorted(
            node.height for node in self.tree if self.tally.justified.get(node.hash) is not None
        )

    @property
    def final(self) -> int:
        """Height of the last final block."""
        return self.tally.final.height


def checkpoint(sealed: SealedHeader) -> Checkpoint:
    """Return a block as finality sees it."""
    return Checkpoint(height=sealed.header.height, hash=sealed.hash)


def make_sealers(count: int, *, diversity_percent: int = 50) -> Network:
    """Return a network of ``count`` banks, which seal, and a regulator, which does not."""
    parameters = Parameters(
        easiest_bits=EASIEST_BITS, genesis_bits=EASIEST_BITS, diversity_percent=diversity_percent
    )
    network = make_network(banks=max(count, 1), accounts=0, parameters=parameters)
    names = list(network.genesis.members)
    members = {
        name: member
        if name in names[:count]
        else replace(member, roles=tuple(role for role in member.roles if role != Role.SEALER))
        for name, member in network.genesis.members.items()
    }
    return network_of(replace(network.genesis, members=members), {})
