"""Signed transactions that are not yet known to be final: ``<home>/outbox/<txid>``.

Each is on disk before it is submitted, so that a crash, a timeout or a lost answer leaves the very
bytes to send again: the same bytes can never pay twice, a second signature could. What is kept
also tells which sequences are taken but not yet on the chain.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from ledger.errors import DecodeError
from ledger.limits import TRANSACTION_BYTES_MAX
from ledger.transactions import SignedTransaction, decode_transaction
from wallet.errors import OutboxError
from wallet.files import (
    PRIVATE_FILE_MODE,
    make_private_directory,
    read_private,
    remove_private,
    write_private,
)

_TXID = re.compile(r"[0-9a-f]{64}", re.ASCII)
_LOCK_NAME: Final = ".lock"


class Outbox:
    """The kept transactions of a home."""

    def __init__(self, home: Path) -> None:
        self._directory = home / "outbox"

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Hold the home's outbox alone, from reading sequences until the transaction is kept."""
        make_private_directory(self._directory)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self._directory / _LOCK_NAME, flags, PRIVATE_FILE_MODE)
        try:
            await asyncio.to_thread(fcntl.flock, descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def keep(self, transaction: SignedTransaction) -> None:
        """Store a signed transaction; it is durable on return."""
        write_private(self._path(transaction.txid.hex()), transaction.raw, replace=True)

    def remove(self, txid: str) -> None:
        """Forget a transaction that is final or can never be."""
        remove_private(self._path(txid))

    def load(self, txid: str) -> SignedTransaction:
        """Return a kept transaction by its id in hex.

        Raises:
            OutboxError: ``unknown_transaction`` or ``outbox_damaged``.
        """
        path = self._path(txid)
        try:
            transaction = decode_transaction(read_private(path, bytes_max=TRANSACTION_BYTES_MAX))
        except FileNotFoundError:
            detail = f"the outbox holds no transaction {txid}"
            raise OutboxError("unknown_transaction", detail, txid=txid) from None
        except DecodeError as error:
            raise OutboxError("outbox_damaged", f"{path}: {error.detail}", txid=txid) from None
        if transaction.txid.hex() != txid:
            detail = f"{path}: it holds another transaction"
            raise OutboxError("outbox_damaged", detail, txid=txid)
        return transaction

    def transactions(self) -> list[SignedTransaction]:
        """Return everything kept, in order of id."""
        if not self._directory.is_dir():
            return []
        names = (path.name for path in self._directory.iterdir())
        return [self.load(name) for name in sorted(names) if _TXID.fullmatch(name)]

    def _path(self, txid: str) -> Path:
        if not _TXID.fullmatch(txid):
            detail = f"{txid[:80]!r} is no transaction id: 64 hexadecimal digits"
            raise OutboxError("bad_txid", detail, txid=txid[:80])
        return self._directory / txid
