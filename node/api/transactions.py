"""Transactions: submitting them, and asking where they stand."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from aiohttp import web

from consensus.bundle import bundle_document
from ledger import codec, limits
from ledger.errors import DecodeError
from ledger.hashing import TxId
from ledger.transactions import SignedTransaction, decode_transaction
from node.api.json_text import read_json
from node.api.limits import BATCH_BYTES_MAX, BATCH_TRANSACTIONS_MAX, JSON_BODY_BYTES_MAX
from node.api.operations import (
    JSON,
    Access,
    Answer,
    Call,
    Content,
    NoQuery,
    Operation,
    json_response,
    ok,
)
from node.api.problems import (
    Problem,
    forbidden,
    invalid,
    not_found,
    not_yet,
    too_many_requests,
    unavailable,
)
from node.api.queries import parse_txid
from node.api.transaction_documents import (
    BatchDocument,
    BatchResultDocument,
    SubmissionDocument,
    SubmittedDocument,
    TransactionDocument,
)
from node.api.views import body_document, format_time
from node.api.visibility import may_see_transaction
from node.core.effects import SubmissionOutcome, TransactionStatus
from node.storage.view import LocatedTransaction

MSGPACK: Final = "application/msgpack"
TAG: Final = "transactions"

CONFLICT: Final = "sequence_conflict"
NODE_FULL: Final = "mempool_full"
"""This node has no room now: 503, and the same bytes may be sent again."""
ACCOUNT_FULL: Final = "account_mempool_full"
"""Too much of one account waits already: 429."""
RETRY_AFTER_S: Final = 2


async def submit(call: Call, _: NoQuery) -> web.Response:
    """Take one signed transaction; 202 is given once it is durable."""
    raw = await _transaction_of(call.request)
    outcome = (await _submit(call, [raw]))[0]
    if outcome.status is None or outcome.txid is None:
        raise _refusal(outcome)
    document: SubmissionDocument = {
        "txid": outcome.txid.hex(),
        "status": outcome.status.value,
    }
    return json_response(document, status=202 if outcome.is_new else 200)


async def submit_batch(call: Call, _: NoQuery) -> web.Response:
    """Take several; each has its own result, and one that is refused stops no other."""
    if call.request.content_type != MSGPACK:
        raise _unsupported_media_type()
    raws = _transactions_of(await _read_body(call.request, BATCH_BYTES_MAX))
    for index, raw in enumerate(raws):
        if type(raw) is not bytes:
            raise invalid(f"/{index}", "a signed transaction as a byte string")
    outcomes = await _submit(call, raws)
    document: BatchDocument = {"results": [_batch_result(outcome) for outcome in outcomes]}
    return json_response(document)


async def show(call: Call, _: NoQuery) -> web.Response:
    """Say where a transaction stands, and for those who may see it what it does."""
    txid = parse_txid(call.path("txid"))
    located = call.view.transaction(txid)
    if located is not None:
        return json_response(located_document(located, call))
    raw = call.view.pending(txid)
    if raw is not None:
        document = _unplaced_document(txid, TransactionStatus.PENDING)
        _add_body(document, decode_transaction(raw), call)
        return json_response(document)
    retirement = call.view.retirement(txid)
    if retirement is None:
        raise _unknown()
    document = _unplaced_document(txid, retirement.status)
    document["code"] = retirement.code
    return json_response(document)


async def prove(call: Call, _: NoQuery) -> web.Response:
    """Give the evidence bundle, which is verified offline."""
    # The path to tx_root hashes every transaction of the block: not on the event loop.
    proof = await asyncio.to_thread(call.view.prove, parse_txid(call.path("txid")))
    if proof is None:
        raise not_yet("not_final", "The transaction is not final yet.")
    backend = call.backend
    return json_response(
        bundle_document(
            proof,
            chain_id=backend.chain_id,
            genesis_hash=call.genesis_hash,
            genesis=backend.genesis_json,
        )
    )


def guard_proof(call: Call) -> None:
    """Refuse a transaction's proof to all but its parties, their members and regulators."""
    txid = parse_txid(call.path("txid"))
    located = call.view.transaction(txid)
    if located is not None:
        transaction = located.transaction
    else:
        raw = call.view.pending(txid)
        if raw is None:
            raise _unknown()
        transaction = decode_transaction(raw)
    if not may_see_transaction(call.caller, transaction, call.view):
        raise forbidden("not_party", "Its parties, their members and regulators may see it.")


def located_document(located: LocatedTransaction, call: Call) -> TransactionDocument:
    """Return a transaction of the best chain, with its body if the caller may see it."""
    view, height = call.view, located.position.height
    sealed = view.sealed_header(located.block_hash)
    is_final = height <= view.final.height
    document: TransactionDocument = {
        "txid": located.transaction.txid.hex(),
        "status": "final" if is_final else "included",
        "height": height,
        "block_hash": located.block_hash.hex(),
        "index": located.position.index,
        "time": None if sealed is None else format_time(sealed.header.time_ms),
        "confirmations": view.head.height - height + 1,
    }
    _add_body(document, located.transaction, call)
    return document


def _unplaced_document(txid: TxId, status: TransactionStatus) -> TransactionDocument:
    return {
        "txid": txid.hex(),
        "status": status.value,
        "height": None,
        "block_hash": None,
        "index": None,
        "time": None,
        "confirmations": 0,
    }


def _add_body(document: TransactionDocument, transaction: SignedTransaction, call: Call) -> None:
    if may_see_transaction(call.principal, transaction, call.view):
        document["body"] = body_document(transaction)


async def _transaction_of(request: web.Request) -> bytes:
    """Return the signed bytes of a request, MessagePack as they are or hex in JSON."""
    if request.content_type == MSGPACK:
        return await _read_body(request, limits.TRANSACTION_BYTES_MAX)
    if request.content_type != JSON:
        raise _unsupported_media_type()
    document = read_json(await _read_body(request, JSON_BODY_BYTES_MAX))
    if not isinstance(document, dict):
        raise invalid("", "an object with the member transaction")
    surplus = sorted(document.keys() - {"transaction"})
    if surplus:
        raise invalid(f"/{surplus[0]}", "unknown")
    text: object = document.get("transaction")
    try:
        raw = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        raw = b""
    # fromhex passes over white space; a pattern would take half a second for the longest text.
    if not raw or len(str(text)) != 2 * len(raw):
        raise invalid("/transaction", "the signed transaction in hex")
    return raw


def _transactions_of(body: bytes) -> Sequence[codec.Value]:
    """Return the elements of a batch; bytes that are no batch give 400, as for one transaction."""
    try:
        return codec.array(
            codec.decode(body, bytes_max=BATCH_BYTES_MAX),
            "transactions",
            count_min=1,
            count_max=BATCH_TRANSACTIONS_MAX,
        )
    except DecodeError as error:
        raise Problem(400, error.code, error.detail) from None


async def _read_body(request: web.Request, bytes_max: int) -> bytes:
    """Return the body; more than ``bytes_max`` is refused before it is read to the end."""
    body = bytearray()
    async for chunk in request.content.iter_chunked(64 * 1024):
        body += chunk
        if len(body) > bytes_max:
            raise Problem(413, "body_too_large", f"The body has {bytes_max} bytes at most.")
    return bytes(body)


async def _submit(call: Call, raws: Sequence[bytes]) -> list[SubmissionOutcome]:
    return list(await call.backend.submit(raws))


def _batch_result(outcome: SubmissionOutcome) -> BatchResultDocument:
    txid = None if outcome.txid is None else outcome.txid.hex()
    if outcome.status is None:
        return {"txid": txid, "status": None, "code": outcome.code, "detail": outcome.detail}
    return {"txid": txid, "status": outcome.status.value}


def _refusal(outcome: SubmissionOutcome) -> Problem:
    """Return the answer to a refused transaction, by what its sender can do about it."""
    code, detail = outcome.code, outcome.detail
    if code == CONFLICT:
        return Problem(409, code, detail)
    if code == NODE_FULL:
        return unavailable(code, detail, retry_after_s=RETRY_AFTER_S)
    if code == ACCOUNT_FULL:
        return too_many_requests(RETRY_AFTER_S, detail, code=code)
    return Problem(400 if outcome.txid is None else 422, code, detail)


def _unsupported_media_type() -> Problem:
    return Problem(415, "unsupported_media_type", f"The body is {MSGPACK} or {JSON}.")


def _unknown() -> Problem:
    return not_found("unknown_transaction", "This node knows no such transaction.")


OPERATIONS: Final = (
    Operation(
        method="POST",
        path="/v1/transactions",
        name="submit_transaction",
        summary="Submit a signed transaction",
        tag=TAG,
        access=Access.OPEN,
        handler=submit,
        bodies=(
            Content(media_type=MSGPACK, description="The signed transaction's bytes."),
            Content(document=SubmittedDocument),
        ),
        answers={
            200: Answer(
                description="Known already; this is where it stands.",
                contents=(Content(document=SubmissionDocument),),
            ),
            202: Answer(
                description="Taken, and durable on this node.",
                contents=(Content(document=SubmissionDocument),),
            ),
        },
        problems=(400, 409, 413, 415),
    ),
    Operation(
        method="POST",
        path="/v1/transactions/batch",
        name="submit_batch",
        summary="Submit several signed transactions; each has its own result",
        tag=TAG,
        access=Access.OPEN,
        handler=submit_batch,
        bodies=(
            Content(media_type=MSGPACK, description="An array of signed transactions' bytes."),
        ),
        answers=ok(BatchDocument, "One result for each, in order."),
        problems=(400, 413, 415),
    ),
    Operation(
        method="GET",
        path="/v1/transactions/{txid}",
        name="get_transaction",
        summary="Where a transaction stands; its body for a party, its member or a regulator",
        tag=TAG,
        access=Access.OPEN,
        handler=show,
        answers=ok(TransactionDocument),
        problems=(404,),
    ),
    Operation(
        method="GET",
        path="/v1/transactions/{txid}/proof",
        name="prove_transaction",
        summary="The evidence bundle of a final transaction, verified offline",
        tag=TAG,
        access=Access.TOKEN,
        handler=prove,
        guard=guard_proof,
        answers=ok(dict[str, Any], "The bundle (sunlit-evidence-bundle/1)."),
        problems=(404, 409),
    ),
)
