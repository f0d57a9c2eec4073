"""Blocks as rows, and rows as Arrow columns.

``Rows`` takes decoded blocks one after the other and keeps what the tables will hold of them, in
lists that grow by whole blocks: a statement a leg would take longer than all else. ``Columns`` makes
arrays of them, all at once; accounts become their numbers there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from operator import attrgetter
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from analytics.warehouse.accounts import NO_ACCOUNT, AccountKeys, Integers, OpenedRow
from ledger.blocks import Block, SealedHeader
from ledger.genesis import Genesis
from ledger.identity import Account, AccountId, AccountStatus
from ledger.kinds import KIND_OF, Issue, Leg, OpenAccount, Redeem, Transfer
from ledger.measures import Freeze, Govern, measure_kind
from ledger.transactions import SignedTransaction, opened_account_id

GENESIS_KIND: Final = "genesis"
"""Kind of the legs that stand for the balances of the genesis document."""
TRANSFER_KIND: Final = "transfer"
"""Kind of the legs between two accounts."""

KIND_NAMES: Final[dict[type, str]] = {effect: kind.name.lower() for effect, kind in KIND_OF.items()}
"""Kinds of transactions as the tables name them."""

Booleans = npt.NDArray[np.bool_]

_NEVER: Final = np.iinfo(np.int64).max
_TIME: Final = pa.timestamp("ms")
_EFFECT: Final = attrgetter("body.effect")
_LEGS: Final = attrgetter("legs")
_REFERENCE: Final = attrgetter("body.reference")
_TXID: Final = attrgetter("txid")


class OneSidedLeg(NamedTuple):
    """A leg of which the ledger knows one side only, with the fields of a transfer's."""

    debit: bytes | None
    credit: bytes | None
    asset: str
    amount: int
    reference: str = ""


@dataclass(slots=True)
class Rows:
    """What some blocks in a row bring to the tables; times in milliseconds since 1970."""

    accounts: AccountKeys
    """Numbers of the accounts; those that the blocks open are added."""
    blocks: list[tuple[Any, ...]] = field(default_factory=list)
    """Rows of ``blocks``."""
    in_block: list[int] = field(default_factory=list)
    """Transactions of each block; the genesis document counts as one, without a txid."""
    txids: list[bytes | None] = field(default_factory=list)
    """Of each transaction."""
    kinds: list[str] = field(default_factory=list)
    """Of each transaction."""
    members: list[str | None] = field(default_factory=list)
    """Who acts, of each transaction."""
    counts: list[int] = field(default_factory=list)
    """Legs of each transaction."""
    references: list[str] = field(default_factory=list)
    """Of each transaction."""
    legs: list[Leg | OneSidedLeg] = field(default_factory=list)
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
            self.legs.extend(
                OneSidedLeg(None, account, asset, held[asset]) for asset in sorted(held)
            )
        count = len(self.legs)
        self.in_block.append(1)
        self.txids.append(None)
        self.kinds.append(GENESIS_KIND)
        self.members.append(None)
        self.counts.append(count)
        self.references.append("")
        self.blocks.append((*_header_row(sealed), 0, count))

    def add(self, block: Block) -> None:
        """Take in the block that follows."""
        transactions, before = block.transactions, len(self.legs)
        effects = list(map(_EFFECT, transactions))
        types = list(map(type, effects))
        members: list[str | None] = [None] * len(types)
        if types.count(Transfer) == len(types):
            parts: list[Sequence[Leg | OneSidedLeg]] = list(map(_LEGS, effects))
        else:
            parts = []
            for index, (transaction, effect) in enumerate(zip(transactions, effects, strict=True)):
                if isinstance(effect, Transfer):
                    parts.append(effect.legs)
                else:
                    members[index] = _acting_member(transaction)
                    parts.append(self._other(transaction, index, block, members[index]))
        self.legs.extend(chain.from_iterable(parts))
        self.in_block.append(len(types))
        self.txids.extend(map(_TXID, transactions))
        self.kinds.extend(map(KIND_NAMES.__getitem__, types))
        self.members.extend(members)
        self.counts.extend(map(len, parts))
        self.references.extend(map(_REFERENCE, transactions))
        counts = (len(types), len(self.legs) - before)
        self.blocks.append((*_header_row(block.sealed), *counts))

    def _other(
        self, transaction: SignedTransaction, index: int, block: Block, member: str | None
    ) -> Sequence[OneSidedLeg]:
        """Take in what is no transfer; return its legs."""
        effect, header = transaction.body.effect, block.header
        if isinstance(effect, Issue):
            return [OneSidedLeg(None, to, effect.asset, amount) for to, amount in effect.entries]
        if isinstance(effect, Redeem):
            return [OneSidedLeg(of, None, effect.asset, amount) for of, amount in effect.entries]
        if isinstance(effect, OpenAccount):
            account = opened_account_id(transaction.txid)
            key, text = self.accounts.open(account)
            kind, status = effect.account_kind.value, AccountStatus.ACTIVE.value
            opened = (header.height, header.time_ms)
            self.opened.append(OpenedRow(key, account, text, str(member), kind, status, *opened))
        elif isinstance(effect, Govern):
            place = (transaction.txid.hex(), header.height, index, header.time_ms)
            self._govern(effect, place, str(member))
        return ()

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
        count, legs = len(rows.legs), rows.legs
        in_block = np.array(rows.in_block, np.int64)
        of_block = np.repeat(np.arange(len(in_block)), in_block)
        self._heights = np.array([block[0] for block in rows.blocks], np.int64)[of_block]
        self._times = np.array([block[3] for block in rows.blocks], np.int64)[of_block]
        self._indexes = np.arange(len(of_block)) - (np.cumsum(in_block) - in_block)[of_block]
        self._counts = np.array(rows.counts, np.int64)
        self._of_leg = np.repeat(np.arange(len(self._counts)), self._counts)
        self._asset_codes = list(asset_keys)
        numbers = rows.accounts.numbers
        self.debit_keys = numbers(map(attrgetter("debit"), legs), count)
        self.credit_keys = numbers(map(attrgetter("credit"), legs), count)
        assets = map(asset_keys.__getitem__, map(attrgetter("asset"), legs))
        self.asset_keys: Integers = np.fromiter(assets, np.int64, count)
        self.amounts: Integers = np.fromiter(map(attrgetter("amount"), legs), np.int64, count)

    @cached_property
    def leg_heights(self) -> Integers:
        """Height of each leg."""
        return self._heights[self._of_leg]

    @cached_property
    def leg_times(self) -> Integers:
        """Time of each leg, milliseconds since 1970."""
        return self._times[self._of_leg]

    @cached_property
    def is_payment(self) -> Booleans:
        """Whether each leg moves an amount from one account to another, within a transfer."""
        is_transfer = np.array([kind == TRANSFER_KIND for kind in self._rows.kinds], np.bool_)
        # The sides differ, so one is missing at most; a transfer's is not.
        is_payment: Booleans = is_transfer[self._of_leg] & (self.debit_keys != self.credit_keys)
        return is_payment

    def blocks(self) -> pa.Table:
        """Return the rows of ``blocks``."""
        names = ("height", "hash", "parent", "time", "sealer", "bits", "transactions", "legs")
        return table(names, self._rows.blocks)

    def transactions(self) -> pa.Table:
        """Return the rows of ``internal.transactions``; the genesis document is not one of them."""
        rows = self._rows
        made = pa.table(
            {
                "txid": pa.array(rows.txids, pa.binary()),
                "height": self._heights,
                "index": self._indexes,
                "time": pa.array(self._times, _TIME),
                "kind": pa.array(rows.kinds, pa.string()),
                "member": pa.array(rows.members, pa.string()),
                "legs": self._counts,
                "reference": pa.array(rows.references, pa.string()),
            }
        )
        return made.slice(1) if rows.txids[:1] == [None] else made

    def legs(self, receipts_ms: Integers) -> pa.Table:
        """Return the rows of ``internal.legs``; ``receipts_ms`` is that column, or -1."""
        of_leg = self._of_leg
        first = np.cumsum(self._counts) - self._counts
        return pa.table(
            {
                "txid": _coded(of_leg, pa.array(self._rows.txids, pa.binary())),
                "height": self.leg_heights,
                "index": self._indexes[of_leg],
                "leg": np.arange(len(of_leg)) - first[of_leg],
                "time": pa.array(self.leg_times, _TIME),
                "kind": _coded(of_leg, pa.array(self._rows.kinds, pa.string())),
                "debit": keys_array(self.debit_keys),
                "credit": keys_array(self.credit_keys),
                "asset": _coded(self.asset_keys, pa.array(self._asset_codes, pa.string())),
                "amount": self.amounts,
                "reference": self._references(),
                "receipt": pa.array(receipts_ms, _TIME, mask=receipts_ms < 0),
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
        heights = self.leg_heights
        # One place more: a missing side has the number -1, which is the last place.
        places = len(self._rows.accounts.texts) + 1
        first, last = np.full(places, _NEVER), np.full(places, -1)
        for keys in (self.debit_keys, self.credit_keys):
            # Heights rise: where an account comes several times, the last assignment stays.
            early, late = np.full(places, _NEVER), np.full(places, -1)
            early[keys[::-1]], late[keys] = heights[::-1], heights
            first, last = np.minimum(first, early), np.maximum(last, late)
        moved = np.flatnonzero(last[:-1] >= 0)
        return pa.table({"key": moved, "first_height": first[moved], "last_height": last[moved]})

    def statuses(self) -> pa.Table:
        """Return the number and the status of each account that a measure was about."""
        return table(("key", "status"), self._rows.statuses.items())

    def _references(self) -> pa.Array:
        """Return each leg's own text, else its transaction's."""
        own = pa.array(list(map(attrgetter("reference"), self._rows.legs)), pa.string())
        if not any(self._rows.references):
            return own
        of_transaction = pa.array(self._rows.references, pa.string()).take(pa.array(self._of_leg))
        return pc.if_else(pc.equal(own, ""), of_transaction, own)


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


def keys_array(keys: Integers) -> pa.Array:
    """Return numbers of accounts as a column, null where there is none."""
    return pa.array(keys.astype(np.int32), mask=keys == NO_ACCOUNT)


def _coded(places: Integers, values: pa.Array) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(places.astype(np.int32)), values)
