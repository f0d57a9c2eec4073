"""Blocks: a header that is hashed and worked on, the sealer's signature, and the body.

    block         = [sealed header, [signed transaction bytes, …], [certificate bytes, …]]
    sealed header = [header bytes, seal signature]
    header        = the fields of ``Header`` in order, the nonce last

The block hash is SHA-256(SHA-256(header bytes)) and is the proof of work too. The seal signature
is outside the hash: the sealer makes it once the nonce is found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from ledger import codec, limits
from ledger.errors import DecodeError, InvalidBlock
from ledger.hashing import HASH_BYTES, SEAL_SIGNATURE, BlockHash, double_sha256
from ledger.identity import MemberId, member_id
from ledger.keys import SIGNATURE_BYTES
from ledger.merkle import leaf_hashes, merkle_root
from ledger.transactions import HEIGHT_MAX, SignedTransaction, decode_transaction

HEADER_VERSION = 1
NONCE_BYTES = 8
TIME_MS_MAX = 2**53 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What proof of work and finality votes are about."""

    height: int
    """Distance from genesis, which is 0."""
    parent: BlockHash
    """Hash of the block before; in genesis the hash of the genesis document."""
    time_ms: int
    """Sealer's clock, milliseconds since 1970-01-01 UTC."""
    clock_ms: int
    """Difficulty clock: sum over the chain of min(time since parent, 10 x target_block_ms)."""
    bits: int
    """Proof-of-work target, compact form."""
    sealer: MemberId
    """Member whose sealing key signs the header."""
    transaction_count: int
    """Number of transactions, the size of the tree under ``tx_root``."""
    tx_root: bytes
    """RFC 9162 root over the signed transactions' bytes."""
    certificates_root: bytes
    """RFC 9162 root over the encoded certificates."""
    state_root: bytes
    """Commitment to the state after this block."""
    history_root: bytes
    """RFC 9162 root over the hashes of all blocks before this one."""
    set_id: int
    """Number of the sealer set in force for this block."""
    set_hash: bytes
    """Hash of that set."""
    next_set_id: int
    """Number of the set in force after it."""
    next_set_hash: bytes
    """Hash of that next set."""
    nonce: bytes
    """8 bytes found by the miner."""

    def encode(self) -> bytes:
        """Return the canonical bytes, at most 1,024; the last 8 are the nonce."""
        return codec.encode(
            (
                HEADER_VERSION,
                self.height,
                self.parent,
                self.time_ms,
                self.clock_ms,
                self.bits,
                self.sealer,
                self.transaction_count,
                self.tx_root,
                self.certificates_root,
                self.state_root,
                self.history_root,
                self.set_id,
                self.set_hash,
                self.next_set_id,
                self.next_set_hash,
                self.nonce,
            )
        )

    def work_prefix(self) -> bytes:
        """Return the header's bytes up to the nonce, which is what a miner is given."""
        return self.encode()[:-NONCE_BYTES]

    def with_nonce(self, nonce: bytes) -> Header:
        """Return the same header with another nonce of 8 bytes."""
        return replace(self, nonce=nonce)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedHeader:
    """A header with its sealer's signature, as it travels."""

    header: Header
    """The decoded header."""
    header_bytes: bytes
    """Its exact bytes."""
    seal: bytes
    """Signature of ``seal_message(hash)`` by the sealer's sealing key, 64 bytes; zeros in genesis."""
    hash: BlockHash = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "hash", BlockHash(double_sha256(self.header_bytes)))

    def to_value(self) -> codec.Value:
        """Return the array that encodes the sealed header."""
        return (self.header_bytes, self.seal)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A sealed header with its body."""

    sealed: SealedHeader
    """Header and seal."""
    transactions: tuple[SignedTransaction, ...]
    """Transactions in order."""
    certificates: tuple[bytes, ...]
    """Encoded quorum certificates for ancestors of this block (``consensus.votes``)."""

    @property
    def header(self) -> Header:
        """The decoded header."""
        return self.sealed.header

    @property
    def hash(self) -> BlockHash:
        """The block hash, 32 bytes."""
        return self.sealed.hash

    def encode(self) -> bytes:
        """Return the canonical bytes of the block."""
        return codec.encode(
            (
                self.sealed.to_value(),
                tuple(transaction.raw for transaction in self.transactions),
                self.certificates,
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedBlock:
    """A block whose transactions are bytes yet."""

    sealed: SealedHeader
    """Header and seal."""
    transactions: tuple[bytes, ...]
    """Signed transactions in order, each to be decoded."""
    certificates: tuple[bytes, ...]
    """Encoded quorum certificates."""

    def decode(self, decode: Callable[[bytes], SignedTransaction] = decode_transaction) -> Block:
        """Return the block with its transactions decoded.

        Raises:
            DecodeError: one of them is no transaction.
        """
        return Block(
            sealed=self.sealed,
            transactions=tuple([decode(transaction) for transaction in self.transactions]),
            certificates=self.certificates,
        )


def seal_message(block_hash: bytes) -> bytes:
    """Return the 32 bytes that the sealer signs."""
    return SEAL_SIGNATURE(block_hash)


def tx_root(transactions: Sequence[SignedTransaction]) -> bytes:
    """Return the RFC 9162 root over the transactions' signed bytes."""
    return merkle_root(leaf_hashes(transaction.raw for transaction in transactions))


def certificates_root(certificates: Sequence[bytes]) -> bytes:
    """Return the RFC 9162 root over the encoded certificates."""
    return merkle_root(leaf_hashes(certificates))


def decode_header(header_bytes: bytes) -> Header:
    """Return the header that ``header_bytes`` encodes.

    Raises:
        DecodeError: not canonical, or a field of the wrong type or range.
    """
    values = codec.fields(
        codec.decode(header_bytes, bytes_max=limits.HEADER_BYTES_MAX), 17, "header"
    )
    if values[0] != HEADER_VERSION or type(values[0]) is not int:
        raise DecodeError("unknown_version", f"header version is {HEADER_VERSION}")
    hashes = {
        name: codec.fixed_bytes(values[at], HASH_BYTES, name) for name, at in _HEADER_HASHES.items()
    }
    return Header(
        height=codec.uint(values[1], "height", maximum=HEIGHT_MAX),
        parent=BlockHash(hashes["parent"]),
        time_ms=codec.uint(values[3], "time", maximum=TIME_MS_MAX),
        clock_ms=codec.uint(values[4], "clock", maximum=TIME_MS_MAX),
        bits=codec.uint(values[5], "bits", maximum=2**32 - 1),
        sealer=member_id(values[6]),
        transaction_count=codec.uint(values[7], "transaction count", maximum=2**32 - 1),
        tx_root=hashes["tx_root"],
        certificates_root=hashes["certificates_root"],
        state_root=hashes["state_root"],
        history_root=hashes["history_root"],
        set_id=codec.uint(values[12], "set id"),
        set_hash=hashes["set_hash"],
        next_set_id=codec.uint(values[14], "next set id"),
        next_set_hash=hashes["next_set_hash"],
        nonce=codec.fixed_bytes(values[16], NONCE_BYTES, "nonce"),
    )


_HEADER_HASHES = {
    "parent": 2,
    "tx_root": 8,
    "certificates_root": 9,
    "state_root": 10,
    "history_root": 11,
    "set_hash": 13,
    "next_set_hash": 15,
}


def sealed_header_from_value(value: codec.Value) -> SealedHeader:
    """Return the sealed header of a decoded array.

    Raises:
        DecodeError: not a header, or a seal of the wrong length.
    """
    header_bytes, seal = codec.fields(value, 2, "sealed header")
    header_bytes = codec.limited_bytes(header_bytes, limits.HEADER_BYTES_MAX, "header")
    return SealedHeader(
        header=decode_header(header_bytes),
        header_bytes=header_bytes,
        seal=codec.fixed_bytes(seal, SIGNATURE_BYTES, "seal"),
    )


def open_block(raw: bytes, *, bytes_max: int) -> EncodedBlock:
    """Return the block in ``raw`` with its transactions unread: enough to tell which block it is.

    Raises:
        DecodeError: not canonical, over ``bytes_max``, or a field of the wrong type or range.
    """
    sealed_value, raws, certificates = codec.fields(
        codec.decode(raw, bytes_max=bytes_max), 3, "block"
    )
    sealed = sealed_header_from_value(sealed_value)
    raws = codec.array(raws, "transactions", count_max=bytes_max)
    certificates = codec.array(
        certificates, "certificates", count_max=limits.CERTIFICATES_PER_BLOCK_MAX
    )
    for certificate in certificates:
        codec.limited_bytes(certificate, limits.CERTIFICATE_ENCODED_BYTES_MAX, "certificate")
    for transaction in raws:
        codec.limited_bytes(transaction, limits.TRANSACTION_BYTES_MAX, "transaction")
    return EncodedBlock(sealed=sealed, transactions=raws, certificates=certificates)


def decode_block(
    raw: bytes,
    *,
    bytes_max: int,
    decode: Callable[[bytes], SignedTransaction] = decode_transaction,
) -> Block:
    """Return the block that ``raw`` encodes; ``validate_body`` says whether it is whole.

    ``decode`` may know transactions that were decoded before; else it is ``decode_transaction``.

    Raises:
        DecodeError: not canonical, over ``bytes_max``, or a field of the wrong type or range.
    """
    return open_block(raw, bytes_max=bytes_max).decode(decode)


def validate_body(block: Block) -> None:
    """Check that the body is the one that the header commits to.

    Raises:
        InvalidBlock: a count or root differs. The header is not to blame: another body may fit it.
    """
    header = block.header
    if header.transaction_count != len(block.transactions):
        raise InvalidBlock(
            "wrong_transaction_count",
            "the header counts other transactions",
            expected=header.transaction_count,
            found=len(block.transactions),
        )
    if header.tx_root != tx_root(block.transactions):
        raise InvalidBlock("wrong_tx_root", "tx_root does not commit to these transactions")
    if header.certificates_root != certificates_root(block.certificates):
        raise InvalidBlock("wrong_certificates_root", "the header commits to other certificates")
