"""The HTTP API over a small chain in memory, with tokens of everyone who might ask.

Alice (of bank1) pays Bob (of bank2) in every block; Carol (of bank3) has no part in it. The node
that is asked is bank1's.
"""

from __future__ import annotations

import json
import shutil
import weakref
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

import jwt
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from consensus.evidence import find_evidence
from ledger.access_records import access_root
from ledger.addresses import encode_account_id
from ledger.errors import LedgerError
from ledger.genesis_document import format_genesis
from ledger.identity import AccountId, MemberId
from ledger.transactions import SignedTransaction, decode_transaction
from node.analytics.supervisor import Analytics, ProcessSettings
from node.api.app import make_app
from node.api.backend import Busy, ReadOnly
from node.audit.access_log import AccessLog
from node.audit.conservation import SupplyAudit
from node.core.effects import (
    Effect,
    NodeStatus,
    StoreEvidence,
    SubmissionOutcome,
    TransactionStatus,
)
from node.metrics import Metrics
from node.storage.memory import MemoryKeyValue, MemoryStore
from node.storage.view import ChainView
from node.stream import BlockStream
from tests.branches import Branches, Built
from tests.factories import REGULATOR, Network, Signer
from tests.unit.node.api.played import NOW_S, PlayedAnalytics

NODE_MEMBER: Final = MemberId("bank1")
LIFE_S: Final = 600

Json = dict[str, Any]
Client = TestClient[web.Request, web.Application]


class ServedNode:
    """A node's backend over a store in memory; the engine is played by the test."""

    def __init__(self) -> None:
        self.branches = Branches()
        self.network: Network = self.branches.network
        self.genesis = self.network.genesis
        self.genesis_json: Mapping[str, Any] = json.loads(format_genesis(self.genesis))
        self.store = MemoryStore(self.genesis, MemoryKeyValue())
        self.metrics = Metrics()
        self.stream = BlockStream(self.store.view)
        self.member = NODE_MEMBER
        directory = Path(mkdtemp())
        weakref.finalize(self, shutil.rmtree, directory, ignore_errors=True)
        root = access_root(self.genesis.header().hash, self.member)
        self.access_log = AccessLog(directory, root)
        self.supply = SupplyAudit(self.genesis, self.store.view)
        self.ready = True
        self.is_busy = False
        self.has_room = True
        self.analytics: Analytics | None = None
        self.proof_refusal: Exception | None = None
        self.answer: Callable[[bytes], SubmissionOutcome] = accept
        self.submitted: list[bytes] = []
        self.now_s = float(NOW_S)
        self.head = self.final = self.branches.genesis

    def run_analytics(self, answers: Mapping[str, Any]) -> None:
        """Let the node run analytics that give these documents, or raise them, by path."""
        settings = ProcessSettings(
            genesis_file=Path("genesis.json"),
            directory=Path("analytics"),
            cases_directory=Path("cases"),
            models_directory=Path("models"),
            privacy_directory=Path("privacy"),
            memory_mib=1,
            threads=1,
        )
        if self.analytics is None:
            self.analytics = Analytics(settings, self.stream, self.metrics)
        self.analytics.client = PlayedAnalytics(answers)

    # --- what the API asks -----------------------------------------------------------------

    @property
    def chain_id(self) -> str:
        return self.genesis.chain_id

    def is_ready(self) -> bool:
        return self.ready

    def is_read_only(self) -> bool:
        return not self.has_room

    def status(self) -> NodeStatus:
        view = self.view()
        return NodeStatus(
            head=view.head,
            head_time_ms=self.head.block.header.time_ms,
            justified=view.final,
            final=view.final,
            is_live=view.head.height - view.final.height <= 10,
            is_head_safe=True,
            is_syncing=False,
            peers=(MemberId("bank2"), REGULATOR),
            mempool_transactions=0,
            mempool_bytes=0,
            is_voting=True,
        )

    def view(self) -> ChainView:
        return self.store.view()

    async def submit(self, transactions: Sequence[bytes]) -> Sequence[SubmissionOutcome]:
        if self.is_busy:
            raise Busy(retry_after_s=3)
        if not self.has_room:
            raise ReadOnly
        self.submitted += transactions
        return [self.answer(raw) for raw in transactions]

    async def prove_account(self, account: AccountId) -> Mapping[str, Any]:
        if self.proof_refusal is not None:
            raise self.proof_refusal
        return {"kind": "account", "account": encode_account_id(account)}

    # --- what the engine would do ------------------------------------------------------------

    def grow(self, count: int) -> list[Built]:
        """Connect blocks with one payment from Alice to Bob each."""
        blocks = self.branches.grow(self.head, count)
        self._extend(blocks)
        return blocks

    def connect(self, *transactions: SignedTransaction) -> Built:
        """Connect a block with these transactions."""
        block = self.branches.child(self.head, *transactions)
        self._extend([block])
        return block

    def _extend(self, blocks: list[Built]) -> None:
        self.store.apply(self.branches.extend(self.head, blocks))
        self.head = blocks[-1]
        self.stream.advance()

    def move_to(self, tip: Built) -> None:
        """Make another branch the best chain."""
        effects: list[Effect] = [self.branches.store(b) for b in tip.ancestry()[1:]]
        self.store.apply([*effects, self.branches.commit(self.head, tip)])
        self.head = tip
        self.stream.advance()

    def finalize(self, child: Built) -> None:
        """Make the parent of a block the last final one."""
        self.store.apply([self.branches.finality(self.final, child)])
        assert child.parent is not None
        self.final = child.parent
        self.stream.advance()

    def find_double_vote(self) -> None:
        """Store two votes of one member for one height."""
        chain, genesis = self.branches.chain, self.branches.chain.genesis
        first, second = chain.child(genesis), chain.child(genesis)
        votes = [chain.votes(genesis, target, chain.members[:1])[0] for target in (first, second)]
        evidence = find_evidence(votes[0], votes[1:])
        assert evidence is not None
        self.store.apply([StoreEvidence(evidence=evidence, height=self.head.height)])

    # --- who asks ------------------------------------------------------------------------------

    def account_text(self, name: str) -> str:
        """Return an account's id as text."""
        return encode_account_id(self.network.holders[name].id)

    def account_token(self, name: str, **changed: Any) -> str:
        """Return a token of an account, by its own key; ``changed`` claims are replaced."""
        return self.token(self.account_text(name), self.network.holders[name].signers[0], **changed)

    def officer_token(self, member: str, **changed: Any) -> str:
        """Return a token of a member, by its first officer's key."""
        return self.token(member, self.network.officers[MemberId(member)][0], **changed)

    def token(
        self, subject: str, signer: Signer, *, headers: Json | None = None, **changed: Any
    ) -> str:
        """Return a token; a claim that is None is left out."""
        claims = self.claims(subject) | changed
        return jwt.encode(
            {name: value for name, value in claims.items() if value is not None},
            signer.private_key,
            algorithm="EdDSA",
            headers={"kid": signer.public_key.hex()} | (headers or {}),
        )

    def claims(self, subject: str) -> Json:
        """Return the claims of a good token."""
        now_s = int(self.now_s)
        return {
            "iss": subject,
            "sub": subject,
            "aud": f"{self.chain_id}/{self.member}",
            "iat": now_s,
            "exp": now_s + LIFE_S,
            "jti": "1",
        }


def accept(raw: bytes) -> SubmissionOutcome:
    """Return what the engine answers to a transaction that it takes."""
    try:
        txid = decode_transaction(raw).txid
    except LedgerError as error:
        return SubmissionOutcome(txid=None, status=None, code=error.code, detail=error.detail)
    return SubmissionOutcome(txid=txid, status=TransactionStatus.PENDING, is_new=True)


@asynccontextmanager
async def serving(node: ServedNode, **options: Any) -> AsyncIterator[Client]:
    """Serve a node's API on a free port of this machine and give a client of it."""
    app = make_app(node, clock_s=lambda: node.now_s, **options)
    async with TestClient(TestServer(app)) as client:
        yield client


def bearer(token: str | None) -> dict[str, str]:
    """Return the header that carries a token."""
    return {} if token is None else {"Authorization": f"Bearer {token}"}


async def problem(response: ClientResponse, status: int) -> Json:
    """Return the problem document of a refusal, after a look at its shape."""
    document: Json = await response.json(content_type="application/problem+json")
    assert response.status == status, document
    assert document["status"] == status
    assert set(document) == {"type", "status", "code", "title", "detail", "errors"}
    assert document["type"] == f"urn:sunlit:problem:{document['code']}"
    assert ("WWW-Authenticate" in response.headers) == (status == 401)
    if status in (429, 503):
        assert int(response.headers["Retry-After"]) >= 1
    return document
