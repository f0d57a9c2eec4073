"""What the governance commands do: propose a measure, sign it, submit it.

A proposal is a file that goes from officer to officer. Signing a draft and proposing read the chain
for the regulator's next sequence; every further signature needs no network. What is shown before a
signature comes from the bytes that are signed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import click

from ledger.addresses import encode_account_id
from ledger.errors import InvalidProposal
from ledger.genesis_document import MemberDocument
from ledger.identity import AccountId, Member, MemberId
from ledger.measures import Freeze, Measure, MeasureKind, Unfreeze, measure_kind
from ledger.proposal_document import (
    PROPOSAL_BYTES_MAX,
    format_proposal,
    parse_proposal,
    proposal_json,
)
from ledger.proposals import Proposal, add_signature, complete, draft_proposal, renew
from ledger.transactions import NONCE_BYTES, Actor, Signature
from wallet.building import next_actor
from wallet.connection import Connection, connect
from wallet.console import Session, has_terminal, printable, progress
from wallet.errors import ApiError, InvalidRequest
from wallet.files import write_private
from wallet.keystore import Keystore, SigningKey
from wallet.naming import account_of, officer_keys
from wallet.outbox import Outbox
from wallet.profile import Profile
from wallet.sending import Sender, Wait
from wallet.session import Json

_KEY_DIGITS_SHOWN: Final = 18
"""Hexadecimal digits by which an officer's key is shown that this home has no name for."""


async def propose_measure(
    session: Session,
    *,
    kind: str,
    accounts: Sequence[str],
    reason: str,
    case: str,
    officer: str,
    valid_blocks: int,
    output: Path,
) -> None:
    """Write a new proposal, signed by its maker."""
    keystore, profile = session.keystore(), session.profile()
    key = _officer(keystore, officer)
    measures = [_measure(kind, account_of(keystore, name), reason, case) for name in accounts]
    _require_new(output)
    async with connect(profile, key, url=session.node) as connection:
        entry = await _member_entry(connection, key.entry.member)
        proposal = draft_proposal(
            measures,
            chain_id=profile.chain_id,
            genesis_hash=profile.genesis_hash,
            actor=_next_actor(session, key.entry.member, entry),
            member=_member(entry),
            head_height=connection.head_height,
            nonce=os.urandom(NONCE_BYTES),
            valid_blocks=valid_blocks,
        )
    signed = _signed(proposal, key)
    _write(output, signed, replace=False)
    _tell(describe(signed, keystore))
    _show_progress(session, output, signed)


async def sign_proposal(
    session: Session, *, file: Path, officer: str, is_agreed: bool, output: Path | None
) -> None:
    """Add an officer's signature to a proposal, after showing what it decides."""
    keystore, profile = session.keystore(), session.profile()
    proposal = _load(file, profile)
    key = _officer(keystore, officer)
    if key.entry.member != proposal.member:
        detail = f"{officer} is an officer of {key.entry.member}, not of {proposal.member}"
        raise InvalidRequest("not_an_officer", detail, name=officer, member=proposal.member)
    if not proposal.signatures:
        proposal = await _renewed(session, proposal, key)
    signed = _signed(proposal, key)  # refused before anybody is asked
    _ask(proposal, keystore, officer, is_agreed=is_agreed)
    target = output or file
    _write(target, signed, replace=output is None)
    _show_progress(session, target, signed)


async def submit_proposal(session: Session, *, file: Path, wait: str, timeout_s: float) -> None:
    """Send a complete proposal and show where it is."""
    profile = session.profile()
    proposal = _load(file, profile)
    transaction = complete(proposal)
    url = session.node or profile.node_of(proposal.member).api
    outbox = Outbox(session.home)
    async with connect(profile, url=url) as connection:
        sender = Sender(connection, outbox, genesis_hash=profile.genesis_hash, progress=progress)
        async with outbox.locked():
            outbox.keep(transaction)
        receipt = await sender.submit(transaction)
        receipt = await sender.follow(transaction, receipt, Wait(wait), timeout_s=timeout_s)
    # The file has the same bytes for as long as somebody may want to send them again.
    sender.drop([transaction])
    session.show(receipt.to_json(), [receipt.line])


def show_proposal(session: Session, *, file: Path) -> None:
    """Show what a proposal decides, from its bytes, and who signed it."""
    proposal = _parse(file)
    document = {**proposal_json(proposal), "complete": proposal.is_complete}
    session.show(document, describe(proposal, session.keystore()))


def describe(proposal: Proposal, keystore: Keystore) -> list[str]:
    """Return what a proposal's bytes say, line by line, with this home's names for what it knows."""
    entries = keystore.entries()
    accounts = {entry.account: entry.name for entry in entries if entry.account is not None}
    officers = {entry.public_key: entry.name for entry in entries}
    body, deciders = proposal.body, proposal.deciders
    lines = [f"{proposal.member} decides on chain {proposal.chain_id}:"]
    for measure in proposal.effect.measures:
        name = accounts.get(measure.account)
        known_as = "" if name is None else f" ({name})"
        lines.append(f"  {_name(measure)} {encode_account_id(measure.account)}{known_as}")
        lines.append(f"    reason: {measure.reason}")
        if measure.case:
            lines.append(f"    case: {measure.case}")
    signed = [
        officers.get(s.public_key, s.public_key.hex()[:_KEY_DIGITS_SHOWN] + "…")
        for s in proposal.signatures
    ]
    return [
        *lines,
        f"  sequence {proposal.actor.sequence}",
        f"  valid in blocks {body.valid_from} to {body.valid_until}",
        f"  txid {proposal.txid.hex()}",
        f"  genesis {body.genesis_hash.hex()}",
        f"  signed {len(signed)} of {deciders.threshold}: {', '.join(signed) or 'nobody yet'}",
    ]


def _measure(kind: str, account: AccountId, reason: str, case: str) -> Measure:
    make = Freeze if kind == MeasureKind.FREEZE.name.lower() else Unfreeze
    return make(account=account, reason=reason, case=case)


def _name(measure: Measure) -> str:
    return measure_kind(measure).name.lower()


def _officer(keystore: Keystore, name: str) -> SigningKey:
    (key,) = officer_keys(keystore, [name], keystore.entry(name).member)
    return key


def _signed(proposal: Proposal, key: SigningKey) -> Proposal:
    signature = Signature(key.entry.public_key, key.sign(proposal.message))
    return add_signature(proposal, signature)


async def _renewed(session: Session, proposal: Proposal, key: SigningKey) -> Proposal:
    """Return a draft with the sequence that its regulator has next."""
    async with connect(session.profile(), key, url=session.node) as connection:
        entry = await _member_entry(connection, proposal.member)
        actor = _next_actor(session, proposal.member, entry)
        return renew(proposal, sequence=actor.sequence, head_height=connection.head_height)


def _next_actor(session: Session, member: MemberId, entry: Json) -> Actor:
    kept = Outbox(session.home).transactions()
    pending = [actor for transaction in kept for actor in transaction.body.actors]
    try:
        sequence = int(entry["next_sequences"]["0"])
    except (KeyError, TypeError, ValueError):
        raise ApiError("bad_answer", "a member without next_sequences", status=200) from None
    return next_actor(member, {0: sequence}, pending)


async def _member_entry(connection: Connection, member: MemberId) -> Json:
    for entry in await connection.client.members():
        if entry.get("member") == member:
            return entry
    raise InvalidRequest("unknown_member", f"no member {member} on this chain", member=member)


def _member(entry: Json) -> Member:
    fields: dict[str, Any] = {
        name: entry.get("member" if name == "id" else name) for name in MemberDocument.model_fields
    }
    try:
        return MemberDocument.model_validate(fields).to_member()
    except ValueError:
        raise ApiError("bad_answer", "a member's entry is incomplete", status=200) from None


def _ask(proposal: Proposal, keystore: Keystore, officer: str, *, is_agreed: bool) -> None:
    """Show what is to be signed, and let the officer agree; a script has agreed by its command."""
    _tell(describe(proposal, keystore))
    if is_agreed or not has_terminal():
        return
    if not click.confirm(f"Sign this as {printable(officer)}?", err=True):
        raise InvalidRequest("not_confirmed", "nothing was signed")


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        progress(line)


def _load(file: Path, profile: Profile) -> Proposal:
    """Return a file's proposal, which must be for the home's chain."""
    proposal = _parse(file)
    is_ours = proposal.body.genesis_hash == profile.genesis_hash
    if not is_ours or proposal.chain_id != profile.chain_id:
        detail = f"{file} is for another chain than this home's {profile.chain_id}"
        raise InvalidRequest("wrong_chain", detail, file=str(file))
    return proposal


def _parse(file: Path) -> Proposal:
    with file.open("rb") as source:
        content = source.read(PROPOSAL_BYTES_MAX + 1)
    try:
        return parse_proposal(content)
    except InvalidProposal as error:
        error.detail = f"{file}: {error.detail}"
        raise


def _write(path: Path, proposal: Proposal, *, replace: bool) -> None:
    """Write a proposal for its owner alone: what it plans is not for everybody's eyes."""
    try:
        write_private(path, format_proposal(proposal).encode(), replace=replace)
    except FileExistsError:
        raise _file_exists(path) from None


def _require_new(path: Path) -> None:
    if path.exists():
        raise _file_exists(path)


def _file_exists(path: Path) -> InvalidRequest:
    return InvalidRequest("file_exists", f"{path} is there already", path=str(path))


def _show_progress(session: Session, file: Path, proposal: Proposal) -> None:
    present, required = len(proposal.signatures), proposal.deciders.threshold
    document = {
        "file": str(file),
        "txid": proposal.txid.hex(),
        "signatures": present,
        "threshold": required,
        "complete": proposal.is_complete,
        "valid_until": proposal.body.valid_until,
    }
    step = "submit" if proposal.is_complete else "cosign"
    line = f"{file} is signed {present} of {required}; next: sunlit govern {step} {file}"
    session.show(document, [line])
