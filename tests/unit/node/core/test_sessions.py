"""Sessions: the hello, and what a peer may not say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ledger import codec
from ledger.hashing import BlockHash, TxId
from ledger.keys import SIGNATURE_BYTES
from ledger.limits import HEADER_BYTES_MAX, TRANSACTION_BYTES_MAX
from node.core import limits
from node.core.effects import Disconnect
from node.core.messages import (
    GetMemberVotes,
    GetTransactions,
    Hello,
    Inventory,
    MemberVotes,
    MessageType,
    Refuse,
    Transactions,
    Votes,
    encode_message,
    frame_bytes_max,
)
from tests.unit.node.core.bench import Bench


@pytest.fixture
def bench() -> Bench:
    """Return a node with one peer."""
    bench = Bench()
    bench.connect("bank2")
    return bench


def txids(count: int, *, first: int = 0) -> tuple[TxId, ...]:
    """Return ids of transactions that nobody has."""
    return tuple(TxId((first + number).to_bytes(32)) for number in range(count))


MALFORMED = {
    "threat_1_malformed": b"\xc1",
    "threat_1_truncated": b"\x92\x03",
    "threat_1_trailing": b"\x92\x08\x90\x00",
    "threat_2_depth_bomb": b"\x91" * 2_000 + b"\x00",
    "threat_3_length_lie": b"\x92\x03\xdd\xff\xff\xff\xff",
    "threat_4_map": b"\x81\x01\x02",
    "threat_4_duplicate_keys": b"\x82\x01\x02\x01\x02",
    "threat_5_non_minimal": b"\x92\xcc\x08\x90",
    "threat_6_float": b"\x92\x08\xcb\x00\x00\x00\x00\x00\x00\x00\x00",
    "threat_6_nan": b"\x92\x08\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00",
    "no_array": b"\x01",
    "no_number": b"\x90",
    "unknown_number": b"\x91\x7f",
}


@pytest.mark.parametrize("frame", MALFORMED.values(), ids=MALFORMED.keys())
def test_threats_1_to_6_malformed_frames_cost_a_day(bench: Bench, frame: bytes) -> None:
    """Bytes that no honest node sends end the session and discourage the peer for 24 hours."""
    bench.receive_frame("bank2", frame)
    (end,) = bench.wanted(Disconnect)
    assert (end.member, end.discourage_ms) == ("bank2", 24 * 60 * 60 * 1_000)
    assert bench.engine.status().peers == ()


def test_threat_3_an_oversized_frame_is_refused_unread(bench: Bench) -> None:
    """A frame is at most a block and 64 KiB; what is longer is not parsed."""
    most = bench.rules.parameters.block_bytes_max + 64 * 1024
    bench.receive_frame("bank2", b"\xc1" * (most + 1))
    assert bench.punished() == ("bank2", "too_large")


def test_threat_3_every_message_fits_the_frames_of_a_network_of_small_blocks() -> None:
    """What an honest node sends beside blocks must not be refused, nor end its sender."""
    frame_bytes = frame_bytes_max(64 * 1024)
    inventory = Inventory(txids=txids(limits.INVENTORY_MAX))
    largest = Transactions(transactions=(bytes(TRANSACTION_BYTES_MAX),))
    header = (bytes(HEADER_BYTES_MAX), bytes(SIGNATURE_BYTES))
    headers = codec.encode((int(MessageType.HEADERS), (header,) * limits.HEADERS_PER_MESSAGE_MAX))
    for frame in (encode_message(inventory), encode_message(largest), headers):
        assert len(frame) <= frame_bytes


@pytest.mark.parametrize("kind", list(MessageType))
def test_threat_1_every_message_refuses_a_foreign_shape(bench: Bench, kind: MessageType) -> None:
    """Each message's decoder meets fields of the wrong type and count with a typed error."""
    for fields in ((), (0,), ("",), (b"",), ((),), (0, 0), (b"", b"", b""), ((0,), "", -1, b"")):
        fresh = Bench(bench.network)
        fresh.connect("bank2")
        fresh.receive_frame("bank2", codec.encode((int(kind), *fields)))
        is_empty_list = fields == ((),) and kind in (MessageType.HEADERS, MessageType.VOTES)
        assert is_empty_list or fresh.engine.status().peers == (), (kind, fields)


def test_a_hello_establishes_the_session(bench: Bench) -> None:
    """The peer counts from its hello on, and hears ours."""
    assert bench.engine.status().peers == ("bank2",)
    bench.meet("bank3")
    (hello,) = bench.sent("bank3", Hello)
    assert (hello.version, hello.member) == (limits.PROTOCOL_VERSION, "bank1")
    assert bench.engine.status().peers == ("bank2",)


def test_threat_12_a_hello_in_another_name_is_refused(bench: Bench) -> None:
    """The name in the hello is the one that TLS proved."""
    bench.meet("bank3")
    bench.receive("bank3", bench.hello("regulator"))
    assert bench.punished() == ("bank3", "wrong_identity")


def test_threat_15_another_version_is_refused_and_both_are_named(bench: Bench) -> None:
    """Its operator can read what to do; the peer may come back after an upgrade."""
    bench.meet("bank3")
    bench.receive("bank3", replace(bench.hello("bank3"), version=7))
    (refusal,) = bench.sent("bank3", Refuse)
    assert refusal.code == "unknown_protocol_version"
    assert "version 7" in refusal.detail
    assert f"version {limits.PROTOCOL_VERSION}" in refusal.detail
    (end,) = bench.wanted(Disconnect)
    assert end.discourage_ms == limits.REFUSED_MS


def test_threat_15_nothing_else_of_a_foreign_hello_is_read(bench: Bench) -> None:
    """Another version may lay out the rest as it likes."""
    bench.meet("bank3")
    bench.receive_frame("bank3", codec.encode((int(MessageType.HELLO), 2, "new", "fields")))
    assert bench.sent("bank3", Refuse)
    assert bench.punished() is None


def test_another_chain_is_refused(bench: Bench) -> None:
    """A node of a test network that dials the real one is told so, not punished."""
    bench.meet("bank3")
    bench.receive("bank3", replace(bench.hello("bank3"), genesis_hash=BlockHash(bytes(32))))
    (refusal,) = bench.sent("bank3", Refuse)
    assert refusal.code == "wrong_chain"
    assert bench.punished() is None


def test_a_refusal_ends_the_session(bench: Bench) -> None:
    """Who is refused leaves."""
    bench.receive("bank2", Refuse(code="wrong_chain", detail=""))
    assert bench.engine.status().peers == ()


def test_a_second_hello_is_refused(bench: Bench) -> None:
    """A session has one."""
    bench.receive("bank2", bench.hello("bank2"))
    assert bench.punished() == ("bank2", "second_hello")


def test_a_message_before_the_hello_is_refused(bench: Bench) -> None:
    """Nobody speaks unintroduced."""
    bench.meet("bank3")
    bench.receive("bank3", Inventory(txids=txids(1)))
    assert bench.punished() == ("bank3", "hello_missing")


def test_threat_8_a_hello_is_waited_for_ten_seconds(bench: Bench) -> None:
    """A peer that says nothing is dropped without further punishment."""
    bench.meet("bank3")
    bench.tick(limits.HELLO_MS_MAX - 1)
    assert not bench.wanted(Disconnect)
    bench.tick(1)
    (end,) = bench.wanted(Disconnect)
    assert (end.member, end.code, end.discourage_ms) == ("bank3", "hello_timeout", 0)


def test_frames_of_an_earlier_session_are_dropped(bench: Bench) -> None:
    """What was meant for one session does not reach the next."""
    bench.leave("bank2")
    assert bench.receive("bank2", Inventory(txids=txids(1))) == bench.wanted(Disconnect)


def test_threat_13_inventory_spam_scores(bench: Bench) -> None:
    """Announcing more unknown transactions a second than the limit costs ten points each time."""
    bench.receive("bank2", Inventory(txids=txids(limits.INVENTORY_MAX)))
    assert not bench.notes("peer_misbehaved")
    for surplus in range(10):
        assert bench.punished() is None
        bench.receive("bank2", Inventory(txids=txids(1, first=limits.INVENTORY_MAX + surplus)))
        (note,) = bench.notes("peer_misbehaved")
        assert (note.fields["code"], note.fields["score"]) == ("inventory_spam", 10)
    assert bench.punished() == ("bank2", "inventory_spam")


def test_threat_13_a_new_second_counts_anew(bench: Bench) -> None:
    """The rate is a second's."""
    bench.receive("bank2", Inventory(txids=txids(limits.INVENTORY_MAX)))
    bench.tick(1_000)
    bench.receive("bank2", Inventory(txids=txids(1, first=limits.INVENTORY_MAX)))
    assert not bench.notes("peer_misbehaved")


def test_what_nobody_delivers_is_asked_of_each_once(bench: Bench) -> None:
    """A transaction that was announced and never sent is not asked for without end."""
    bench.connect("bank3")
    announced = Inventory(txids=txids(1))
    bench.receive("bank2", announced)
    assert bench.sent("bank2", GetTransactions)
    bench.receive("bank3", announced)
    asked = []
    for _ in range(6):
        bench.tick(limits.REQUEST_MS_MAX)
        asked += [m for m in ("bank2", "bank3") if bench.sent(m, GetTransactions)]
    assert asked == ["bank3"]


def test_votes_of_another_than_asked_are_refused(bench: Bench) -> None:
    """Only our own latest votes are asked for."""
    bench.receive("bank2", MemberVotes(member=bench.member, votes=()))
    assert bench.punished() is None
    other = bench.hello("bank3").member
    bench.receive("bank2", MemberVotes(member=other, votes=()))
    assert bench.punished() == ("bank2", "wrong_member_votes")


def test_a_new_peer_hears_the_open_votes(bench: Bench) -> None:
    """Votes above the last final block are sent to whoever may have missed them."""
    block = bench.block(bench.genesis)
    bench.deliver("bank2", block)
    votes = bench.votes(bench.genesis, block, "bank3")
    bench.receive_frame("bank2", encode_message(Votes(votes=votes)))
    bench.connect("bank3")
    assert [message.votes for message in bench.sent("bank3", Votes)] == [votes]


def test_a_new_peer_hears_all_the_open_votes(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than one message holds go in several, the newest first."""
    blocks = bench.row(bench.genesis, 3)
    bench.deliver("bank2", *blocks)
    votes = [vote for made in blocks for vote in bench.votes(bench.genesis, made, "bank2", "bank3")]
    bench.receive("bank2", Votes(votes=tuple(votes)))
    monkeypatch.setattr(limits, "VOTES_PER_MESSAGE_MAX", 4)
    bench.connect("bank3")
    heard = [message.votes for message in bench.sent("bank3", Votes)]
    assert [len(part) for part in heard] == [4, 2]
    assert {vote for part in heard for vote in part} == set(votes)
    assert {vote.vote.target.height for vote in heard[0]} == {2, 3}


def test_threat_14_answers_about_votes_count_for_what_a_peer_is_served(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty bytes may ask for 200 KiB: not without end, and the next second it may ask again."""
    monkeypatch.setattr(limits, "SERVED_BYTES_PER_SECOND_MAX", 1)
    question = GetMemberVotes(member=bench.member)
    answered = []
    for _ in range(3):
        bench.receive("bank2", question)
        answered.append(len(bench.sent("bank2", MemberVotes)))
    assert answered == [1, 0, 0]
    bench.tick(1_000)
    bench.receive("bank2", question)
    assert bench.sent("bank2", MemberVotes)
