"""Votes and certificates: their bytes, and what makes a quorum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from consensus.votes import (
    SIGNED_VOTE_BYTES_MAX,
    Certificate,
    Checkpoint,
    Vote,
    decode_certificate,
    decode_signed_vote,
    vote_from_value,
)
from ledger import codec, limits
from ledger.errors import DecodeError, InvalidProof
from ledger.hashing import BlockHash
from ledger.identity import MemberId
from ledger.keys import verify
from ledger.transactions import HEIGHT_MAX
from tests.chains import ChainBuilder, make_sealers

HASH = BlockHash(bytes(range(32)))
Change = Callable[[Certificate], Certificate]


@pytest.fixture
def chain() -> ChainBuilder:
    """Return a chain of four sealers, so three make a quorum."""
    return ChainBuilder()


@pytest.fixture
def certificate(chain: ChainBuilder) -> Certificate:
    """Return a certificate from genesis to its child."""
    return chain.certificate(chain.genesis, chain.child(chain.genesis))


def _validate(chain: ChainBuilder, certificate: Certificate) -> None:
    certificate.validate(chain.rules.sealers, chain.genesis.hash, verify)


def test_a_signed_vote_reads_back(chain: ChainBuilder) -> None:
    """Decoding gives the vote that was encoded."""
    vote = chain.votes(chain.genesis, chain.child(chain.genesis))[0]
    assert decode_signed_vote(vote.encode()) == vote


def test_the_longest_signed_vote_fits_its_limit(chain: ChainBuilder) -> None:
    """The largest numbers and the longest member id stay within the limit in bytes."""
    longest = replace(
        chain.votes(chain.genesis, chain.child(chain.genesis))[0],
        member=MemberId("m" * limits.MEMBER_ID_BYTES_MAX),
        vote=Vote(
            set_id=codec.UINT64_MAX,
            source=Checkpoint(height=HEIGHT_MAX - 1, hash=HASH),
            target=Checkpoint(height=HEIGHT_MAX, hash=HASH),
        ),
    )
    assert len(longest.encode()) <= SIGNED_VOTE_BYTES_MAX
    assert decode_signed_vote(longest.encode()) == longest


def test_a_certificate_reads_back(certificate: Certificate) -> None:
    """Decoding gives the certificate that was encoded, and it splits into its votes."""
    assert decode_certificate(certificate.encode()) == certificate
    assert [(v.member, v.signature) for v in certificate.votes()] == list(certificate.signatures)
    assert {vote.vote for vote in certificate.votes()} == {certificate.vote}


def test_the_largest_certificate_fits_its_limit(certificate: Certificate) -> None:
    """A certificate by as many members as a chain may have is still decoded."""
    voters = [MemberId(f"m{n:031}") for n in range(limits.MEMBERS_MAX)]
    largest = replace(certificate, signatures=tuple((voter, bytes(64)) for voter in voters))
    assert decode_certificate(largest.encode()) == largest


@pytest.mark.parametrize(
    ("source", "target", "consecutive"), [(0, 1, True), (7, 8, True), (0, 2, False), (3, 9, False)]
)
def test_a_link_to_the_child_is_consecutive(source: int, target: int, consecutive: bool) -> None:
    """Only a link over one height can finalize."""
    vote = Vote(
        set_id=0,
        source=Checkpoint(height=source, hash=HASH),
        target=Checkpoint(height=target, hash=HASH),
    )
    assert vote.is_consecutive is consecutive


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ((0, 1, HASH, 1, HASH), "bad_vote"),
        ((0, 2, HASH, 1, HASH), "bad_vote"),
        ((0, 0, HASH, 1), "bad_shape"),
        ((0, 0, HASH, 1, HASH, 0), "bad_shape"),
        ((-1, 0, HASH, 1, HASH), "bad_integer"),
        ((0, "0", HASH, 1, HASH), "bad_integer"),
        ((0, 0, HASH, HEIGHT_MAX + 1, HASH), "bad_integer"),
        ((0, 0, HASH[1:], 1, HASH), "bad_bytes"),
        ((0, 0, HASH, 1, HASH + b"0"), "bad_bytes"),
    ],
)
def test_a_malformed_vote_is_refused(value: codec.Value, code: str) -> None:
    """Shapes, ranges and the order of source and target are checked when a vote is read."""
    with pytest.raises(DecodeError, match=code):
        vote_from_value(value)


def test_malformed_certificates_are_refused(certificate: Certificate) -> None:
    """No voters, unsorted or repeated ones, and signatures of a wrong length do not decode."""
    pairs, vote = certificate.signatures, certificate.vote.to_value()
    for signatures, code in [
        ((), "bad_shape"),
        (pairs[::-1], "voters_unsorted"),
        ((pairs[0], pairs[0], pairs[1]), "voters_unsorted"),
        (((pairs[0][0], pairs[0][1][1:]),), "bad_bytes"),
        ((("Bank 1", pairs[0][1]),), "bad_member_id"),
        ((pairs[0] + pairs[1],), "bad_shape"),
    ]:
        with pytest.raises(DecodeError, match=code):
            decode_certificate(codec.encode((vote, signatures)))


def test_a_quorum_of_the_set_is_enough(chain: ChainBuilder) -> None:
    """Three of four hold, and all four too."""
    child = chain.child(chain.genesis)
    _validate(chain, chain.certificate(chain.genesis, child))
    _validate(chain, chain.certificate(chain.genesis, child, chain.members))


@pytest.mark.parametrize("sealers", range(1, 8))
def test_quorums_are_more_than_two_thirds(sealers: int) -> None:
    """A quorum, floor(2n / 3) + 1 voters, holds and one less does not."""
    chain = ChainBuilder(make_sealers(sealers))
    child, quorum = chain.child(chain.genesis), chain.rules.sealers.quorum
    assert 3 * quorum > 2 * sealers >= 3 * (quorum - 1)
    _validate(chain, chain.certificate(chain.genesis, child))
    with pytest.raises(InvalidProof, match="no_quorum") as caught:
        _validate(chain, chain.certificate(chain.genesis, child, chain.members[: quorum - 1]))
    assert caught.value.fields == {"votes": quorum - 1}


def _repeat_a_voter(certificate: Certificate) -> Certificate:
    one, two, _ = certificate.signatures
    return replace(certificate, signatures=(one, one, two))


def _add_a_stranger(certificate: Certificate) -> Certificate:
    stranger = (MemberId("stranger"), bytes(64))
    return replace(certificate, signatures=(*certificate.signatures, stranger))


def _forge_one(certificate: Certificate) -> Certificate:
    one, two, three = certificate.signatures
    return replace(certificate, signatures=(one, two, (three[0], one[1])))


def _change_set(certificate: Certificate) -> Certificate:
    return replace(certificate, vote=replace(certificate.vote, set_id=1))


def _change_target(certificate: Certificate) -> Certificate:
    target = Checkpoint(height=1, hash=HASH)
    return replace(certificate, vote=replace(certificate.vote, target=target))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_repeat_a_voter, "no_quorum"),
        (_add_a_stranger, "not_sealer"),
        (_forge_one, "bad_vote_signature"),
        (_change_set, "wrong_sealer_set"),
        (_change_target, "bad_vote_signature"),
    ],
)
def test_threat_45_a_certificate_needs_distinct_sealers_who_signed(
    chain: ChainBuilder, certificate: Certificate, change: Change, code: str
) -> None:
    """Repeated voters, strangers, forged signatures, another set or link: none is a quorum."""
    with pytest.raises(InvalidProof, match=code):
        _validate(chain, change(certificate))


def test_a_vote_counts_on_one_chain_only(chain: ChainBuilder, certificate: Certificate) -> None:
    """The signature covers the genesis hash."""
    with pytest.raises(InvalidProof, match="bad_vote_signature"):
        certificate.validate(chain.rules.sealers, HASH, verify)
