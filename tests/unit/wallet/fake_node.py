"""A node in this process for tests of its clients: a real state behind a small HTTP API.

What it accepts it applies to the ledger's own state at once; a transaction then moves from pending
to included to final, one step each time it is asked for. `refusals` are answers to give first.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from ledger.addresses import decode_account_id, encode_account_id
from ledger.attesting import attestation_name
from ledger.errors import InvalidTransaction
from ledger.identity import AccountId, AssetCode
from ledger.kinds import Leg, Transfer
from ledger.state import ATTESTATION, account_of, balance_key, next_sequence
from ledger.transactions import Actor, SignedTransaction, decode_transaction
from node.api.views import attestation_document, member_document
from tests.factories import Network

HEAD_HEIGHT = 7
FINAL_HEIGHT = 5
_STEPS = {"pending": "included", "included": "final"}

Handler = Callable[[web.Request], Any]


class FakeNode:
    """The state, what was asked for, and the server."""

    def __init__(self, network: Network, *, member: str = "bank1") -> None:
        self.network = network
        self.member = member
        self.genesis_hash = network.genesis_hash.hex()
        self.state = network.state()
        self.submitted: list[SignedTransaction] = []
        self.statuses: dict[str, str] = {}
        self.is_stuck = False
        self.refusals: list[tuple[str, int, Mapping[str, str], str]] = []
        self.requests: list[tuple[str, str]] = []
        self.tokens: list[str | None] = []
        self.proofs: dict[str, dict[str, Any]] = {}
        self.risks: dict[str, dict[str, Any]] = {}
        self.streams: list[bytes] = []
        self.last_event_ids: list[str | None] = []
        self.url = ""
        self.server = TestServer(self._app(), host="127.0.0.1")

    async def start(self) -> None:
        """Listen on a free loopback port."""
        await self.server.start_server()
        self.url = str(self.server.make_url("")).rstrip("/")

    def refuse(self, method: str, status: int, code: str, **headers: str) -> None:
        """Answer the next request with that method by a problem."""
        self.refusals.append((method, status, headers, code))

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._observe])
        app.add_routes(
            [
                web.get("/readyz", self._ready),
                web.get("/healthz", self._ready),
                web.get("/v1/status", self._status),
                web.get("/v1/assets", self._assets),
                web.get("/v1/members", self._members),
                web.get("/v1/accounts/{id}", self._account),
                web.get("/v1/accounts/{id}/history", self._history),
                web.post("/v1/transactions", self._submit),
                web.post("/v1/transactions/batch", self._submit_batch),
                web.get("/v1/transactions/{txid}", self._transaction),
                web.get("/v1/transactions/{txid}/proof", self._proof),
                web.get("/v1/attestations", self._attestations),
                web.get("/v1/audit/blocks", self._stream),
                web.get("/v1/audit/accounts/{id}/risk", self._risk),
            ]
        )
        return app

    @web.middleware
    async def _observe(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        header = request.headers.get("Authorization")
        self.tokens.append(None if header is None else header.removeprefix("Bearer "))
        if self.refusals and self.refusals[0][0] == request.method:
            _, status, headers, code = self.refusals.pop(0)
            return problem(status, code, headers=headers)
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _ready(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _status(self, request: web.Request) -> web.Response:
        document = {
            "chain_id": "test",
            "genesis_hash": self.genesis_hash,
            "member": self.member,
            "head": {"height": HEAD_HEIGHT},
            "finalized": {"height": FINAL_HEIGHT},
        }
        return web.json_response(document)

    async def _assets(self, request: web.Request) -> web.Response:
        items = [
            {"asset": code, "name": a.name, "decimals": a.decimals, "issuer": a.issuer}
            for code, a in self.network.genesis.assets.items()
        ]
        return self._page(request, items)

    async def _members(self, request: web.Request) -> web.Response:
        items = [
            member_document(name, record, next_sequence(self.state, Actor(name, 0, 0)))
            for name, record in self.network.genesis.members.items()
        ]
        return self._page(request, items)

    def _page(self, request: web.Request, items: Sequence[Mapping[str, Any]]) -> web.Response:
        """Return one item a page, so that every list is read to its end."""
        at = int(request.query.get("cursor", "0"))
        more = str(at + 1) if at + 1 < len(items) else None
        return web.json_response({"items": items[at : at + 1], "next_cursor": more})

    async def _account(self, request: web.Request) -> web.Response:
        account = AccountId(decode_account_id(request.match_info["id"]))
        if account_of(self.state, account) is None:
            return problem(404, "unknown_account")
        held = {
            code: self.state.get(balance_key(account, code)) for code in self.network.genesis.assets
        }
        document = {
            "account": request.match_info["id"],
            "next_sequences": {
                str(lane): next_sequence(self.state, Actor(account, lane, 0)) for lane in range(16)
            },
            "balances": [
                {"asset": code, "posted": str(n), "held": "0", "available": str(n)}
                for code, n in held.items()
                if n
            ],
            "height": HEAD_HEIGHT,
        }
        return web.json_response(document)

    async def _history(self, request: web.Request) -> web.Response:
        items = [
            {
                "txid": transaction.txid.hex(),
                "height": HEAD_HEIGHT,
                "time": "2026-01-01T00:00:07.000Z",
                "body": {
                    "kind": "transfer",
                    "reference": transaction.body.reference,
                    "legs": [_leg(leg) for leg in transaction.body.effect.legs],
                },
            }
            for transaction in self.submitted
            if isinstance(transaction.body.effect, Transfer)
        ]
        return self._page(request, items)

    async def _submit(self, request: web.Request) -> web.Response:
        return self._accept(decode_transaction(await request.read()))

    async def _submit_batch(self, request: web.Request) -> web.Response:
        return web.json_response({"results": [{"txid": None, "status": None, "code": "busy"}]})

    def _accept(self, transaction: SignedTransaction) -> web.Response:
        txid = transaction.txid.hex()
        if txid in self.statuses:
            return web.json_response({"txid": txid, "status": self.statuses[txid]})
        try:
            self.state.apply(transaction, height=HEAD_HEIGHT + 1)
        except InvalidTransaction as error:
            is_conflict = error.code == "sequence_conflict"
            return problem(409 if is_conflict else 422, error.code, detail=error.detail)
        self.submitted.append(transaction)
        self.statuses[txid] = "pending"
        return web.json_response({"txid": txid, "status": "pending"}, status=202)

    async def _transaction(self, request: web.Request) -> web.Response:
        txid = request.match_info["txid"]
        if txid not in self.statuses:
            return problem(404, "unknown_transaction")
        if not self.is_stuck:
            self.statuses[txid] = _STEPS.get(self.statuses[txid], self.statuses[txid])
        status = self.statuses[txid]
        height = HEAD_HEIGHT + 1 if status in ("included", "final") else None
        document = {"txid": txid, "status": status, "height": height}
        if status == "rejected":
            document["code"] = "insufficient_funds"
        return web.json_response(document)

    async def _attestations(self, request: web.Request) -> web.Response:
        asked = {k: v for k, v in request.query.items() if k not in ("limit", "cursor", "state")}
        items = [
            document
            for key in sorted(key for key in self.state.entries if key[:1] == ATTESTATION)
            for document in [attestation_document(attestation_name(key), self.state.entries[key])]
            if all(document.get(name) == value for name, value in asked.items())
        ]
        return self._page(request, items)

    async def _risk(self, request: web.Request) -> web.Response:
        document = self.risks.get(request.match_info["id"])
        return problem(404, "unknown_account") if document is None else _json(document)

    async def _proof(self, request: web.Request) -> web.Response:
        document = self.proofs.get(request.match_info["txid"])
        return problem(404, "unknown_transaction") if document is None else _json(document)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        """Send the next prepared piece of the stream, and end."""
        self.last_event_ids.append(request.headers.get("Last-Event-ID"))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        if self.streams:
            await response.write(self.streams.pop(0))
        return response


def problem(
    status: int, code: str, *, detail: str = "no", headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return a refusal as RFC 9457 writes it."""
    document = {"type": "about:blank", "status": status, "code": code, "detail": detail}
    return web.json_response(
        document, status=status, headers=headers, content_type="application/problem+json"
    )


def block_event(height: int, *, parent: str | None = None) -> bytes:
    """Return the Server-Sent Event of a block whose hash is its height."""
    block = {
        "height": height,
        "hash": f"h{height}",
        "parent": parent or f"h{height - 1}",
        "transactions": [],
    }
    return f"event: block\nid: {height}:h{height}\ndata: {json.dumps(block)}\n\n".encode()


def _leg(leg: Leg) -> dict[str, str]:
    return {
        "debit": encode_account_id(leg.debit),
        "credit": encode_account_id(leg.credit),
        "asset": AssetCode(leg.asset),
        "amount": str(leg.amount),
        "reference": leg.reference,
    }


def _json(document: dict[str, Any]) -> web.Response:
    return web.json_response(document)
