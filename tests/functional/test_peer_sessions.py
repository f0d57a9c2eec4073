"""Transports of several members over real loopback TLS: who connects, and who stays connected."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import uvloop
from aiohttp import ClientError, WSServerHandshakeError

from node.gossip.dialler import PeerAddress
from node.gossip.session import CLOSED_BY_PEER, DUPLICATE, FAULT, REVOKED, SLOW, STOPPING
from tests.functional.peers import KIB, LIMITS, LOOPBACK, Node, make_member, raw_websocket, running

NAMES = ("bank1", "bank2", "bank3", "regulator")


async def everyone_hears_everyone(directory: Path) -> list[Node]:
    """Run four nodes that all dial one another, until each heard a frame from each other."""
    members = [make_member(directory, name) for name in NAMES]
    async with AsyncExitStack() as stack:
        nodes: dict[str, Node] = {}
        for member in members:
            peers = {name: node.address for name, node in nodes.items()}
            nodes[member.member_id] = await stack.enter_async_context(
                running(member, members, peers)
            )
        for name, node in nodes.items():
            await node.ears.until("connected", times=3)
            assert node.transport.connected == tuple(other for other in NAMES if other != name)
        for name, node in nodes.items():
            for other in node.transport.connected:
                assert node.transport.send(other, f"{name} to {other}".encode())
        for name, node in nodes.items():
            for other in node.transport.connected:
                await node.ears.until("frame", other, f"{other} to {name}".encode())
        assert not any(node.ears.count("disconnected") for node in nodes.values())
    return list(nodes.values())


async def test_frames_pass_both_ways_between_all(tmp_path: Path) -> None:
    """Four nodes connect to one another, and every frame arrives at the member it was sent to."""
    nodes = await everyone_hears_everyone(tmp_path)
    for node in nodes:
        assert node.ears.count("disconnected") == 3


def test_transport_runs_under_uvloop(tmp_path: Path) -> None:
    """The same holds on the event loop that nodes use."""
    uvloop.run(everyone_hears_everyone(tmp_path))


async def test_frames_keep_their_order_and_their_size_limit(tmp_path: Path) -> None:
    """Frames up to the limit arrive in order; a larger one is the sender's own error."""
    members = [make_member(tmp_path, name) for name in NAMES[:2]]
    frames = [bytes([number]) * (number * 300) for number in range(200)]
    frames.append(bytes(LIMITS.frame_bytes_max))
    async with (
        running(members[0], members) as first,
        running(members[1], members, {"bank1": first.address}) as second,
    ):
        await second.ears.until("connected", "bank1")
        for count, frame in enumerate(frames, start=1):
            assert second.transport.send("bank1", frame)
            if count % 4 == 0:  # at most 240 KiB under way, within the queue's limit
                await first.ears.until("frame", times=count)
        await first.ears.until("frame", times=len(frames))
        assert [event[2] for event in first.ears.heard if event[0] == "frame"] == frames
        with pytest.raises(ValueError, match="passes the limit"):
            second.transport.send("bank1", bytes(LIMITS.frame_bytes_max + 1))
        assert not second.transport.send("stranger", b"nobody there")


async def settle_on_one(first: Node, second: Node) -> None:
    """Return once both nodes hold the connection that the first one dialled, and it works."""
    await first.ears.until("connected", "bank2", False)
    await second.ears.until("connected", "bank1", True)
    first.transport.send("bank2", b"settled")
    await second.ears.until("frame", "bank1", b"settled")
    second.transport.send("bank1", b"settled")
    await first.ears.until("frame", "bank2", b"settled")


async def test_threat_11_of_two_dials_the_lower_members_stays(tmp_path: Path) -> None:
    """A connection of the higher id's gives way to one of the lower id's, on both sides."""
    bank1, bank2 = (make_member(tmp_path, name) for name in NAMES[:2])
    register = [bank1, bank2]
    async with running(bank1, register) as earlier:
        port = earlier.transport.port
    async with running(bank2, register, {"bank1": PeerAddress(host=LOOPBACK, port=port)}) as second:
        peers = {"bank2": second.address}
        async with running(bank1, register, peers, port=port) as first:
            await settle_on_one(first, second)
            for node, other in ((first, "bank2"), (second, "bank1")):
                live = node.ears.count("connected") - node.ears.count("disconnected")
                assert live == 1
                reasons = {event[2] for event in node.ears.heard if event[0] == "disconnected"}
                assert reasons <= {DUPLICATE, CLOSED_BY_PEER, "connection_lost"}
                assert node.transport.connected == (other,)


async def test_threat_11_one_member_cannot_hold_two_connections(tmp_path: Path) -> None:
    """A second connection of the same dialler replaces the first; there is never a second place."""
    bank1, bank2 = (make_member(tmp_path, name) for name in NAMES[:2])
    register = [bank1, bank2]
    async with running(bank2, register) as node, AsyncExitStack() as stack:
        for number in range(5):
            websocket = await stack.enter_async_context(raw_websocket(bank1, node, register))
            await websocket.send_bytes(b"hello %d" % number)
            await node.ears.until("frame", "bank1", b"hello %d" % number)
            assert node.ears.count("connected") - node.ears.count("disconnected") == 1
        assert node.ears.count("disconnected", "bank1", DUPLICATE) == 4


async def test_threat_11_higher_members_dial_is_refused_beside_a_better_one(tmp_path: Path) -> None:
    """While the lower id's connection lives, the higher id's is refused and costs it nothing."""
    bank1, bank2 = (make_member(tmp_path, name) for name in NAMES[:2])
    register = [bank1, bank2]
    async with (
        running(bank2, register) as second,
        running(bank1, register, {"bank2": second.address}) as first,
    ):
        await settle_on_one(first, second)
        with pytest.raises(WSServerHandshakeError, match="403"):
            async with raw_websocket(bank2, first, register):
                pass
        await settle_on_one(first, second)
        assert not first.ears.count("disconnected")


async def test_threat_10_revoked_member_is_cut_and_stays_out(tmp_path: Path) -> None:
    """Revocation ends the live session, and the next handshake is refused."""
    bank1, bank2 = (make_member(tmp_path, name) for name in NAMES[:2])
    register = [bank1, bank2]
    async with (
        running(bank1, register) as first,
        running(bank2, register, {"bank1": first.address}) as second,
    ):
        await first.ears.until("connected", "bank2")
        await second.ears.until("connected", "bank1")
        first.transport.revoke("bank2")
        await first.ears.until("disconnected", "bank2", REVOKED)
        await second.ears.until("disconnected", "bank1")
        with pytest.raises(ClientError):
            async with raw_websocket(bank2, first, register):
                pass
        assert first.ears.count("connected") == 1
        assert first.transport.connected == ()


async def test_new_member_is_admitted_at_once(tmp_path: Path) -> None:
    """A member that is added to the register connects, and the others keep their sessions."""
    bank1, bank2, bank3 = (make_member(tmp_path, name) for name in NAMES[:3])
    everyone = [bank1, bank2, bank3]
    async with (
        running(bank1, [bank1, bank2]) as first,
        running(bank2, everyone, {"bank1": first.address}),
        running(bank3, everyone, {"bank1": first.address}) as third,
    ):
        await first.ears.until("connected", "bank2")
        first.transport.replace_register([member.registered for member in everyone])
        await first.ears.until("connected", "bank3")
        await third.ears.until("connected", "bank1")
        assert not first.ears.count("disconnected", "bank2")


async def test_discouraged_member_is_not_let_in(tmp_path: Path) -> None:
    """For the time given a discouraged member is refused, though its certificate is good."""
    bank1, bank2 = (make_member(tmp_path, name) for name in NAMES[:2])
    register = [bank1, bank2]
    async with (
        running(bank1, register) as first,
        running(bank2, register, {"bank1": first.address}) as second,
    ):
        await first.ears.until("connected", "bank2")
        first.transport.disconnect("bank2", "misbehaved", discourage_ms=3_600_000)
        await first.ears.until("disconnected", "bank2", "misbehaved")
        await second.ears.until("disconnected", "bank1")
        with pytest.raises(WSServerHandshakeError, match="403"):
            async with raw_websocket(bank2, first, register):
                pass
        assert first.ears.count("connected") == 1


async def test_discouraged_member_is_not_dialled_until_its_time_is_over(tmp_path: Path) -> None:
    """The dialling side waits too, and connects again afterwards."""
    bank1, bank2 = (make_member(tmp_path, name) for name in NAMES[:2])
    register = [bank1, bank2]
    async with (
        running(bank1, register) as first,
        running(bank2, register, {"bank1": first.address}) as second,
    ):
        await second.ears.until("connected", "bank1")
        second.transport.disconnect("bank1", "misbehaved", discourage_ms=100)
        await second.ears.until("disconnected", "bank1", "misbehaved")
        await second.ears.until("connected", "bank1", times=2)


async def test_restarted_peer_is_dialled_again(tmp_path: Path) -> None:
    """A peer that stops says farewell, and is connected again when it is back."""
    bank1, bank2 = (make_member(tmp_path, name) for name in NAMES[:2])
    register = [bank1, bank2]
    async with AsyncExitStack() as first_life:
        first = await first_life.enter_async_context(running(bank1, register))
        address = first.address
        async with running(bank2, register, {"bank1": address}) as second:
            await second.ears.until("connected", "bank1")
            await first.ears.until("connected", "bank2")
            await first_life.aclose()
            assert first.ears.heard[-1] == ("disconnected", "bank2", STOPPING)
            await second.ears.until("disconnected", "bank1", CLOSED_BY_PEER)
            async with running(bank1, register, port=address.port) as again:
                await again.ears.until("connected", "bank2")
                await second.ears.until("connected", "bank1", times=2)


async def test_frame_that_the_owner_cannot_bear_costs_one_session(tmp_path: Path) -> None:
    """An exception from the owner's ears ends that session; others go on and it may come back."""
    bank1, bank2, bank3 = (make_member(tmp_path, name) for name in NAMES[:3])
    register = [bank1, bank2, bank3]
    async with (
        running(bank1, register) as first,
        running(bank2, register, {"bank1": first.address}) as second,
        running(bank3, register, {"bank1": first.address}) as third,
    ):
        await second.ears.until("connected", "bank1")
        await third.ears.until("connected", "bank1")
        second.transport.send("bank1", b"raise")
        await first.ears.until("disconnected", "bank2", FAULT)
        await first.ears.until_true(lambda: first.ears.count("connected", "bank2") == 2)
        third.transport.send("bank1", b"still here")
        await first.ears.until("frame", "bank3", b"still here")


async def test_peer_that_does_not_read_is_closed_as_slow(tmp_path: Path) -> None:
    """When the queue for a peer is full the session ends, and the sender is told at once."""
    bank1, bank2 = (make_member(tmp_path, name) for name in NAMES[:2])
    register = [bank1, bank2]
    async with running(bank2, register) as node, raw_websocket(bank1, node, register) as deaf:
        await node.ears.until("connected", "bank1")
        deaf._writer.transport.pause_reading()
        taken = 0
        while node.transport.send("bank1", bytes(64 * KIB)):
            taken += 1
        assert taken == LIMITS.queue_bytes_max // (64 * KIB)
        await node.ears.until("disconnected", "bank1", SLOW)


async def test_ears_of_idle_node_hear_nothing(tmp_path: Path) -> None:
    """A node without peers listens, reports nothing, and stops."""
    bank1 = make_member(tmp_path, "bank1")
    async with running(bank1, [bank1], {"bank1": PeerAddress(host=LOOPBACK, port=1)}) as node:
        assert node.transport.port > 0
        assert node.transport.connected == ()
    assert node.ears.heard == []
