"""Small builders that all tests share: keys, members, a network's genesis, signed transactions.

Everything follows from names and numbers, so two runs build the same bytes. The keys are worth
nothing: each is the hash of its name.

    network = make_network(banks=3, accounts=3)
    state = network.state()
    state.apply(network.transfer(network.leg("alice", "bob", 1_000)))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from typing import TypedDict, Unpack

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.attestations import Attest, DocumentKind
from ledger.blocks import Block, Header, SealedHeader, certificates_root, seal_message, tx_root
from ledger.genesis import Genesis
from ledger.hashing import BlockHash
from ledger.identity import (
    ACCOUNT_ID_BYTES,
    Account,
    AccountId,
    AccountKind,
    AccountStatus,
    Asset,
    AssetCode,
    KeySet,
    Member,
    MemberId,
    Role,
)
from ledger.keys import SCHEME_ED25519
from ledger.kinds import Effect, Entry, Issue, Leg, OpenAccount, Redeem, Transfer
from ledger.measures import Freeze, Govern, Measure, Policy, Unfreeze
from ledger.parameters import Parameters
from ledger.state import Delta, Overlay, Record, StateKey, encode_records
from ledger.state_tree import StateTree
from ledger.transactions import (
    NONCE_BYTES,
    Actor,
    Body,
    SignedTransaction,
    assemble,
    signing_message,
)
from ledger.transactions import Signature as TransactionSignature
from ledger.transition import apply_transaction

CNY, USD = AssetCode("CNY"), AssetCode("USD")
"""The networks' two assets: the first bank issues yuan, the last one dollars."""

REGULATOR = MemberId("regulator")
OPENING_BALANCE = 100_000_000
"""What each account holds of each asset at the start, smallest units: 1,000,000.00."""

EASIEST_BITS = 0x207FFFFF
"""Every second hash meets this target, so tests mine in a few tries."""

GENESIS_TIME_MS = 1_767_225_600_000  # 2026-01-01 00:00 UTC
ACCOUNT_NAMES = ("alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi")


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key under a name."""

    name: str
    private_key: Ed25519PrivateKey = field(repr=False)
    public_key: bytes
    """33 bytes, as the register holds it."""

    def sign(self, message: bytes) -> bytes:
        """Return the signature of ``message``, 64 bytes."""
        return self.private_key.sign(message)


@cache
def make_signer(name: str) -> Signer:
    """Return the signer whose secret is the hash of its name."""
    private = Ed25519PrivateKey.from_private_bytes(sha256(name.encode()).digest())
    public = bytes([SCHEME_ED25519]) + private.public_key().public_bytes_raw()
    return Signer(name, private, public)


def make_lei(number: int) -> str:
    """Return a valid Legal Entity Identifier (ISO 17442) for a number below a million."""
    base = f"SUNLIT{number:06d}000000"
    as_digits = "".join(str(int(character, 36)) for character in f"{base}00")
    return f"{base}{98 - int(as_digits) % 97:02d}"


def key_set(signers: Sequence[Signer], threshold: int = 1) -> KeySet:
    """Return the key set of some signers, keys ascending."""
    keys = tuple(sorted(signer.public_key for signer in signers))
    return KeySet(keys=keys, threshold=threshold)


def make_account_id(name: str) -> AccountId:
    """Return the id of the genesis account of that name."""
    return AccountId(sha256(f"account {name}".encode()).digest()[:ACCOUNT_ID_BYTES])


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """An account with those who sign for it."""

    id: AccountId
    member: MemberId
    signers: tuple[Signer, ...]
    threshold: int = 1


class BodyFields(TypedDict, total=False):
    """What a transaction may choose beside its effect and its actors."""

    genesis_hash: BlockHash
    valid_from: int
    valid_until: int
    nonce: bytes
    reference: str
    payload: bytes


class GovernFields(BodyFields, total=False):
    """What governance may choose besides."""

    member: str
    sequence: int
    signers: Sequence[Signer]


class MemoryState:
    """A state in a dictionary with its tree: what a node keeps on disk, small."""

    def __init__(self, genesis: Genesis) -> None:
        self.genesis_hash = genesis.header().hash
        self.entries: dict[StateKey, Record] = genesis.state()
        self.tree: StateTree = genesis.state_tree()

    def get(self, key: StateKey) -> Record | None:
        """Return the record under ``key``, or None."""
        return self.entries.get(key)

    def apply(self, transaction: SignedTransaction, *, height: int = 1) -> Delta:
        """Apply a transaction in a block of ``height`` and return its delta."""
        overlay = Overlay(self)
        apply_transaction(overlay, transaction, height=height, genesis_hash=self.genesis_hash)
        return self.write(overlay.delta())

    def write(self, delta: Delta) -> Delta:
        """Write a delta to the entries and to the tree."""
        self.entries.update(delta.after)
        for key in [key for key, record in delta.after.items() if record is None]:
            del self.entries[key]
        self.tree.update(encode_records(delta.after))
        return delta

    def undo(self, delta: Delta) -> Delta:
        """Take a delta back, as a node does; return that change."""
        return self.write(Delta(before=delta.after, after=delta.before))


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A genesis with every secret of its members and accounts."""

    genesis: Genesis
    sealers: Mapping[MemberId, Signer]
    officers: Mapping[MemberId, tuple[Signer, ...]]
    holders: Mapping[str, Holder]
    genesis_hash: BlockHash

    def state(self) -> MemoryState:
        """Return a fresh state of block 0."""
        return MemoryState(self.genesis)

    def leg(
        self, debit: str, credit: str, amount: int, asset: AssetCode = CNY, reference: str = ""
    ) -> Leg:
        """Return a leg between two accounts, named."""
        return Leg(self.holders[debit].id, self.holders[credit].id, asset, amount, reference)

    def entry(self, name: str, amount: int) -> Entry:
        """Return an entry of an issue or a redemption for an account, named."""
        return Entry(self.holders[name].id, amount)

    def body(self, effect: Effect, actors: Sequence[Actor], **chosen: Unpack[BodyFields]) -> Body:
        """Return a body for this chain, valid in blocks 0 to 1,000 unless told otherwise."""
        accounts = sorted(actor for actor in actors if isinstance(actor.id, bytes))
        members = sorted(actor for actor in actors if isinstance(actor.id, str))
        fields: BodyFields = {
            "genesis_hash": self.genesis_hash,
            "valid_from": 0,
            "valid_until": 1_000,
            "nonce": bytes(NONCE_BYTES),
            "reference": "",
            "payload": b"",
        }
        return Body(**(fields | chosen), actors=(*accounts, *members), effect=effect)

    def transfer(
        self,
        *legs: Leg,
        sequence: int = 0,
        lane: int = 0,
        signers: Sequence[Signer] | None = None,
        **chosen: Unpack[BodyFields],
    ) -> SignedTransaction:
        """Return a transfer, signed for every debited account unless ``signers`` says by whom."""
        payers = self._holders_of({leg.debit for leg in legs})
        actors = [Actor(payer.id, lane, sequence) for payer in payers]
        body = self.body(Transfer(legs=legs), actors, **chosen)
        return sign(body, _quorum(payers) if signers is None else signers)

    def issue(
        self,
        *entries: Entry,
        asset: AssetCode = CNY,
        sequence: int = 0,
        signers: Sequence[Signer] | None = None,
        **chosen: Unpack[BodyFields],
    ) -> SignedTransaction:
        """Return an issue, signed by the issuer's officers unless ``signers`` says by whom."""
        issuer = self.genesis.assets[asset].issuer
        actors = [Actor(issuer, 0, sequence)]
        body = self.body(Issue(asset=asset, entries=entries), actors, **chosen)
        return sign(body, self.officers_of(issuer) if signers is None else signers)

    def redeem(
        self,
        *entries: Entry,
        asset: AssetCode = CNY,
        sequence: int = 0,
        account_sequence: int = 0,
        signers: Sequence[Signer] | None = None,
        **chosen: Unpack[BodyFields],
    ) -> SignedTransaction:
        """Return a redemption, signed by the issuer's officers and the accounts."""
        issuer = self.genesis.assets[asset].issuer
        payers = self._holders_of({entry.account for entry in entries})
        actors = [Actor(payer.id, 0, account_sequence) for payer in payers]
        actors.append(Actor(issuer, 0, sequence))
        body = self.body(Redeem(asset=asset, entries=entries), actors, **chosen)
        required = (*self.officers_of(issuer), *_quorum(payers))
        return sign(body, required if signers is None else signers)

    def open_account(
        self,
        keys: KeySet,
        *,
        member: str = "bank1",
        kind: AccountKind = AccountKind.USER,
        sequence: int = 0,
        signers: Sequence[Signer] | None = None,
        **chosen: Unpack[BodyFields],
    ) -> SignedTransaction:
        """Return the opening of an account, signed by the member's officers."""
        acting = MemberId(member)
        effect = OpenAccount(account_kind=kind, keys=keys)
        body = self.body(effect, [Actor(acting, 0, sequence)], **chosen)
        return sign(body, self.officers_of(acting) if signers is None else signers)

    def govern(
        self,
        *measures: Measure,
        member: str = REGULATOR,
        sequence: int = 0,
        signers: Sequence[Signer] | None = None,
        **chosen: Unpack[BodyFields],
    ) -> SignedTransaction:
        """Return measures of the regulator, signed by its maker and its checker."""
        effect = Govern(policy=Policy.REGULATOR, measures=measures)
        body = self.body(effect, [Actor(MemberId(member), 0, sequence)], **chosen)
        return sign(body, self.officers[MemberId(member)] if signers is None else signers)

    def freeze(self, name: str, **chosen: Unpack[GovernFields]) -> SignedTransaction:
        """Return the freezing of an account, named."""
        measure = Freeze(account=self.holders[name].id, reason="suspicion", case="2026-1")
        return self.govern(measure, **chosen)

    def unfreeze(self, name: str, **chosen: Unpack[GovernFields]) -> SignedTransaction:
        """Return the unfreezing of an account, named."""
        measure = Unfreeze(account=self.holders[name].id, reason="cleared", case="2026-1")
        return self.govern(measure, **chosen)

    def attest(
        self,
        content: bytes = b"card",
        *,
        kind: DocumentKind = DocumentKind.MODEL_CARD,
        subject: str = "scoring 1.0",
        revision: int = 1,
        member: str = "bank1",
        sequence: int = 0,
        signers: Sequence[Signer] | None = None,
        **chosen: Unpack[BodyFields],
    ) -> SignedTransaction:
        """Return the attestation of some content, signed by the member's officers."""
        acting = MemberId(member)
        digest = sha256(content).digest()
        effect = Attest(kind=kind, subject=subject, revision=revision, sha256=digest)
        body = self.body(effect, [Actor(acting, 0, sequence)], **chosen)
        return sign(body, self.officers_of(acting) if signers is None else signers)

    def officers_of(self, member: MemberId) -> tuple[Signer, ...]:
        """Return as many officers of a member as must sign for it."""
        return self.officers[member][: self.genesis.members[member].officers.threshold]

    def block(
        self,
        transactions: Sequence[SignedTransaction] = (),
        certificates: Sequence[bytes] = (),
        *,
        parent: SealedHeader | None = None,
    ) -> Block:
        """Return a sealed block on ``parent`` (genesis unless told) that commits to its body.

        No work is done and the state root is the parent's: it is for tests of encoding and body.
        """
        below = self.genesis.header() if parent is None else parent
        header = replace(
            below.header,
            height=below.header.height + 1,
            parent=below.hash,
            time_ms=below.header.time_ms + 1_000,
            clock_ms=below.header.clock_ms + 1_000,
            transaction_count=len(transactions),
            tx_root=tx_root(transactions),
            certificates_root=certificates_root(certificates),
        )
        sealed = seal(header, self.sealers[header.sealer])
        return Block(
            sealed=sealed, transactions=tuple(transactions), certificates=tuple(certificates)
        )

    def _holders_of(self, accounts: set[AccountId]) -> list[Holder]:
        return [holder for holder in self.holders.values() if holder.id in accounts]


def sign(body: Body, signers: Sequence[Signer]) -> SignedTransaction:
    """Return the transaction of a body, signed by each of the signers once."""
    message = signing_message(body.encode())
    distinct = {signer.public_key: signer for signer in signers}
    return assemble(
        body,
        tuple(TransactionSignature(key, s.sign(message)) for key, s in distinct.items()),
    )


def seal(header: Header, sealer: Signer) -> SealedHeader:
    """Return the header with its sealer's signature."""
    unsealed = SealedHeader(header=header, header_bytes=header.encode(), seal=bytes(64))
    return replace(unsealed, seal=sealer.sign(seal_message(unsealed.hash)))


def make_network(
    *,
    banks: int = 3,
    accounts: int = 3,
    parameters: Parameters | None = None,
    certificates: Mapping[str, bytes] | None = None,
) -> Network:
    """Return a network of ``banks`` banks and a regulator, all sealers, and ``accounts`` accounts.

    Members are ``bank1``, ``bank2``, … and ``regulator``; each has two officers, of whom one signs
    for a bank and both for the regulator. Accounts are dealt to the banks in turn, hold both
    assets, and are called alice, bob, carol, … (``account9`` and so on after the eighth).
    """
    names = [MemberId(f"bank{number}") for number in range(1, banks + 1)]
    members = {
        name: make_member(name, number, certificate=(certificates or {}).get(name))
        for number, name in enumerate((*names, REGULATOR), start=1)
    }
    holders = {name: _holder(name, names[at % banks]) for at, name in enumerate(_names(accounts))}
    genesis = Genesis(
        chain_id="test",
        time_ms=GENESIS_TIME_MS,
        parameters=parameters or Parameters(easiest_bits=EASIEST_BITS, genesis_bits=EASIEST_BITS),
        members=members,
        assets={
            CNY: Asset(name="Yuan", decimals=2, issuer=names[0]),
            USD: Asset(name="Dollar", decimals=2, issuer=names[-1]),
        },
        accounts={holder.id: make_account(holder) for holder in holders.values()},
        balances={
            holder.id: {CNY: OPENING_BALANCE, USD: OPENING_BALANCE} for holder in holders.values()
        },
    )
    return network_of(genesis, holders)


def network_of(genesis: Genesis, holders: Mapping[str, Holder]) -> Network:
    """Return the network of a genesis whose members' keys come from `make_member`."""
    return Network(
        genesis=genesis,
        sealers={name: make_signer(f"{name} sealing") for name in genesis.members},
        officers={name: make_officers(name) for name in genesis.members},
        holders=holders,
        genesis_hash=genesis.header().hash,
    )


def make_officers(member: str) -> tuple[Signer, Signer]:
    """Return the maker and the checker of a member."""
    return make_signer(f"{member} maker"), make_signer(f"{member} checker")


def make_member(name: str, number: int, *, certificate: bytes | None = None) -> Member:
    """Return a bank's record, or the regulator's; the number makes its LEI."""
    is_regulator = name == REGULATOR
    role = Role.REGULATOR if is_regulator else Role.ISSUER
    return Member(
        legal_name=f"{name.capitalize()} plc",
        lei=make_lei(number),
        roles=tuple(sorted({Role.SEALER, Role.GOVERNOR, role})),
        sealing_key=make_signer(f"{name} sealing").public_key,
        certificate=f"certificate of {name}".encode() if certificate is None else certificate,
        officers=key_set(make_officers(name), threshold=2 if is_regulator else 1),
    )


def make_account(holder: Holder) -> Account:
    """Return the record of a holder's account, open since genesis."""
    return Account(
        member=holder.member,
        kind=AccountKind.USER,
        status=AccountStatus.ACTIVE,
        keys=key_set(holder.signers, holder.threshold),
        opened_height=0,
    )


def _holder(name: str, member: MemberId) -> Holder:
    return Holder(id=make_account_id(name), member=member, signers=(make_signer(name),))


def _names(count: int) -> list[str]:
    last = range(len(ACCOUNT_NAMES) + 1, count + 1)
    return [*ACCOUNT_NAMES[:count], *(f"account{number}" for number in last)]


def _quorum(holders: Sequence[Holder]) -> list[Signer]:
    return [signer for holder in holders for signer in holder.signers[: holder.threshold]]
