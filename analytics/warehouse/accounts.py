"""The warehouse's numbers for accounts: small integers in place of ids, kept in memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ledger.addresses import encode_account_id
from ledger.identity import AccountId

Integers = npt.NDArray[np.int64]

NO_ACCOUNT: Final = -1
"""Number of the missing side of an issue or a redemption."""


class OpenedRow(NamedTuple):
    """A new account, in the order of the columns of ``internal.accounts``."""

    key: int
    id: bytes
    account: str
    member: str
    kind: str
    status: str
    opened_height: int
    opened_time: int


class AccountKeys:
    """Numbers of all accounts, dealt in the order in which they were opened."""

    def __init__(self, known: Iterable[tuple[bytes, str]] = ()) -> None:
        self.texts: list[str] = []
        """Account ids as people see them, by number."""
        self.of_id: dict[bytes | None, int] = {None: NO_ACCOUNT}
        """Numbers by id."""
        for account, text in known:
            self._add(account, text)

    def open(self, account: AccountId) -> tuple[int, str]:
        """Number a new account; return its number and its id as text."""
        text = encode_account_id(account)
        return self._add(account, text), text

    def numbers(self, ids: Iterable[bytes | None], count: int) -> Integers:
        """Return the numbers of so many ids."""
        return np.fromiter(map(self.of_id.__getitem__, ids), np.int64, count)

    def _add(self, account: bytes, text: str) -> int:
        key = len(self.texts)
        self.of_id[account] = key
        self.texts.append(text)
        return key
