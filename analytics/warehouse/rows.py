"""Blocks as rows, and rows as Arrow columns.

``Rows`` takes decoded blocks one after the other and keeps what the tables will hold of them. The
legs, of which there are many, stay tuples until they become columns, all at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from msgspec.structs import astuple

from analytics.warehouse.accounts import NO_ACCOUNT, AccountKeys, OpenedRow
from ledger.blocks import Block, SealedHeader
from ledger.genesis import Genesis
from ledger.identity import Account, AccountId, AccountStatus
from ledger.kinds import KIND_OF, Effect, Issue, OpenAccount, Redeem, Transfer
from ledger.measures import Freeze, Govern, measure_kind
from ledger.transactions import SignedTransaction, opened_account_id

GENESIS_KIND: Final = "genesis"
"""Kind of the legs that stand for the balances of the genesis document."""

KIND_NAMES: Final = {effect: kind.name.lower() for effect, kind in KIND_OF.items()}
"""Kinds of transactions as the tables name them."""

LegTuple: TypeAlias = tuple[bytes | None, bytes | None, str, int, str]
"""Debit, credit, asset, amount, reference."""
Integers: TypeAlias = npt.NDArray[np.int64]

_TIME: Final = pa.timestamp("ms")


@dataclass(slots=True)
class Rows:
    """What some blocks in a row bring to the tables; times in milliseconds since 1970."""

    accounts: AccountKeys
    """Numbers of the accounts; those that the blocks open are added."""
    blocks: list[tuple[Any, ...]] = field(default_factory=list)
    """Rows of ``blocks``."""
    transactions: list[tuple[Any, ...]] = field(default_factory=list)
    """Rows of ``transactions``; the genesis document is one without a txid."""
    legs: list[LegTuple] = field(default_factory=list)
    """Legs of these transactions, in order."""
    opened: list[OpenedRow] = field(default_factory=list)
    """Accounts that came into being."""
    measures: list[tuple[Any, ...]] = field(default_factory=list)
    """Rows of ``measures``."""
    statuses: dict[int, str] = field(default_factory=dict)
    """Last status that a measure gave an account, by its number."""

    def add_genesis(self, genesis: Genesis) -> None:
        """Take in the genesis document as block 0."""
        sealed = genesis.header()
        for account, record in sorted(genesis.accounts.items()):
            self._open(account, record, 0, genesis.time_ms)
        for account, held in sorted(genesis.balances.items()):
            self.legs.extend((None, account, asset, held[asset], "") for asset in sorted(held))
        count = len(self.legs)
        self.transactions.append((None, 0, 0, genesis.time_ms, GENESIS_KIND, None, count, ""))
        self.blocks.append((*_header_row(sealed), 0, count))

    def add(self, block: Block) -> None:
        """Take in the block that follows."""
        header = block.header
        before, height, time_ms = len(self.legs), header.height, header.time_ms
        for index, transaction in enumerate(block.transactions):
            start = len(self.legs)
            body = transaction.body
            effect, reference = body.effect, body.reference
            member = None
            # Most are transfers, and there are many: nothing is called for them in vain.
            if type(effect) is not Transfer:
                member = _acting_member(transaction)
                self._other(effect, transaction, index, height, time_ms, member)
            elif reference:
                self._transfer(effect, reference)
            else:
                self.legs.extend(map(astuple, effect.legs))
            count, kind = len(self.legs) - start, KIND_NAMES[type(effect)]
            txid = transaction.txid.hex()
            self.transactions.append((txid, height, index, time_ms, kind, member, count, reference))
        counts = (len(block.transactions), len(self.legs) - before)
        self.blocks.append((*_header_row(block.sealed), *counts))

    def _transfer(self, effect: Transfer, reference: str) -> None:
        self.legs.extend(
            (leg.debit, leg.credit, leg.asset, leg.amount, leg.reference or reference)
            for leg in effect.legs
        )

    def _other(
        self,
        effect: Effect,
        transaction: SignedTransaction,
        index: int,
        height: int,
        time_ms: int,
        member: str,
    ) -> None:
        if isinstance(effect, Issue):
            reference = transaction.body.reference
            self.legs.extend(
                (None, account, effect.asset, amount, reference)
                for account, amount in effect.entries
            )
        elif isinstance(effect, Redeem):
            reference = transaction.body.reference
            self.legs.extend(
                (account, None, effect.asset, amount, reference)
                for account, amount in effect.entries
            )
        elif isinstance(effect, OpenAccount):
            account = opened_account_id(transaction.txid)
            key, text = self.accounts.open(account)
            kind, status = effect.account_kind.value, AccountStatus.ACTIVE.value
            row = OpenedRow(key, account, text, member, kind, status, height, time_ms)
            self.opened.append(row)
        elif isinstance(effect, Govern):
            place = (transaction.txid.hex(), height, index, time_ms)
            self._govern(effect, place, member)

    def _govern(self, effect: Govern, place: tuple[Any, ...], member: str) -> None:
        for measure in effect.measures:
            key = self.accounts.of_id[measure.account]
            status = AccountStatus.FROZEN if isinstance(measure, Freeze) else AccountStatus.ACTIVE
            self.statuses[key] = status.value
            name, account = measure_kind(measure).name.lower(), self.accounts.texts[key]
            self.measures.append((*place, name, account, member, measure.reason, measure.case))

    def _open(self, account: AccountId, record: Account, height: int, time_ms: int) -> None:
        key, text = self.accounts.open(account)
        member, kind, status = record.member, record.kind.value, record.status.value
        self.opened.append(OpenedRow(key, account, text, member, kind, status, height, time_ms))


def _header_row(sealed: SealedHeader) -> tuple[Any, ...]:
    header = sealed.header
    place = (header.height, sealed.hash.hex(), header.parent.hex(), header.time_ms)
    return (*place, header.sealer, header.bits)


def _acting_member(transaction: SignedTransaction) -> str:
    """Return the one member that acts; every kind but a transfer has one, after the accounts."""
    return str(transaction.body.actors[-1].id)


class Columns:
    """The columns of some rows, all of which were added already."""

    def __init__(self, rows: Rows, asset_keys: dict[str, int]) -> None:
        self._rows = rows
        columns = list(zip(*rows.transactions, strict=True)) or [()] * 8
        self._txids, heights, indexes, times, self._kinds, self._members, counts, refs = columns
        self._references = refs
        self._heights = np.array(heights, np.int64)
        self._indexes = np.array(indexes, np.int64)
        self._times = np.array(times, np.int64)
        self._counts = np.array(counts, np.int64)
        self._of_leg = np.repeat(np.arange(len(self._counts)), self._counts)
        legs = list(zip(*rows.legs, strict=True)) or [()] * 5
        debits, receivers, self._assets, amounts, self._leg_references = legs
        account_keys = rows.accounts.of_id
        self.debit_keys: Integers = _numbers(debits, pa.binary(), account_keys)
        self.credit_keys: Integers = _numbers(receivers, pa.binary(), account_keys)
        self.asset_keys: Integers = _numbers(self._assets, pa.string(), asset_keys)
        self.amounts: Integers = np.array(amounts, np.int64)

    @cached_property
    def leg_heights(self) -> Integers:
        """Height of each leg."""
        return self._heights[self._of_leg]

    @cached_property
    def leg_times(self) -> Integers:
        """Time of each leg, milliseconds since 1970."""
        return self._times[self._of_leg]

    def blocks(self) -> pa.Table:
        """Return the rows of ``blocks``."""
        names = ("height", "hash", "parent", "time", "sealer", "bits", "transactions", "legs")
        return table(names, self._rows.blocks)

    def transactions(self) -> pa.Table:
        """Return the rows of ``transactions``, which the genesis document is not one of."""
        columns = {
            "txid": pa.array(self._txids, pa.string()),
            "height": self._heights,
            "index": self._indexes,
            "time": pa.array(self._times, _TIME),
            "kind": pa.array(self._kinds, pa.string()),
            "member": pa.array(self._members, pa.string()),
            "legs": self._counts,
            "reference": pa.array(self._references, pa.string()),
        }
        made = pa.table(columns)
        return made.slice(1) if self._txids[:1] == (None,) else made

    def legs(self) -> pa.Table:
        """Return the rows of ``internal.legs``."""
        of_leg = self._of_leg
        first = np.cumsum(self._counts) - self._counts
        return pa.table(
            {
                "txid": _coded(of_leg, self._txids),
                "height": self.leg_heights,
                "index": self._indexes[of_leg],
                "leg": np.arange(len(of_leg)) - first[of_leg],
                "time": pa.array(self.leg_times, _TIME),
                "kind": _coded(of_leg, self._kinds),
                "debit": self._texts(self.debit_keys),
                "credit": self._texts(self.credit_keys),
                "asset": pa.array(self._assets, pa.string()),
                "amount": self.amounts,
                "reference": pa.array(self._leg_references, pa.string()),
                "debit_key": _keys(self.debit_keys),
                "credit_key": _keys(self.credit_keys),
            }
        )

    def opened(self) -> pa.Table:
        """Return the new rows of ``internal.accounts``, without the heights of their activity."""
        return table(OpenedRow._fields, self._rows.opened, binary={"id"})

    def measures(self) -> pa.Table:
        """Return the rows of ``measures``."""
        names = ("txid", "height", "index", "time", "measure", "account", "member")
        return table((*names, "reason", "case_id"), self._rows.measures)

    def activity(self) -> pa.Table:
        """Return the number of each account that moved, with its first and last height here."""
        keys = np.concatenate((self.debit_keys, self.credit_keys))
        heights = np.concatenate((self.leg_heights, self.leg_heights))
        moved = keys != NO_ACCOUNT
        unique, places = np.unique(keys[moved], return_inverse=True)
        first = np.full(len(unique), np.iinfo(np.int64).max)
        last = np.zeros(len(unique), np.int64)
        np.minimum.at(first, places, heights[moved])
        np.maximum.at(last, places, heights[moved])
        return pa.table({"key": unique, "first_height": first, "last_height": last})

    def statuses(self) -> pa.Table:
        """Return the number and the status of each account that a measure was about."""
        return table(("key", "status"), self._rows.statuses.items())

    def _texts(self, keys: Integers) -> pa.DictionaryArray:
        unique, places = np.unique(keys, return_inverse=True)
        texts = self._rows.accounts.texts
        return _coded(places, [None if key < 0 else texts[key] for key in unique.tolist()])


def table(
    names: Iterable[str], rows: Iterable[tuple[Any, ...]], *, binary: Iterable[str] = ()
) -> pa.Table:
    """Return rows as a table; columns named ``time`` hold milliseconds since 1970."""
    listed = list(rows)
    columns = list(zip(*listed, strict=True)) or [() for _ in names]
    made = {}
    for name, values in zip(names, columns, strict=True):
        kind = _TIME if name.endswith("time") else None
        made[name] = pa.array(values, pa.binary() if name in set(binary) else kind)
    return pa.table(made)


def _numbers(values: Iterable[Any], kind: pa.DataType, keys: Mapping[Any, int]) -> Integers:
    """Return the number of each value, looked up once for all that are the same; of None, -1."""
    coded = pa.array(values, kind).dictionary_encode()
    distinct = coded.dictionary.to_pylist()
    known = np.fromiter(map(keys.__getitem__, distinct), np.int64, len(distinct))
    # The place after the last is that of the values that are missing.
    places = coded.indices.fill_null(len(distinct)).to_numpy(zero_copy_only=False)
    numbers: Integers = np.append(known, NO_ACCOUNT)[places]
    return numbers


def _coded(places: npt.NDArray[np.int64], values: Iterable[str | None]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(
        pa.array(places.astype(np.int32)), pa.array(list(values), pa.string())
    )


def _keys(keys: Integers) -> pa.Array:
    return pa.array(keys.astype(np.int32), mask=keys == NO_ACCOUNT)
