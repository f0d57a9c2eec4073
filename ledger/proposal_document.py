"""A proposal as the JSON file that officers hand on, and that people can read.

What counts is ``body``, the bytes in hex that are signed. ``decoded`` says the same in words; a file
in which the two differ is refused, and so is one with a signature that does not hold.
"""

from __future__ import annotations

import json
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ledger.addresses import encode_account_id
from ledger.errors import InvalidProposal, LedgerError
from ledger.identity import KeySet
from ledger.measures import Govern, measure_kind
from ledger.proposals import Proposal, add_signature
from ledger.transactions import Body, Signature, decode_body

FORMAT: Final = "sunlit-proposal/1"

PROPOSAL_BYTES_MAX: Final = 512 * 1024
"""Largest proposal file, bytes: 100 measures with the longest reasons, in hex and in words."""


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _MeasureDocument(_Document):
    measure: str
    account: str
    reason: str
    case: str


class _DecodedDocument(_Document):
    policy: str
    member: str
    sequence: int
    measures: list[_MeasureDocument]
    valid_from: int
    valid_until: int


class _DecidersDocument(_Document):
    threshold: int
    keys: list[str]


class _SignatureDocument(_Document):
    public_key: str
    signature: str


class ProposalDocument(_Document):
    """The whole file."""

    format: Literal["sunlit-proposal/1"]
    chain_id: str
    genesis_hash: str
    txid: str
    decoded: _DecodedDocument
    body: str
    deciders: _DecidersDocument
    signatures: list[_SignatureDocument]


def proposal_json(proposal: Proposal) -> dict[str, Any]:
    """Return the document of a proposal, ready for JSON."""
    body, effect = proposal.body, proposal.effect
    document = ProposalDocument(
        format=FORMAT,
        chain_id=proposal.chain_id,
        genesis_hash=body.genesis_hash.hex(),
        txid=proposal.txid.hex(),
        decoded=_DecodedDocument(
            policy=effect.policy.name.lower(),
            member=proposal.member,
            sequence=proposal.actor.sequence,
            measures=[
                _MeasureDocument(
                    measure=measure_kind(measure).name.lower(),
                    account=encode_account_id(measure.account),
                    reason=measure.reason,
                    case=measure.case,
                )
                for measure in effect.measures
            ],
            valid_from=body.valid_from,
            valid_until=body.valid_until,
        ),
        body=body.encode().hex(),
        deciders=_DecidersDocument(
            threshold=proposal.deciders.threshold,
            keys=[key.hex() for key in proposal.deciders.keys],
        ),
        signatures=[
            _SignatureDocument(public_key=s.public_key.hex(), signature=s.signature.hex())
            for s in proposal.signatures
        ],
    )
    return document.model_dump()


def format_proposal(proposal: Proposal) -> str:
    """Return the file of a proposal, indented, ending with a newline."""
    return json.dumps(proposal_json(proposal), indent=2, ensure_ascii=False) + "\n"


def parse_proposal(text: str | bytes) -> Proposal:
    """Return the proposal of a file, with every signature verified.

    Raises:
        InvalidProposal: ``bad_proposal`` (not JSON, a field missing, unknown or wrong),
            ``proposal_differs`` (its words are not its bytes) or what `add_signature` says of a
            signature.
    """
    if len(text) > PROPOSAL_BYTES_MAX:
        detail = f"a proposal has {PROPOSAL_BYTES_MAX} bytes at most"
        raise InvalidProposal("bad_proposal", detail)
    try:
        document = ProposalDocument.model_validate_json(text)
        json.loads(text, object_pairs_hook=_refuse_repeated_name)
        proposal = _proposal(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidProposal("bad_proposal", f"{where or 'document'}: {first['msg']}") from None
    except InvalidProposal:
        raise
    except LedgerError as error:
        raise InvalidProposal("bad_proposal", error.detail, **error.fields) from None
    except ValueError:
        raise InvalidProposal("bad_proposal", "a field is not hexadecimal") from None
    return proposal


def _proposal(document: ProposalDocument) -> Proposal:
    body = decode_body(bytes.fromhex(document.body))
    _require_plain(body)
    keys = tuple(sorted(bytes.fromhex(key) for key in document.deciders.keys))
    proposal = Proposal(
        chain_id=document.chain_id,
        body=body,
        deciders=KeySet.from_value((document.deciders.threshold, keys)),
    )
    said = document.model_dump()
    means = proposal_json(proposal)
    for part in ("genesis_hash", "txid", "decoded"):
        if said[part] != means[part]:
            detail = f"{part}: the words of the file are not what its bytes say"
            raise InvalidProposal("proposal_differs", detail, part=part)
    for entry in document.signatures:
        signature = Signature(bytes.fromhex(entry.public_key), bytes.fromhex(entry.signature))
        proposal = add_signature(proposal, signature)
    return proposal


def _require_plain(body: Body) -> None:
    """Refuse a body that does anything but what a proposal shows."""
    is_plain = (
        isinstance(body.effect, Govern)
        and len(body.actors) == 1
        and isinstance(body.actors[0].id, str)
        and not body.reference
        and not body.payload
    )
    if not is_plain:
        detail = "its body is no governance by one member, or has a reference or a payload"
        raise InvalidProposal("bad_proposal", detail)


def _refuse_repeated_name(pairs: list[tuple[str, object]]) -> None:
    """Refuse an object that names a field twice; JSON readers would keep either value."""
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise InvalidProposal("bad_proposal", "an object names a field twice")
