"""The proof that the warehouse is the chain: a replay by the ledger's own rules, block by block.

The replay starts from the genesis document and applies every block as a node does, so that it holds
the same state; that this is the state of the chain, the block's own header says by its state root.
Of each block it gives the digests of the rows that the warehouse must have for it, and of what it
changed. Equal digests of every block up to a height mean equal balances at every height up to it; at
the last height the whole state is compared too. Nothing here comes from ``rows`` or from SQL.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from analytics.errors import AnalyticsError
from analytics.warehouse.digests import (
    BlockDigest,
    Row,
    StateDigest,
    changes_digest,
    digest,
    rows_digest,
)
from ledger.addresses import encode_account_id
from ledger.blocks import Block, SealedHeader, validate_body
from ledger.errors import LedgerError
from ledger.genesis import Genesis
from ledger.identity import ACCOUNT_ID_BYTES
from ledger.kinds import Issue, OpenAccount, Redeem, Transfer
from ledger.measures import Govern, measure_kind
from ledger.state import (
    ACCOUNT,
    ASSET,
    BALANCE,
    MEMBER,
    SUPPLY,
    Overlay,
    Record,
    StateKey,
    encode_record,
)
from ledger.transactions import SignedTransaction, opened_account_id
from ledger.transition import apply_block

_ASSET_AT: Final = 1 + ACCOUNT_ID_BYTES
"""Where a balance's key names the asset."""


class ReplayFailed(AnalyticsError):
    """A block that does not follow from those before it: the blocks are wrong, not the warehouse."""


class Replay:
    """The state of a chain after some of its blocks, and what each block did."""

    def __init__(self, genesis: Genesis) -> None:
        self._genesis = genesis
        self._last = genesis.header()
        self._genesis_hash = self._last.hash
        self._state: dict[StateKey, Record] = genesis.state()
        self._tree = genesis.state_tree()
        self._texts: dict[bytes, str] = {}
        self._ids: dict[str, bytes] = {}
        self._activity: dict[str, tuple[int, int]] = {}
        self._days: dict[tuple[str, str, str], int] = {}

    def get(self, key: StateKey) -> Record | None:
        """Return a record of the state."""
        return self._state.get(key)

    def begin(self) -> BlockDigest:
        """Return the digests of block 0, the genesis document; call it first, and once."""
        genesis = self._genesis
        held = [
            (self._text(account), asset, amount)
            for account, balances in sorted(genesis.balances.items())
            for asset, amount in sorted(balances.items())
        ]
        legs: list[Row] = [
            [None, 0, leg, "genesis", None, account, asset, amount, ""]
            for leg, (account, asset, amount) in enumerate(held)
        ]
        opened: list[Row] = [
            [self._text(account), record.member, record.kind.value]
            for account, record in sorted(genesis.accounts.items())
        ]
        self._note(self._last, legs)
        supplies = {key[1:].decode(): amount for key, amount in self._under(SUPPLY)}
        balances = {(account, str(asset)): amount for account, asset, amount in held}
        return self._digest(self._last, [], legs, opened, [], changes_digest(balances, supplies))

    def apply(self, block: Block) -> BlockDigest:
        """Apply the block that follows and return its digests.

        Raises:
            ReplayFailed: ``replay_order``, ``replay_invalid`` or ``replay_state_root``.
        """
        header = block.header
        if header.parent != self._last.hash or header.height != self._last.header.height + 1:
            raise ReplayFailed("replay_order", f"block {header.height} does not follow")
        overlay = Overlay(self)
        try:
            validate_body(block)
            apply_block(
                overlay,
                block.transactions,
                height=header.height,
                genesis_hash=self._genesis_hash,
                parameters=self._genesis.parameters,
            )
        except LedgerError as error:
            raise ReplayFailed(
                "replay_invalid", f"block {header.height}: {error}", height=header.height
            ) from error
        changes = self._write(overlay, header.height, header.state_root)
        self._last = block.sealed
        legs = [
            [transaction.txid.hex(), index, leg, *row]
            for index, transaction in enumerate(block.transactions)
            for leg, row in enumerate(self._legs(transaction))
        ]
        self._note(block.sealed, legs)
        transactions = [
            self._transaction(transaction, index)
            for index, transaction in enumerate(block.transactions)
        ]
        opened = [row for transaction in block.transactions for row in self._opened(transaction)]
        measures = [
            [transaction.txid.hex(), index, *row]
            for index, transaction in enumerate(block.transactions)
            for row in self._measures(transaction)
        ]
        return self._digest(block.sealed, transactions, legs, opened, measures, changes)

    def state(self) -> StateDigest:
        """Return the digests of the state after the last block that was applied."""
        balances = sorted(
            [self._text(key[1:_ASSET_AT]), key[_ASSET_AT:].decode(), amount]
            for key, amount in self._under(BALANCE)
            if amount
        )
        supplies = sorted([key[1:].decode(), n] for key, n in self._under(SUPPLY) if n)
        accounts = sorted(
            self._account_row(key[1:], record) for key, record in self._under(ACCOUNT)
        )
        members = sorted(
            [key[1:].decode(), m.legal_name, m.lei, [role.value for role in m.roles]]
            for key, m in self._under(MEMBER)
        )
        assets = sorted(
            [key[1:].decode(), a.name, a.decimals, a.issuer] for key, a in self._under(ASSET)
        )
        return StateDigest(
            height=self._last.header.height,
            hash=self._last.hash.hex(),
            accounts=len(accounts),
            balances=digest(balances),
            supply=digest(supplies),
            registers=digest([accounts, members, assets]),
            days=digest(sorted([*place, amount] for place, amount in self._days.items())),
        )

    def _write(self, overlay: Overlay, height: int, state_root: bytes) -> str:
        """Write what a block changed; return the digest of the changed balances and supplies."""
        delta = overlay.delta()
        balances: dict[tuple[str, str], int] = {}
        supplies: dict[str, int] = {}
        for key, after in delta.after.items():
            change = (after or 0) - (delta.before[key] or 0) if key[:1] in _AMOUNTS else 0
            if key[:1] == BALANCE:
                balances[self._text(key[1:_ASSET_AT]), key[_ASSET_AT:].decode()] = change
            elif key[:1] == SUPPLY:
                supplies[key[1:].decode()] = change
            self._state[key] = after
        self._tree.update((key, encode_record(after)) for key, after in delta.after.items())
        if self._tree.root != state_root:
            raise ReplayFailed(
                "replay_state_root", f"block {height} commits to another state", height=height
            )
        return changes_digest(balances, supplies)

    def _note(self, sealed: SealedHeader, legs: list[Row]) -> None:
        """Keep when accounts moved, and what they hold at the end of the block's day."""
        height = sealed.header.height
        day = datetime.fromtimestamp(sealed.header.time_ms / 1_000, UTC).date().isoformat()
        pairs = {(side, leg[6]) for leg in legs for side in leg[4:6] if side is not None}
        for account, _ in pairs:
            first, _ = self._activity.get(account, (height, height))
            self._activity[account] = (first, height)
        for account, asset in pairs:
            balance = self._state.get(StateKey(BALANCE + self._ids[account] + asset.encode()))
            self._days[account, asset, day] = balance or 0

    def _digest(
        self,
        sealed: SealedHeader,
        transactions: list[Row],
        legs: list[Row],
        opened: list[Row],
        measures: list[Row],
        changes: str,
    ) -> BlockDigest:
        header, counts = sealed.header, [len(transactions), len(legs)]
        place = [sealed.hash.hex(), header.parent.hex(), header.time_ms]
        row = [*place, header.sealer, header.bits, *counts]
        return BlockDigest(
            height=header.height,
            hash=sealed.hash.hex(),
            transactions=len(transactions),
            legs=len(legs),
            rows=rows_digest(row, transactions, legs, opened, measures),
            changes=changes,
        )

    def _transaction(self, transaction: SignedTransaction, index: int) -> Row:
        body = transaction.body
        members = [actor.id for actor in body.actors if isinstance(actor.id, str)]
        count = sum(1 for _ in self._legs(transaction))
        member = members[0] if members else None
        return [
            transaction.txid.hex(), index, body.kind.name.lower(), member, count, body.reference
        ]  # fmt: skip

    def _legs(self, transaction: SignedTransaction) -> Iterator[Row]:
        body = transaction.body
        effect, kind, text = body.effect, body.kind.name.lower(), self._text
        if isinstance(effect, Transfer):
            for leg in effect.legs:
                sides = [text(leg.debit), text(leg.credit)]
                yield [kind, *sides, leg.asset, leg.amount, leg.reference or body.reference]
        elif isinstance(effect, Issue | Redeem):
            for account, amount in effect.entries:
                ends = [None, text(account)] if kind == "issue" else [text(account), None]
                yield [kind, *ends, effect.asset, amount, body.reference]

    def _opened(self, transaction: SignedTransaction) -> Iterator[Row]:
        effect = transaction.body.effect
        if isinstance(effect, OpenAccount):
            account = opened_account_id(transaction.txid)
            record = self._state[StateKey(ACCOUNT + account)]
            yield [self._text(account), record.member, record.kind.value]

    def _measures(self, transaction: SignedTransaction) -> Iterator[Row]:
        effect = transaction.body.effect
        if isinstance(effect, Govern):
            member = transaction.body.actors[0].id
            for measure in effect.measures:
                name, account = measure_kind(measure).name.lower(), self._text(measure.account)
                yield [name, account, member, measure.reason, measure.case]

    def _account_row(self, account: bytes, record: Record) -> Row:
        text = self._text(account)
        first, last = self._activity.get(text, (None, None))
        place = [text, record.member, record.kind.value, record.status.value]
        return [*place, record.opened_height, first, last]

    def _under(self, prefix: bytes) -> Iterator[tuple[StateKey, Record]]:
        return ((key, record) for key, record in self._state.items() if key[:1] == prefix)

    def _text(self, account: bytes) -> str:
        text = self._texts.get(account)
        if text is None:
            text = self._texts[account] = encode_account_id(account)
            self._ids[text] = account
        return text


_AMOUNTS: Final = (BALANCE, SUPPLY)
