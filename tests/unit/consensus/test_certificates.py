"""Certificates in blocks: what they prove, and each reason to refuse the block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from consensus.certificates import GENESIS_PROVED, PROVED_JUSTIFIED_MAX, Proved, extend_proved
from consensus.votes import Certificate
from ledger.blocks import SealedHeader
from ledger.errors import InvalidBlock
from ledger.hashing import BlockHash
from ledger.keys import verify
from tests.chains import ChainBuilder


class Branch:
    """A chain that proves its own finality."""

    def __init__(self, length: int) -> None:
        self.chain = ChainBuilder()
        self.blocks = [
            self.chain.genesis,
            *self.chain.extend(self.chain.genesis, length),
        ]

    def hash_at(self, height: int) -> BlockHash | None:
        return self.blocks[height].hash if height < len(self.blocks) else None

    def link(self, source: int, target: int) -> Certificate:
        return self.chain.certificate(self.blocks[source], self.blocks[target])

    def extend(
        self, proved: Proved, certificates: Sequence[Certificate | bytes]
    ) -> tuple[Proved, tuple[Certificate, ...]]:
        """Return what a next block with these certificates proves."""
        return extend_proved(
            proved,
            [c.encode() if isinstance(c, Certificate) else c for c in certificates],
            hash_at=self.hash_at,
            sealers=self.chain.rules.sealers,
            genesis_hash=self.chain.genesis.hash,
            verify=verify,
        )


@pytest.fixture
def branch() -> Branch:
    """Return a branch of eight blocks above genesis."""
    return Branch(8)


def test_no_certificate_proves_nothing_new(branch: Branch) -> None:
    """An empty list leaves what is proved as it is; genesis is justified and final."""
    assert branch.extend(GENESIS_PROVED, ()) == (Proved(justified=(0,), final=0), ())


def test_a_link_to_the_child_finalizes_its_source(branch: Branch) -> None:
    """Consecutive links justify each target and finalize each source."""
    certificates = [branch.link(0, 1), branch.link(1, 2), branch.link(2, 3)]
    proved, decoded = branch.extend(GENESIS_PROVED, certificates)
    assert proved == Proved(justified=(0, 1, 2, 3), final=2)
    assert decoded == tuple(certificates)


def test_a_link_over_heights_only_justifies(branch: Branch) -> None:
    """A link that skips does not move finality, the consecutive one after it does."""
    proved, _ = branch.extend(GENESIS_PROVED, [branch.link(0, 4)])
    assert proved == Proved(justified=(0, 4), final=0)
    proved, _ = branch.extend(proved, [branch.link(4, 6)])
    assert proved == Proved(justified=(0, 4, 6), final=0)
    proved, _ = branch.extend(proved, [branch.link(6, 7)])
    assert proved == Proved(justified=(0, 4, 6, 7), final=6)


def test_the_source_may_be_proved_in_the_same_block(branch: Branch) -> None:
    """Order matters: a source is proved by a certificate before, not after."""
    first, second = branch.link(0, 1), branch.link(1, 2)
    assert branch.extend(GENESIS_PROVED, [first, second])[0].final == 1
    with pytest.raises(InvalidBlock, match="unproved_source"):
        branch.extend(GENESIS_PROVED, [second, first])


def test_a_target_that_is_proved_already_is_refused(branch: Branch) -> None:
    """Certificates in a chain only go up, so none can be repeated to fill blocks."""
    proved, _ = branch.extend(GENESIS_PROVED, [branch.link(0, 3)])
    for stale in (branch.link(0, 3), branch.link(0, 2), branch.link(0, 1)):
        with pytest.raises(InvalidBlock, match="stale_certificate"):
            branch.extend(proved, [stale])
    with pytest.raises(InvalidBlock, match="stale_certificate"):
        branch.extend(GENESIS_PROVED, [branch.link(0, 1), branch.link(0, 1)])


def _foreign(branch: Branch, fork: Sequence[SealedHeader]) -> list[tuple[Certificate, int]]:
    chain, own = branch.chain, branch.blocks
    return [
        (chain.certificate(own[0], fork[0]), 2),
        (chain.certificate(fork[0], own[3]), 2),
        (chain.certificate(own[0], chain.child(own[-1])), 9),
    ]


def test_links_of_other_blocks_are_refused(branch: Branch) -> None:
    """Source and target are ancestors of the block: not on a fork, not the block or above it."""
    proved = Proved(justified=(0, 2), final=0)
    fork = branch.chain.extend(branch.blocks[1], 1)
    for certificate, height in _foreign(branch, fork):
        above = proved if certificate.vote.source.height else GENESIS_PROVED
        with pytest.raises(InvalidBlock, match="foreign_certificate") as caught:
            branch.extend(above, [certificate])
        assert caught.value.fields["height"] == height


def test_threat_45_a_certificate_without_its_quorum_is_refused(branch: Branch) -> None:
    """Too few voters or a forged one make the block invalid, with the proof's own code."""
    good = branch.link(0, 1)
    few = replace(good, signatures=good.signatures[:2])
    forged = replace(good, signatures=tuple((m, bytes(64)) for m, _ in good.signatures))
    for certificate, code in ((few, "no_quorum"), (forged, "bad_vote_signature")):
        with pytest.raises(InvalidBlock, match=code) as caught:
            branch.extend(GENESIS_PROVED, [certificate])
        assert caught.value.fields


@pytest.mark.parametrize("cut", [0, 1, 40])
def test_bytes_that_are_no_certificate_make_the_block_invalid(branch: Branch, cut: int) -> None:
    """The header commits to the certificates' bytes, so malformed ones are the block's fault."""
    with pytest.raises(InvalidBlock) as caught:
        branch.extend(GENESIS_PROVED, [branch.link(0, 1).encode()[:cut]])
    assert caught.value.code in {"malformed", "bad_shape"}


def test_only_the_newest_justified_heights_are_kept() -> None:
    """A source further back than 64 justified heights can no longer be linked from."""
    branch = Branch(PROVED_JUSTIFIED_MAX + 4)
    links = [branch.link(height, height + 1) for height in range(PROVED_JUSTIFIED_MAX + 2)]
    proved, _ = branch.extend(GENESIS_PROVED, links)
    assert len(proved.justified) == PROVED_JUSTIFIED_MAX
    assert proved.justified[0] == 3
    assert proved.final == PROVED_JUSTIFIED_MAX + 1
    with pytest.raises(InvalidBlock, match="unproved_source"):
        branch.extend(proved, [branch.link(2, PROVED_JUSTIFIED_MAX + 3)])
    branch.extend(proved, [branch.link(3, PROVED_JUSTIFIED_MAX + 3)])
