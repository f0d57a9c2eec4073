"""Transactions between peers: announced by txid in batches, asked for once, sent in batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ledger.hashing import TxId
from ledger.identity import MemberId
from node.core import limits
from node.core.effects import Effect, Send
from node.core.mempool import Mempool
from node.core.messages import GetTransactions, Inventory, Transactions, encode_message
from node.core.peers import Peer, Peers
from node.core.ports import ChainStore
from node.core.timing import Now


class Relay:
    """Who has what, and what was asked of whom."""

    def __init__(self, mempool: Mempool, store: ChainStore, peers: Peers) -> None:
        self._mempool = mempool
        self._store = store
        self._peers = peers
        self._asked: dict[TxId, tuple[MemberId, int]] = {}
        self._in_check: set[TxId] = set()
        self._fresh: list[tuple[TxId, MemberId | None]] = []

    def announce(self, txid: TxId, *, source: MemberId | None) -> None:
        """Queue a transaction for every peer but the one that it came from."""
        self._fresh.append((txid, source))

    def introduce(self, peer: Peer) -> None:
        """Queue all that waits here for a peer whose session begins."""
        self._share_out()
        peer.announced = [txid for txid in self._mempool if txid not in peer.known]

    def _share_out(self) -> None:
        """Queue what was accepted since the last time at each peer, all at once."""
        fresh, self._fresh = self._fresh, []
        for peer in self._peers.established():
            peer.announced += [txid for txid, source in fresh if source != peer.member]

    def flush(self, now: Now) -> Iterable[Effect]:
        """Send queued announcements; ask again for what was not delivered; call on ticks."""
        self._share_out()
        for peer in self._peers.established():
            queued = peer.announced[: limits.INVENTORY_PER_TICK_MAX]
            peer.announced = peer.announced[limits.INVENTORY_PER_TICK_MAX :]
            wanted = [txid for txid in queued if txid not in peer.known and txid in self._mempool]
            peer.known.add(wanted)
            if wanted:
                yield Send(
                    member=peer.member,
                    session=peer.session,
                    frame=encode_message(Inventory(txids=tuple(wanted))),
                )
        for txid, (member, asked_ms) in list(self._asked.items()):
            if now.monotonic_ms - asked_ms >= limits.REQUEST_MS_MAX:
                del self._asked[txid]
                if not self._is_known(txid):  # a block may have brought it meanwhile
                    yield from self._ask_other(txid, member, now)

    def _ask_other(self, txid: TxId, failed: MemberId, now: Now) -> Iterable[Effect]:
        silent = self._peers.get(failed)
        if silent is not None:
            silent.known.discard(txid)  # or two peers without it would be asked in turn for ever
        for peer in self._peers.established():
            if peer.member != failed and txid in peer.known:
                self._asked[txid] = (peer.member, now.monotonic_ms)
                yield Send(
                    member=peer.member,
                    session=peer.session,
                    frame=encode_message(GetTransactions(txids=(txid,))),
                )
                return

    def on_inventory(self, peer: Peer, inventory: Inventory, now: Now) -> Iterable[Effect]:
        """Ask for announced transactions that are unknown and not asked for.

        Raises:
            PeerMisbehaved: too many announcements a second.
        """
        self._peers.count_inventory(peer, len(inventory.txids), now)
        peer.known.add(inventory.txids)
        unknown = tuple(txid for txid in inventory.txids if not self._is_known(txid))
        if unknown:
            self._asked.update(dict.fromkeys(unknown, (peer.member, now.monotonic_ms)))
            yield Send(
                member=peer.member,
                session=peer.session,
                frame=encode_message(GetTransactions(txids=unknown)),
            )

    def _is_known(self, txid: TxId) -> bool:
        return (
            txid in self._mempool
            or txid in self._mempool.displaced
            or txid in self._asked
            or txid in self._in_check
            or self._store.location(txid) is not None
            or self._store.retirement(txid) is not None
        )

    def on_request(self, peer: Peer, request: GetTransactions, now: Now) -> Iterable[Effect]:
        """Send the asked transactions that wait here; the others are silently absent.

        So are those beyond what a peer is served in a second.
        """
        peer.known.add(request.txids)
        for batch in self._batches(request.txids):
            if not peer.may_be_served(now):
                return
            frame = encode_message(Transactions(transactions=tuple(batch)))
            peer.served_bytes += len(frame)
            yield Send(member=peer.member, session=peer.session, frame=frame)

    def _batches(self, txids: Iterable[TxId]) -> Iterator[list[bytes]]:
        batch: list[bytes] = []
        size = 0
        for txid in txids:
            transaction = self._mempool.get(txid)
            if transaction is None:
                continue
            raw = transaction.raw
            is_full = size + len(raw) > limits.TRANSACTION_MESSAGE_BYTES
            if batch and (is_full or len(batch) == limits.TRANSACTIONS_PER_MESSAGE_MAX):
                yield batch
                batch, size = [], 0
            batch.append(raw)
            size += len(raw)
        if batch:
            yield batch

    def is_asked(self, txid: TxId) -> bool:
        """Tell whether a peer was asked for a transaction, which is unknown until it delivers."""
        return txid in self._asked

    def begin_check(self, txid: TxId) -> None:
        """Note that a transaction is here and its signatures are being checked."""
        self._asked.pop(txid, None)
        self._in_check.add(txid)

    def end_check(self, txid: TxId) -> None:
        """Note that the check is over."""
        self._in_check.discard(txid)
