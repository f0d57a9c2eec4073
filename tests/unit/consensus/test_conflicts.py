"""Contradicting quorums: the tally notices them wherever they lie, and keeps both (threat 48)."""

from __future__ import annotations

import pytest

from consensus import finality
from consensus.finality import FinalityTally
from tests.chains import Tallied, checkpoint


class Split:
    """Two branches from genesis, each with a quorum; the overlap of two votes on both."""

    def __init__(self) -> None:
        self.tallied = Tallied()
        self.fork = [
            self.tallied.chain.genesis,
            *self.tallied.chain.extend(self.tallied.chain.genesis, 6),
        ]

    def certify(self, source: int, target: int) -> None:
        """Count the fork's certificate for a link."""
        members = self.tallied.chain.members[1:]
        self.tallied.tally.add_certificate(
            self.tallied.chain.certificate(self.fork[source], self.fork[target], members)
        )

    def conflict(self) -> finality.ConflictingCertificates:
        """Return the conflict that settling raises."""
        with pytest.raises(finality.ConflictingCertificates) as caught:
            self.tallied.tally.advance(self.tallied.tree)
        return caught.value


@pytest.mark.parametrize("knows_blocks", [True, False])
def test_threat_48_two_justified_blocks_at_one_height_stop_the_node(knows_blocks: bool) -> None:
    """The conflict keeps both certificates and names the members in both."""
    split = Split()
    if knows_blocks:
        for sealed in split.fork[1:]:
            split.tallied.tree.insert(sealed)
    split.tallied.link(0, 1)
    split.certify(0, 1)
    conflict = split.conflict()
    assert conflict.first is not None
    assert conflict.first.vote.target == checkpoint(split.tallied.blocks[1])
    assert conflict.second.vote.target == checkpoint(split.fork[1])
    assert conflict.overlap == ["bank2", "bank3"]
    assert "bank2, bank3" in str(conflict)


@pytest.mark.parametrize("height", range(4))
def test_threat_48_the_other_sides_finality_is_noticed_however_late(height: int) -> None:
    """A certificate below the final block, or from a source that is unknown here, conflicts too."""
    split = Split()
    for source in range(4):
        split.tallied.link(source, source + 1)
    assert split.tallied.final == 3
    split.certify(height, height + 1)
    assert split.conflict().second.vote.target.height == height + 1


def test_threat_48_a_certificate_heard_before_our_own_is_noticed() -> None:
    """The other side's certificate waits for its source; ours at its height shows the conflict."""
    split = Split()
    split.certify(2, 3)
    split.tallied.link(0, 1)
    split.tallied.link(1, 2)
    split.tallied.vote(split.tallied.blocks[2], split.tallied.blocks[3], (0, 1, 2))
    assert split.conflict().overlap == ["bank2", "bank3"]


def test_threat_48_certificates_far_below_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept to know a conflict has a bound; below it a certificate is ignored."""
    monkeypatch.setattr(finality, "CERTIFIED_HEIGHTS_KEPT", 1)
    split = Split()
    for source in range(5):
        split.tallied.link(source, source + 1)
    split.certify(0, 1)
    assert split.tallied.tally.advance(split.tallied.tree).justified == []
    split.certify(2, 3)
    split.conflict()


def test_threat_48_a_link_that_leaves_the_final_chain_stops_the_node() -> None:
    """A justified link above the final block, on a block that does not descend from it."""
    split = Split()
    for sealed in split.fork[1:]:
        split.tallied.tree.insert(sealed)
    split.certify(0, 1)
    split.tallied.tally.advance(split.tallied.tree)
    split.tallied.vote(split.tallied.blocks[0], split.tallied.blocks[3], (0, 1, 2))
    split.tallied.vote(split.tallied.blocks[3], split.tallied.blocks[4], (0, 1, 2))
    split.certify(1, 5)
    conflict = split.conflict()
    assert conflict.second.vote.target == checkpoint(split.fork[5])
    assert split.tallied.tally.final == checkpoint(split.tallied.blocks[3])


def test_threat_48_a_quorum_for_a_target_beside_its_source_stops_the_node() -> None:
    """No honest sealer links blocks of two branches."""
    split = Split()
    for sealed in split.fork[1:]:
        split.tallied.tree.insert(sealed)
    split.tallied.link(0, 1)
    split.tallied.vote(split.tallied.blocks[1], split.fork[3], (1, 2, 3))
    conflict = split.conflict()
    assert conflict.first == split.tallied.tally.certificate_for(split.tallied.blocks[1].hash)


def test_threat_48_a_certificate_against_the_root_itself_stops_the_node() -> None:
    """After a restart the root has no certificate; another block at its height still conflicts."""
    split = Split()
    root = split.tallied.tree.get(split.tallied.blocks[3].hash)
    assert root is not None
    split.tallied.tally = FinalityTally(split.tallied.chain.rules, root.checkpoint)
    split.certify(2, 3)
    conflict = split.conflict()
    assert (conflict.first, conflict.overlap) == (None, [])
    assert "nobody" in str(conflict)
