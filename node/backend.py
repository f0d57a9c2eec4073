"""The node as its HTTP API sees it: ``node.api.backend.Backend`` over the running parts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from consensus.account_bundle import account_bundle_document
from ledger.genesis import Genesis
from ledger.genesis_document import format_genesis
from ledger.hashing import BlockHash
from ledger.identity import AccountId, MemberId
from node.analytics.supervisor import Analytics
from node.api.backend import Busy, ReadOnly
from node.audit.access_log import AccessLog
from node.audit.conservation import SupplyAudit
from node.core.effects import NodeStatus, SubmissionOutcome
from node.metrics import Metrics
from node.proofs import prove_account
from node.runner import EngineRunner
from node.shell import Shell
from node.storage.chain import StoredChain
from node.storage.view import ChainView
from node.stream import BlockStream

PROOFS_ASKED_MAX: Final = 64
"""Requests for an account's proof that wait for their turn; one more is told to come back."""


class NodeBackend:
    """What the API may ask of the node."""

    def __init__(
        self,
        *,
        genesis: Genesis,
        member: MemberId,
        store: StoredChain,
        shell: Shell,
        runner: EngineRunner,
        access_log: AccessLog,
    ) -> None:
        self.genesis = genesis
        self.member = member
        self.access_log = access_log
        self.genesis_json: Mapping[str, Any] = json.loads(format_genesis(genesis))
        self.supply = SupplyAudit(genesis, store.view)
        self._genesis_hash = genesis.header().hash
        self._store = store
        self._shell = shell
        self._runner = runner
        self._proof_turn = asyncio.Semaphore(1)
        self._proofs_asked = 0
        self.analytics: Analytics | None = None
        """The embedded analytics, which the service sets where the node runs it."""

    @property
    def genesis_hash(self) -> BlockHash:
        """Hash of block 0."""
        return self._genesis_hash

    @property
    def chain_id(self) -> str:
        """Name of the network."""
        return self.genesis.chain_id

    @property
    def metrics(self) -> Metrics:
        """What ``/metrics`` shows."""
        return self._shell.metrics

    @property
    def stream(self) -> BlockStream:
        """Blocks in order, for the audit stream."""
        return self._shell.stream

    def is_ready(self) -> bool:
        """Return whether a quorum of sealers is met and the chain is caught up."""
        if self._shell.is_read_only:
            return False
        status = self._shell.status
        sealers = self.genesis.sealers()
        met = {self.member, *status.peers} & set(sealers.keys)
        return len(met) >= sealers.quorum and not status.is_syncing

    def is_read_only(self) -> bool:
        """Return whether the node takes nothing, because its disk has no room."""
        return self._shell.is_read_only

    def status(self) -> NodeStatus:
        """Return what the engine last published of itself."""
        return self._shell.status

    def view(self) -> ChainView:
        """Return an immutable view of the chain as it is now."""
        return self._store.view()

    async def submit(self, transactions: Sequence[bytes]) -> Sequence[SubmissionOutcome]:
        """Submit signed transactions; see ``Shell.submit``."""
        return await self._shell.submit(transactions)

    async def prove_account(self, account: AccountId) -> Mapping[str, Any]:
        """Return the evidence bundle of an account at the last final block.

        Raises:
            InvalidProof: finality is not there yet, or too far behind the head.
            Busy: too many proofs are asked for at once.
            ReadOnly: the engine is ahead of a full disk, and cannot be asked.
        """
        if self._proofs_asked >= PROOFS_ASKED_MAX:
            raise Busy
        self._proofs_asked += 1
        try:
            # One at a time, so that between two batches of events the engine makes one at most.
            async with self._proof_turn:
                if self._runner.is_ahead:
                    raise ReadOnly
                proof = await self._runner.call(
                    lambda engine: prove_account(engine, self._store.view(), account, self.genesis)
                )
        finally:
            self._proofs_asked -= 1
        return account_bundle_document(
            proof,
            chain_id=self.chain_id,
            genesis_hash=self._genesis_hash,
            genesis=self.genesis_json,
        )
