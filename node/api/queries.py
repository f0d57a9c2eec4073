"""Query parameters and parts of paths, as they are written and as they are meant."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
)

from consensus.votes import Checkpoint
from ledger import limits
from ledger.addresses import decode_account_id
from ledger.attestations import DocumentKind
from ledger.errors import DecodeError
from ledger.hashing import HASH_BYTES, BlockHash, TxId
from ledger.identity import AccountId, AssetCode, asset_code
from ledger.transactions import HEIGHT_MAX
from node.api.limits import PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX
from node.api.problems import invalid
from node.api.views import KindName
from node.storage.view import At, Position

HASH_CHARACTERS: Final = 2 * HASH_BYTES
_DATE_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)

HASH_PATTERN: Final = f"^[0-9a-f]{{{HASH_CHARACTERS}}}$"
BLOCK_PATTERN: Final = f"^(head|finalized|[0-9]{{1,16}}|[0-9a-f]{{{HASH_CHARACTERS}}})$"
ACCOUNT_PATTERN: Final = "^(sun1[02-9ac-hj-np-z]{38}|SUN1[02-9AC-HJ-NP-Z]{38})$"
"""Bech32m, all small or all capital; the checksum is beyond a pattern."""
REPORT_PATTERN: Final = "^[a-z][a-z0-9-]{0,39}$"
MEMBER_PATTERN: Final = f"^[a-z][a-z0-9-]{{0,{limits.MEMBER_ID_BYTES_MAX - 1}}}$"
ASSET_PATTERN: Final = f"^[A-Z][A-Z0-9]{{0,{limits.ASSET_CODE_BYTES_MAX - 1}}}$"

HEIGHT_DIGITS_MAX: Final = 16
"""Digits of the highest height."""
ATTESTATION_CURSOR_CHARACTERS_MAX: Final = 400
"""A cursor among attestations is the key of one in hex: at most 176 bytes."""
POSITION_INDEX_LIMIT: Final = 2**32
"""A place within a block has 4 bytes."""


def digits(value: object) -> object:
    """Let only plain digits through: no sign, space, underscore or exponent."""
    if isinstance(value, str) and not (value.isascii() and value.isdigit() and len(value) < 20):
        raise ValueError("a whole number in digits")
    return value


def _date_time(value: object) -> object:
    """Let only RFC 3339 through: pydantic also reads numbers, as seconds or milliseconds."""
    if isinstance(value, str) and not _DATE_TIME.fullmatch(value):
        raise ValueError("a date and time of RFC 3339, with its zone")
    return value


def date_time_text(value: object) -> object:
    """Return a value that is text of RFC 3339 with its zone, for a body, where numbers could come.

    Raises:
        ValueError: it is something else.
    """
    if not isinstance(value, str):
        raise ValueError("a date and time of RFC 3339, with its zone")  # noqa: TRY004 - pydantic's
    return _date_time(value)


def _account(value: object) -> AccountId:
    try:
        return AccountId(decode_account_id(str(value)))
    except DecodeError as error:
        raise ValueError(error.detail) from None


def _asset(value: object) -> AssetCode:
    try:
        return asset_code(str(value))
    except DecodeError as error:
        raise ValueError(error.detail) from None


# A bound stands before the validator that wraps it: behind it pydantic checks it all the same, but
# writes "ge" and "le" into the schema, which mean nothing there.
Height = Annotated[int, Field(ge=0, le=HEIGHT_MAX), BeforeValidator(digits)]
Amount = Annotated[int, Field(ge=0, le=limits.AMOUNT_MAX), BeforeValidator(digits)]
Limit = Annotated[int, Field(ge=1, le=PAGE_ITEMS_MAX), BeforeValidator(digits)]
Cursor = Annotated[str, Field(max_length=200)]
AccountText = Annotated[
    AccountId,
    PlainValidator(_account),
    WithJsonSchema({"type": "string", "pattern": ACCOUNT_PATTERN}),
]
AssetText = Annotated[
    AssetCode,
    PlainValidator(_asset),
    WithJsonSchema({"type": "string", "pattern": ASSET_PATTERN}),
]
Moment = Annotated[AwareDatetime, BeforeValidator(_date_time)]
"""RFC 3339, with its zone."""


class StateName(StrEnum):
    """Which block's state a client asks for."""

    FINALIZED = "finalized"
    HEAD = "head"

    @property
    def at(self) -> At:
        """The same, as the chain's view names it."""
        return At.HEAD if self is StateName.HEAD else At.FINAL


class _Query(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PageQuery(_Query):
    """Which part of a list."""

    limit: Annotated[Limit, Field(description="Most items in the answer.")] = PAGE_ITEMS_DEFAULT
    cursor: Annotated[Cursor | None, Field(description="``next_cursor`` of the part before.")] = (
        None
    )


class StateQuery(_Query):
    """Which block's state."""

    state: Annotated[StateName, Field(description="The finalized block's state or the head's.")] = (
        StateName.FINALIZED
    )


class StatePageQuery(PageQuery, StateQuery):
    """Which part of a list, at which block."""


class SupplyQuery(StatePageQuery):
    """Which part of the supplies, at which block."""

    height: Annotated[
        Height | None,
        Field(description="A final block: everything is counted from the genesis up to it."),
    ] = None


class BlocksQuery(PageQuery):
    """Which blocks of the best chain."""

    first: Annotated[Height, Field(alias="from", description="Lowest height, inclusive.")] = 0
    last: Annotated[
        Height | None, Field(alias="to", description="Highest height, inclusive; the head's.")
    ] = None


class FinalityQuery(_Query):
    """Whether final blocks are enough."""

    finality: Annotated[At, Field(description="Final blocks only, or those up to the head.")] = (
        At.FINAL
    )


class StreamQuery(FinalityQuery):
    """Where a stream of blocks begins, and whether it goes on."""

    first: Annotated[Height, Field(alias="from", description="First height.")] = 0
    follow: Annotated[
        Literal["true", "false"],
        Field(description="Go on with new blocks, or end behind the last one."),
    ] = "false"


class AuditTransactionsQuery(PageQuery, FinalityQuery):
    """Which transactions; all conditions hold together."""

    account: Annotated[AccountText | None, Field(description="Party: debited or credited.")] = None
    asset: Annotated[AssetText | None, Field(description="Asset of a leg.")] = None
    kind: Annotated[KindName | None, Field(description="What the transaction does.")] = None
    min_amount: Annotated[
        Amount | None, Field(description="Least amount of a leg, in smallest units.")
    ] = None
    since: Annotated[Moment | None, Field(description="Earliest time of the block.")] = None
    until: Annotated[Moment | None, Field(description="Latest time of the block.")] = None


class AttestationsQuery(PageQuery, StateQuery):
    """Which attestations; all conditions hold together."""

    cursor: Annotated[
        str | None,
        Field(
            max_length=ATTESTATION_CURSOR_CHARACTERS_MAX,
            description="``next_cursor`` of the part before.",
        ),
    ] = None
    member: Annotated[str | None, Field(pattern=MEMBER_PATTERN, description="Who attests.")] = None
    kind: Annotated[DocumentKind | None, Field(description="What the hash is of.")] = None
    subject: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=limits.SUBJECT_BYTES_MAX,
            description="What the document is about, exactly.",
        ),
    ] = None
    sha256: Annotated[
        str | None, Field(pattern=HASH_PATTERN, description="SHA-256 of the document.")
    ] = None


def parse_txid(text: str) -> TxId:
    """Return the txid that a path names.

    Raises:
        Problem: 422.
    """
    return TxId(_hash(text, "/path/txid"))


def parse_account(text: str) -> AccountId:
    """Return the account that a path names.

    Raises:
        Problem: 422 with the reason, for example a mistyped character.
    """
    try:
        return AccountId(decode_account_id(text))
    except DecodeError as error:
        raise invalid("/path/account", error.detail, code=error.code) from None


def parse_block_hash(text: str) -> bytes:
    """Return the block hash that a path names, 32 bytes.

    Raises:
        Problem: 422.
    """
    message = f"a height, {HASH_CHARACTERS} characters of lower-case hex, head or finalized"
    return _hash(text, "/path/block", message=message)


def parse_number_cursor(cursor: str | None) -> int | None:
    """Return the number that a list's cursor stands for.

    Raises:
        Problem: 422; this node never gave that cursor.
    """
    if cursor is None:
        return None
    is_number = cursor.isascii() and cursor.isdigit() and len(cursor) < 20
    if not is_number or str(int(cursor)) != cursor:
        raise invalid("/query/cursor", "no cursor of this list", code="bad_cursor")
    return int(cursor)


def parse_position_cursor(cursor: str | None) -> Position | None:
    """Return the transaction's place, ``height:index``, that a list's cursor stands for.

    Raises:
        Problem: 422; this node never gave that cursor.
    """
    if cursor is None:
        return None
    height, separator, index = cursor.partition(":")
    is_number = all(
        n.isascii() and n.isdigit() and len(n) <= HEIGHT_DIGITS_MAX for n in (height, index)
    )
    if not separator or not is_number or int(index) >= POSITION_INDEX_LIMIT:
        raise invalid("/query/cursor", "no cursor of this list", code="bad_cursor")
    return Position(int(height), int(index))


def position_cursor(position: Position | None) -> str | None:
    """Return the cursor of a transaction's place."""
    return None if position is None else f"{position.height}:{position.index}"


def parse_event_id(text: str) -> Checkpoint:
    """Return the block, ``height:hash``, that a ``Last-Event-ID`` names.

    Raises:
        Problem: 422; no stream ever gave that id (threat 68).
    """
    height, separator, block_hash = text.partition(":")
    is_number = height.isascii() and height.isdigit() and len(height) <= HEIGHT_DIGITS_MAX
    if not separator or not is_number or int(height) > HEIGHT_MAX:
        raise invalid("/header/Last-Event-ID", "height:hash", code="bad_cursor")
    named = _hash(block_hash, "/header/Last-Event-ID", code="bad_cursor")
    return Checkpoint(height=int(height), hash=BlockHash(named))


def milliseconds(moment: datetime) -> int:
    """Return a time as milliseconds since 1970-01-01 UTC, exactly."""
    span = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (span.days * 86_400 + span.seconds) * 1_000 + span.microseconds // 1_000


def _hash(
    text: str,
    pointer: str,
    *,
    message: str = f"{HASH_CHARACTERS} characters of lower-case hex",
    code: str = "invalid_field",
) -> bytes:
    is_hex = len(text) == HASH_CHARACTERS and all(c in "0123456789abcdef" for c in text)
    if not is_hex:
        raise invalid(pointer, message, code=code)
    return bytes.fromhex(text)
