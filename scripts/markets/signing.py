"""A plan's parties as accounts with keys, and its payments as signed transactions.

Ids and keys follow from the market's seed, which everybody may know: they are worth what a
development network's money is worth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.addresses import encode_account_id
from ledger.genesis_document import AccountDocument, KeySetDocument
from ledger.hashing import BlockHash
from ledger.identity import ACCOUNT_ID_BYTES, AccountId, AssetCode
from ledger.keys import SCHEME_ED25519
from ledger.kinds import Leg, Transfer
from ledger.transactions import (
    NONCE_BYTES,
    Actor,
    Body,
    Signature,
    SignedTransaction,
    actor_order,
    assemble,
    signing_message,
)
from scripts.markets.blocks import Placed
from scripts.markets.plan import MarketPlan
from wallet.building import VALIDITY_BLOCKS

CNY = AssetCode("CNY")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A party's account and its key."""

    id: AccountId
    """The account."""
    key: Ed25519PrivateKey
    """Signs its debits."""
    public_key: bytes
    """As the ledger registers it."""

    @property
    def address(self) -> str:
        """The account as people see it."""
        return encode_account_id(self.id)


def holders_of(plan: MarketPlan) -> dict[str, Holder]:
    """Return every party's account and key, by the party's name."""
    return {name: _holder(plan.seed, name) for name in plan.cast}


def account_documents(plan: MarketPlan, holders: Mapping[str, Holder]) -> Iterator[AccountDocument]:
    """Yield the accounts as a genesis document opens them, with what they hold."""
    for name, party in plan.cast.items():
        yield AccountDocument(
            id=holders[name].address,
            member=party.bank,
            kind=party.kind,
            keys=KeySetDocument(keys=[holders[name].public_key.hex()]),
            balances={CNY: str(plan.held[name])},
        )


class Signer:
    """Signs a market's payments in their order: each account's sequences go up one by one."""

    def __init__(self, genesis_hash: BlockHash, holders: Mapping[str, Holder]) -> None:
        self._genesis_hash = genesis_hash
        self._holders = holders
        self._sequences = dict.fromkeys(holders, 0)

    def sign(self, placed: Placed, height: int) -> SignedTransaction:
        """Return the next payment, for a block of that height, signed by all who pay."""
        payment, holders = placed.payment, self._holders
        legs = tuple(
            Leg(holders[leg.payer].id, holders[leg.payee].id, CNY, leg.amount)
            for leg in payment.legs
        )
        payers = list(dict.fromkeys(leg.payer for leg in payment.legs))
        actors = [Actor(holders[name].id, 0, self._next_sequence(name)) for name in payers]
        body = Body(
            genesis_hash=self._genesis_hash,
            valid_from=height - 1,
            valid_until=height - 1 + VALIDITY_BLOCKS,
            nonce=placed.number.to_bytes(NONCE_BYTES),
            actors=tuple(sorted(actors, key=actor_order)),
            reference=payment.reference,
            payload=b"",
            effect=Transfer(legs=legs),
        )
        message = signing_message(body.encode())
        signatures = (
            Signature(holders[name].public_key, holders[name].key.sign(message)) for name in payers
        )
        return assemble(body, tuple(signatures))

    def _next_sequence(self, name: str) -> int:
        sequence = self._sequences[name]
        self._sequences[name] = sequence + 1
        return sequence


def _holder(seed: int, name: str) -> Holder:
    key = Ed25519PrivateKey.from_private_bytes(_derived(seed, "key", name))
    return Holder(
        id=AccountId(_derived(seed, "account", name)[:ACCOUNT_ID_BYTES]),
        key=key,
        public_key=bytes([SCHEME_ED25519]) + key.public_key().public_bytes_raw(),
    )


def _derived(seed: int, purpose: str, name: str) -> bytes:
    return sha256(f"market {seed} {purpose} {name}".encode()).digest()
