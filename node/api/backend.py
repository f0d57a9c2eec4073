"""What the HTTP API is given by the node: what to read, where to submit, whom to follow.

The service implements `Backend` and hands it to `node.api.app.make_app`. All reads of one request
go to one `ChainView`, so that an answer never mixes two heads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ledger.genesis import Genesis
from ledger.identity import AccountId, MemberId
from node.analytics.supervisor import Analytics
from node.audit.access_log import AccessLog
from node.audit.conservation import SupplyAudit
from node.core.effects import NodeStatus, SubmissionOutcome
from node.metrics import Metrics
from node.storage.view import ChainView
from node.stream import BlockStream


class Busy(Exception):
    """The engine's inbox is full: nothing was submitted, and the client may try again.

    ``retry_after_s`` is how long it should wait, in seconds.
    """

    def __init__(self, retry_after_s: int = 1) -> None:
        super().__init__(f"the node is busy; try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class ReadOnly(Exception):
    """The node's disk has no room: nothing is taken until it has, and the client may try again."""


class Backend(Protocol):
    """The node as its API sees it. Reads are synchronous and quick; nothing here blocks."""

    @property
    def chain_id(self) -> str:
        """Name of the network; tokens are addressed to ``<chain_id>/<member>``."""
        ...

    @property
    def genesis(self) -> Genesis:
        """The genesis of the chain."""
        ...

    @property
    def genesis_json(self) -> Mapping[str, Any]:
        """The genesis document as ``ledger.genesis_document`` writes it, parsed."""
        ...

    @property
    def member(self) -> MemberId:
        """Whose node this is."""
        ...

    @property
    def metrics(self) -> Metrics:
        """What ``/metrics`` shows, and where requests are counted."""
        ...

    @property
    def stream(self) -> BlockStream:
        """Blocks in order, for the audit stream."""
        ...

    @property
    def analytics(self) -> Analytics | None:
        """The embedded analytics; None where the node runs none."""
        ...

    @property
    def supply(self) -> SupplyAudit:
        """Counts what each asset comes to at a final height."""
        ...

    @property
    def access_log(self) -> AccessLog:
        """Who asked what of the audit API."""
        ...

    def is_ready(self) -> bool:
        """Return whether the node serves: recovered, its engine running and its peers met."""
        ...

    def is_read_only(self) -> bool:
        """Return whether the node takes nothing, because its disk has no room."""
        ...

    def status(self) -> NodeStatus:
        """Return what the engine last published of itself."""
        ...

    def view(self) -> ChainView:
        """Return an immutable view of the chain as it is now."""
        ...

    async def submit(self, transactions: Sequence[bytes]) -> Sequence[SubmissionOutcome]:
        """Submit signed transactions; return one outcome each, once what it accepts is durable.

        Raises:
            Busy: the engine's inbox is full; nothing was taken.
            ReadOnly: the disk has no room; what was not answered may be sent again.
        """
        ...

    async def prove_account(self, account: AccountId) -> Mapping[str, Any]:
        """Return the evidence bundle of an account at the last final block.

        Raises:
            InvalidProof: finality is not there yet, or too far behind the head.
            Busy: too many proofs are asked for at once.
            ReadOnly: a write found no room, and the engine cannot be asked until it starts over.
        """
        ...
