"""``POST /v1/audit/alerts/{id}/response``: from an alert to a drafted measure.

The draft is a proposal to freeze the alert's account, with the case's id in it and nobody's
signature: ``sunlit govern sign``, ``cosign`` and ``submit`` take it on. An alert gets one draft;
asking again gives the same.
"""

from __future__ import annotations

import os
from typing import Any, Final

from aiohttp import web

from ledger import limits
from ledger.addresses import decode_account_id
from ledger.errors import InvalidTransaction
from ledger.governance import account_after
from ledger.identity import AccountId, Member
from ledger.measures import Freeze
from ledger.proposal_document import proposal_json
from ledger.proposals import draft_proposal
from ledger.state import member_key
from ledger.transactions import NONCE_BYTES, Actor
from node.analytics.asking import analytics_of
from node.analytics.case_documents import ALERT_PATTERN, ResponseDocument
from node.api.operations import Access, Call, NoQuery, Operation, json_response, ok
from node.api.problems import Problem, forbidden
from node.audit.cases import TAG, caller_key, named, told
from node.storage.view import At

_REASON_END: Final = "…"


async def draft_response(call: Call, _: NoQuery) -> web.Response:
    """Open or find the alert's case, and give it with an unsigned proposal to freeze."""
    client = analytics_of(call).client
    alert_id = named(call, "alert", ALERT_PATTERN, "the id of an alert")
    path = f"/alerts/{alert_id}/response"
    found = await client.get(path)
    if found["proposal"] is not None:
        case = await client.get(f"/cases/{found['case']}")
        return json_response({"case": told(case), "proposal": found["proposal"]})
    alert = found["alert"]
    if alert["account"] is None:
        detail = "The alert is about the market; there is no account to freeze."
        raise Problem(409, "alert_without_account", detail)
    proposal = _draft(call, alert, found["case"])
    kept = await client.post(
        path,
        {
            "by": caller_key(call),
            "case": found["case"],
            "account": alert["account"],
            "proposal": proposal,
        },
    )
    return json_response({"case": told(kept["case"]), "proposal": kept["proposal"]})


def _draft(call: Call, alert: dict[str, Any], case_id: str) -> dict[str, Any]:
    """Return the proposal's document.

    Raises:
        Problem: 409, the account cannot be frozen, for example because it is.
    """
    view, backend, regulator = call.view, call.backend, call.caller.member
    member = view.record(member_key(regulator))
    if not isinstance(member, Member):
        raise forbidden("not_regulator", "This is for regulators' officers.")
    freeze = Freeze(
        account=AccountId(decode_account_id(alert["account"])),
        reason=reason_of(alert),
        case=case_id,
    )
    try:
        account_after(view.account(freeze.account, At.HEAD), freeze)
    except InvalidTransaction as error:
        raise Problem(409, error.code, f"There is nothing to freeze: {error.detail}.") from None
    proposal = draft_proposal(
        [freeze],
        chain_id=backend.chain_id,
        genesis_hash=call.genesis_hash,
        actor=Actor(regulator, 0, view.member_sequence(regulator, At.HEAD)),
        member=member,
        head_height=view.head.height,
        nonce=os.urandom(NONCE_BYTES),
    )
    return proposal_json(proposal)


def reason_of(alert: dict[str, Any]) -> str:
    """Return an alert's reasons as a measure's, cut to the bytes that it may have."""
    texts = "; ".join(reason["text"] for reason in alert["reasons"])
    reason = f"{alert['typology']}: {texts}"
    data = reason.encode()
    if len(data) <= limits.REASON_BYTES_MAX:
        return reason
    kept = data[: limits.REASON_BYTES_MAX - len(_REASON_END.encode())]
    return kept.decode(errors="ignore") + _REASON_END


OPERATION: Final = Operation(
    method="POST",
    path="/v1/audit/alerts/{alert}/response",
    name="draft_response",
    summary="Draft the measure that answers an alert, in a case of its own",
    tag=TAG,
    access=Access.REGULATOR,
    handler=draft_response,
    answers=ok(ResponseDocument, "The case, and the proposal that officers sign."),
    problems=(404, 409, 503),
)
