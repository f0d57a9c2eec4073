"""Payments from a CSV file: all rows are right, or nothing is sent.

    to,amount,asset,reference
    bob,12.50,CNY,invoice 7
    sun1…,3.00,CNY,

The header is required; its columns may come in any order and ``reference`` may be left out.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Final

from ledger.amounts import format_amount
from ledger.errors import LedgerError
from ledger.identity import AccountId, AssetCode
from ledger.kinds import Leg
from ledger.limits import REFERENCE_BYTES_MAX, TRANSACTION_LEGS_MAX
from wallet.amounts import parse_amount
from wallet.errors import InvalidBatch, WalletError

BATCH_BYTES_MAX: Final = 64 * 1024 * 1024
"""Largest file, bytes."""
BATCH_ROWS_MAX: Final = 100_000
"""Most payments in a file."""
ERRORS_SHOWN_MAX: Final = 10
"""Wrong rows that one error names; the rest are counted."""

_REQUIRED: Final = ("to", "amount", "asset")
_OPTIONAL: Final = ("reference",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """One row."""

    line: int
    """Line of the file where the row ends, counted from 1."""
    to: AccountId
    """Who is paid."""
    amount: int
    """Smallest units."""
    asset: AssetCode
    """What is paid."""
    reference: str
    """Text for people, at most 140 bytes of UTF-8."""


def read_batch(
    path: Path, *, resolve: Callable[[str], AccountId], decimals: Mapping[AssetCode, int]
) -> list[Payment]:
    """Return the payments of a file.

    Args:
        path: CSV in UTF-8, with or without a byte order mark.
        resolve: gives the account of a name or an id; raises WalletError or LedgerError.
        decimals: decimal places of each asset.

    Raises:
        InvalidBatch: ``bad_batch``; the detail names the wrong lines.
    """
    text = _read_text(path)
    # `strict` refuses an unclosed quote, which would swallow the rows behind it.
    reader = csv.DictReader(StringIO(text, newline=""), strict=True)
    payments: list[Payment] = []
    faults: list[str] = []
    try:
        _check_header(reader.fieldnames or ())
        for row in reader:
            if len(payments) + len(faults) >= BATCH_ROWS_MAX:
                raise InvalidBatch(
                    "bad_batch", f"more than {BATCH_ROWS_MAX} rows; send several files"
                )
            try:
                payments.append(_payment(row, reader.line_num, resolve, decimals))
            except (WalletError, LedgerError) as error:
                faults.append(f"line {reader.line_num}: {error.detail}")
    except csv.Error as error:
        faults.append(f"line {reader.line_num}: {error}")
    if faults:
        raise InvalidBatch("bad_batch", _summary(faults), faults=tuple(faults))
    if not payments:
        raise InvalidBatch("bad_batch", f"{path} holds no payments")
    return payments


def check_funds(
    payments: Sequence[Payment],
    available: Mapping[AssetCode, int],
    decimals: Mapping[AssetCode, int],
) -> None:
    """Check that the payer holds what all rows together move.

    Raises:
        InvalidBatch: ``insufficient_funds``.
    """
    totals: Counter[AssetCode] = Counter()
    for payment in payments:
        totals[payment.asset] += payment.amount
    for asset, total in totals.items():
        if total > available.get(asset, 0):
            places = decimals[asset]
            needed = format_amount(total, decimals=places)
            held = format_amount(available.get(asset, 0), decimals=places)
            detail = f"the rows move {needed} {asset} where {held} are available"
            raise InvalidBatch("insufficient_funds", detail, asset=asset, needed=total)


def transfers_of(payer: AccountId, payments: Sequence[Payment]) -> Iterator[tuple[Leg, ...]]:
    """Yield the legs of each transaction: up to `TRANSACTION_LEGS_MAX` rows, in order."""
    for start in range(0, len(payments), TRANSACTION_LEGS_MAX):
        yield tuple(
            Leg(payer, payment.to, payment.asset, payment.amount, payment.reference)
            for payment in payments[start : start + TRANSACTION_LEGS_MAX]
        )


def _read_text(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(BATCH_BYTES_MAX + 1)
    if len(content) > BATCH_BYTES_MAX:
        raise InvalidBatch("bad_batch", f"{path} is larger than {BATCH_BYTES_MAX} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidBatch("bad_batch", f"line {line}: not UTF-8 text") from None


def _check_header(columns: Sequence[str]) -> None:
    known = {*_REQUIRED, *_OPTIONAL}
    missing = [column for column in _REQUIRED if column not in columns]
    unknown = [column for column in columns if column not in known]
    if missing or unknown or len(set(columns)) != len(columns):
        wanted = ",".join((*_REQUIRED, *_OPTIONAL))
        found = ",".join(columns)[:200]
        raise InvalidBatch("bad_batch", f"line 1: the header is {wanted}, not {found!r}")


def _payment(
    row: Mapping[str, str],
    line: int,
    resolve: Callable[[str], AccountId],
    decimals: Mapping[AssetCode, int],
) -> Payment:
    # DictReader files surplus cells under None, and gives None for missing ones.
    if None in row or any(row.get(column) is None for column in _REQUIRED):
        raise InvalidBatch("bad_batch", "the row has not as many cells as the header")
    asset = AssetCode(row["asset"].strip())
    if asset not in decimals:
        raise InvalidBatch("bad_batch", f"no asset {asset!r} on this chain")
    reference = row.get("reference") or ""
    if len(reference.encode()) > REFERENCE_BYTES_MAX:
        raise InvalidBatch("bad_batch", f"the reference is over {REFERENCE_BYTES_MAX} bytes")
    return Payment(
        line=line,
        to=resolve(row["to"].strip()),
        amount=parse_amount(row["amount"].strip(), decimals=decimals[asset]),
        asset=asset,
        reference=reference,
    )


def _summary(faults: Sequence[str]) -> str:
    shown = "; ".join(faults[:ERRORS_SHOWN_MAX])
    more = len(faults) - ERRORS_SHOWN_MAX
    return f"{shown}; and {more} more" if more > 0 else shown
