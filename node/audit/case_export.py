"""``GET /v1/audit/cases/{id}/export``: a case as one file that stands on its own.

    case.json                 the case with its alerts, notes, history, proposals and measures
    evidence/<txid>.json      the evidence bundle of each of its transactions

Each bundle is what ``GET /v1/transactions/{txid}/proof`` gives and ``sunlit audit verify`` checks. The
file is written while it is sent, a bundle at a time, so that its size costs no memory.
"""

from __future__ import annotations

import asyncio
import io
import zipfile
from typing import Final

from aiohttp import hdrs, web

from consensus.bundle import bundle_document
from ledger.hashing import TxId
from node.analytics.asking import analytics_of
from node.api.json_text import write_json
from node.api.operations import Access, Answer, Call, Content, NoQuery, Operation
from node.api.problems import not_yet
from node.audit.cases import TAG, case_of, told

ZIP: Final = "application/zip"
EXPORT_WRITE_SECONDS_MAX: Final = 30.0
"""A client that does not take a bundle in this time is cut off."""


class _Outgoing(io.RawIOBase):
    """Collects what the archive writes until it is taken away to be sent."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        part = bytes(memoryview(data))  # type: ignore[arg-type]
        self._parts.append(part)
        return len(part)

    def take(self) -> bytes:
        """Return what was written since the last time."""
        data = b"".join(self._parts)
        self._parts.clear()
        return data


async def export_case(call: Call, _: NoQuery) -> web.StreamResponse:
    """Send the archive."""
    case_id = case_of(call)
    case = told(await analytics_of(call).client.get(f"/cases/{case_id}"))
    txids = [TxId(bytes.fromhex(txid)) for txid in case["transactions"]]
    await asyncio.to_thread(_require_final, call, txids)
    response = web.StreamResponse()
    response.content_type = ZIP
    response.headers[hdrs.CONTENT_DISPOSITION] = f'attachment; filename="{case_id}.zip"'
    response.headers[hdrs.CACHE_CONTROL] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    await response.prepare(call.request)
    outgoing = _Outgoing()
    with zipfile.ZipFile(outgoing, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("case.json", write_json(case))
        for txid in txids:
            # Proof and compression: not on the event loop.
            await asyncio.to_thread(_add_bundle, archive, call, txid)
            await _send(response, outgoing)
    await _send(response, outgoing)
    await response.write_eof()
    return response


async def _send(response: web.StreamResponse, outgoing: _Outgoing) -> None:
    async with asyncio.timeout(EXPORT_WRITE_SECONDS_MAX):
        await response.write(outgoing.take())


def _add_bundle(archive: zipfile.ZipFile, call: Call, txid: TxId) -> None:
    proof = call.view.prove(txid)
    if proof is None:
        raise AssertionError(f"{txid.hex()} was final")
    document = bundle_document(
        proof,
        chain_id=call.backend.chain_id,
        genesis_hash=call.genesis_hash,
        genesis=call.backend.genesis_json,
    )
    archive.writestr(f"evidence/{txid.hex()}.json", write_json(document))


def _require_final(call: Call, txids: list[TxId]) -> None:
    """Refuse an export that would lack a bundle; the warehouse holds final blocks only."""
    final = call.view.final.height
    for txid in txids:
        position = call.view.location(txid)
        if position is None or position.height > final:
            raise not_yet("not_final", f"Transaction {txid.hex()} is not final here yet.")


OPERATION: Final = Operation(
    method="GET",
    path="/v1/audit/cases/{case}/export",
    name="export_case",
    summary="A case with the evidence bundles of all its transactions, as one archive",
    tag=TAG,
    access=Access.REGULATOR,
    handler=export_case,
    answers={
        200: Answer(
            description="``case.json`` and ``evidence/<txid>.json``.",
            contents=(Content(media_type=ZIP, description="A ZIP archive."),),
        )
    },
    problems=(404, 409, 503),
    is_stream=True,
)
