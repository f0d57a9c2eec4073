"""Sessions with the other members' nodes: who is connected, over which one connection.

    configured addresses ── dial ──┐
                                   ├── Session (frames, keep-alive) ── PeerEvents
    listening socket ── Listener ──┘

The transport knows members, bytes and time limits, and nothing of the ledger. Only addresses that
the operator configured are ever dialled; none is learned from a peer.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Final, Protocol, Self

import structlog

from node.gossip.dialler import PeerAddress, dial
from node.gossip.errors import CertificateRejected, PeerRefused
from node.gossip.limits import TransportLimits
from node.gossip.listener import Listener
from node.gossip.session import DUPLICATE, FAULT, REVOKED, STOPPING, Session, WebSocket
from node.gossip.tls import MemberCertificate, TlsSession, TrustStore

log = structlog.get_logger(__name__)

REDIAL_DOUBLINGS_MAX: Final = 16  # past any sensible redial_max_s; keeps the power small


class PeerEvents(Protocol):
    """What the transport tells its owner, in order for each member, each awaited.

    An exception raised by ``on_frame`` ends that peer's session and nothing else.
    """

    async def on_connected(self, member_id: str, *, inbound: bool) -> None:
        """Hear that frames can be exchanged with the member; ``inbound`` if it dialled us."""
        ...

    async def on_frame(self, member_id: str, frame: bytes) -> None:
        """Take one frame; the member's next frame is read when this returns."""
        ...

    async def on_disconnected(self, member_id: str, reason: str) -> None:
        """Hear that the session is over; nothing more of it will be delivered."""
        ...


class PeerTransport:
    """Authenticated sessions with other members: ``run`` within ``listening``, until cancelled.

    Each member has at most one connection. When both sides dialled, the one dialled by the lower
    member id stays; of two with the same dialler the newer stays, since the older is likely dead.

    Args:
        member_id: this node's own member.
        trust: who is admitted; change it through `replace_register` and `revoke` of this class.
        events: the owner's ears.
        peers: the members to dial, and to keep dialling, at the operator's addresses.
        limits: sizes and times.
        jitter: spreads the waits between dials; needs no secrecy.
    """

    def __init__(
        self,
        *,
        member_id: str,
        trust: TrustStore,
        events: PeerEvents,
        peers: Mapping[str, PeerAddress],
        limits: TransportLimits,
        jitter: random.Random,
    ) -> None:
        self._member_id = member_id
        self._trust = trust
        self._events = events
        self._peers = {peer: address for peer, address in peers.items() if peer != member_id}
        self._limits = limits
        self._jitter = jitter
        self._sessions: dict[str, Session] = {}
        self._conversing: dict[str, Session] = {}
        self._discouraged_until: dict[str, float] = {}  # seconds of the loop's clock
        self._listener = Listener(
            trust=trust, limits=limits, admit=self._admit_inbound, carry=self._carry_inbound
        )

    @asynccontextmanager
    async def listening(self, host: str, port: int) -> AsyncIterator[Self]:
        """Hold the listening socket open; port 0 lets the system choose (see ``port``).

        Raises:
            OSError: the address cannot be had.
        """
        await self._listener.open(host, port)
        try:
            yield self
        finally:
            await self._listener.close()

    @property
    def port(self) -> int:
        """The TCP port that is listened on."""
        return self._listener.port

    @property
    def connected(self) -> tuple[str, ...]:
        """The ids of the members that have a session now, in order."""
        return tuple(sorted(self._sessions))

    async def run(self) -> None:
        """Accept and dial until cancelled; then every session ends with a farewell."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listener.serve(tasks), name="peer-listener")
            for member_id, address in self._peers.items():
                dialling = self._keep_dialling(member_id, address)
                tasks.create_task(dialling, name=f"peer-dial-{member_id}")

    def send(self, member_id: str, frame: bytes) -> bool:
        """Queue a frame for the member; return False if it has no session that takes it.

        Raises:
            ValueError: the frame is larger than ``frame_bytes_max``, which is the caller's error.
        """
        # Not the newest connection but the one that the owner was told of: between the two lies
        # the end of an older session, and what was meant for that one must not begin this one.
        session = self._conversing.get(member_id)
        return session is not None and session.send(frame)

    def disconnect(self, member_id: str, reason: str, discourage_ms: int = 0) -> None:
        """End the member's session; for so long it is neither dialled nor let in."""
        if discourage_ms > 0:
            until = asyncio.get_running_loop().time() + discourage_ms / 1000
            self._discouraged_until[member_id] = until
        if session := self._sessions.get(member_id):
            session.close(reason)

    def replace_register(self, register: Iterable[MemberCertificate]) -> None:
        """Trust exactly these certificates from now on, and end the sessions of all others."""
        self._trust.replace(register)
        self._cut_unregistered()

    def revoke(self, member_id: str) -> None:
        """Trust no certificate of the member from now on, and end its session."""
        self._trust.revoke(member_id)
        self._cut_unregistered()

    def _cut_unregistered(self) -> None:
        for session in self._sessions.values():
            try:
                named = self._trust.member_of(session.tls)
            except CertificateRejected:
                named = None
            if named != session.member_id:
                session.close(REVOKED)

    async def _keep_dialling(self, member_id: str, address: PeerAddress) -> None:
        """Connect to the member whenever it has no session, with growing waits in between."""
        clock = asyncio.get_running_loop().time
        failures = 0
        while True:
            await self._until_wanted(member_id)
            began_s = clock()
            try:
                async with dial(
                    member_id, address, trust=self._trust, limits=self._limits
                ) as websocket:
                    await self._carry(websocket, inbound=False)
            except Exception as error:  # noqa: BLE001 - the peer boundary: it costs this dial only
                log.info("dial_failed", member=member_id, error=repr(error))
            lasted_s = clock() - began_s
            failures = 0 if lasted_s >= self._limits.redial_max_s else failures + 1
            await asyncio.sleep(self._redial_wait_s(failures))

    async def _until_wanted(self, member_id: str) -> None:
        """Return once the member has no session and is not discouraged."""
        while True:
            if session := self._sessions.get(member_id):
                await session.gone.wait()
            elif (wait_s := self._discouraged_s(member_id)) > 0:
                await asyncio.sleep(wait_s)
            else:
                return

    def _redial_wait_s(self, failures: int) -> float:
        doubled_s = self._limits.redial_first_s * (1 << min(failures, REDIAL_DOUBLINGS_MAX))
        return min(doubled_s, self._limits.redial_max_s) * self._jitter.uniform(0.5, 1.5)

    def _discouraged_s(self, member_id: str) -> float:
        now_s = asyncio.get_running_loop().time()
        return self._discouraged_until.get(member_id, now_s) - now_s

    def _admit_inbound(self, tls: TlsSession | None) -> str:
        return self._admit(tls, inbound=True)

    def _admit(self, tls: TlsSession | None, *, inbound: bool) -> str:
        """Return the member behind the TLS session, if it may have this connection now.

        Raises:
            CertificateRejected: it is no member, or no longer.
            PeerRefused: it is this node itself, discouraged, or already better connected.
        """
        member_id = self._trust.member_of(tls)
        if member_id == self._member_id:
            raise PeerRefused("own_member", "the peer is this node's own member", member=member_id)
        if self._discouraged_s(member_id) > 0:
            raise PeerRefused("discouraged", "the member is discouraged", member=member_id)
        rival = self._sessions.get(member_id)
        if rival is not None and rival.inbound != inbound and self._is_preferred(rival):
            rival.probe()
            raise PeerRefused("duplicate", "the member is already connected", member=member_id)
        return member_id

    def _is_preferred(self, session: Session) -> bool:
        """Return whether the lower member id dialled, so that both ends keep the same one."""
        return session.inbound == (session.member_id < self._member_id)

    async def _carry_inbound(self, websocket: WebSocket) -> None:
        await self._carry(websocket, inbound=True)

    async def _carry(self, websocket: WebSocket, *, inbound: bool) -> None:
        """Give the connection its member's place, and hold it until its session ends."""
        member_id = self._admit(websocket.get_extra_info("ssl_object"), inbound=inbound)
        session = Session(
            member_id=member_id, inbound=inbound, websocket=websocket, limits=self._limits
        )
        rival = self._sessions.get(member_id)
        self._sessions[member_id] = session
        try:
            if rival is not None:
                rival.close(DUPLICATE)
                await rival.gone.wait()
            if session.reason is None:  # nothing replaced or ended it meanwhile
                await self._converse(session)
        finally:
            if self._sessions.get(member_id) is session:
                del self._sessions[member_id]
            session.gone.set()
            await session.say_farewell()

    async def _converse(self, session: Session) -> None:
        """Carry frames between the owner and the member, and report both ends of it."""
        reason = STOPPING
        self._conversing[session.member_id] = session
        await self._events.on_connected(session.member_id, inbound=session.inbound)
        try:
            reason = await session.run(self._events.on_frame)
        except Exception:
            reason = FAULT
            raise
        finally:
            session.close(reason)
            self._conversing.pop(session.member_id, None)
            log.debug(
                "session_over", member=session.member_id, reason=reason, farewell=session.farewell
            )
            await self._events.on_disconnected(session.member_id, reason)
