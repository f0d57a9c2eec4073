"""Balances in memory, a number for each account and asset, and what each day closes with."""

from __future__ import annotations

from typing import Final

import numpy as np

from analytics.errors import WarehouseCorrupt
from analytics.warehouse.accounts import NO_ACCOUNT, Integers
from ledger.limits import ASSETS_MAX

DAY_MS: Final = 86_400_000
"""A UTC day, milliseconds."""
_FIRST_SLOTS: Final = 1_024


class Balances:
    """Posted balances of all accounts in smallest units.

    A pair of account and asset is one number, the pair's code: account key x ``ASSETS_MAX`` + asset
    key.
    """

    def __init__(self) -> None:
        self._slots: dict[int, int] = {}
        self._values: Integers = np.zeros(_FIRST_SLOTS, np.int64)

    def apply(self, codes: Integers, changes: Integers) -> tuple[Integers, Integers]:
        """Add changes to balances; return the codes of those that changed, and the sums after.

        Within one call the sums may pass 2^63 on the way: they wrap around, and back.

        Raises:
            WarehouseCorrupt: a balance below zero, which no chain has.
        """
        unique, places = np.unique(codes, return_inverse=True)
        sums = np.zeros(len(unique), np.int64)
        np.add.at(sums, places, changes)
        slots = self._slots_of(unique)
        after = self._values[slots] + sums
        if len(after) and after.min() < 0:
            at = int(after.argmin())
            raise WarehouseCorrupt(
                "balance_negative",
                "a balance is below zero: the warehouse does not hold what the chain does",
                account_key=int(unique[at]) // ASSETS_MAX,
                balance=int(after[at]),
            )
        self._values[slots] = after
        return unique, after

    def _slots_of(self, codes: Integers) -> Integers:
        known = self._slots
        slots = [known.setdefault(code, len(known)) for code in codes.tolist()]
        while len(known) > len(self._values):
            self._values = np.concatenate((self._values, np.zeros_like(self._values)))
        return np.array(slots, np.int64)


def pair_codes(account_keys: Integers, asset_keys: Integers) -> Integers:
    """Return the codes of pairs of account and asset."""
    return account_keys * ASSETS_MAX + asset_keys


def changes_of(
    debit_keys: Integers, credit_keys: Integers, asset_keys: Integers, amounts: Integers
) -> tuple[Integers, Integers]:
    """Return the codes and changes of some legs: minus at the debit, plus at the credit."""
    paid, received = debit_keys != NO_ACCOUNT, credit_keys != NO_ACCOUNT
    codes = np.concatenate(
        (
            pair_codes(debit_keys[paid], asset_keys[paid]),
            pair_codes(credit_keys[received], asset_keys[received]),
        )
    )
    return codes, np.concatenate((-amounts[paid], amounts[received]))
