"""Blocks and headers as bytes, and bodies against the header's commitments."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from ledger import codec, limits
from ledger.blocks import (
    NONCE_BYTES,
    Block,
    decode_block,
    decode_header,
    seal_message,
    sealed_header_from_value,
    tx_root,
    validate_body,
)
from ledger.errors import DecodeError, InvalidBlock
from ledger.hashing import double_sha256
from ledger.keys import verify
from tests.factories import make_network
from tests.refusals import refuses

NETWORK = make_network()
TRANSACTIONS = tuple(
    NETWORK.transfer(NETWORK.leg("alice", "bob", 1), sequence=sequence) for sequence in range(3)
)
BLOCK = NETWORK.block(TRANSACTIONS, (b"certificate",))
BYTES_MAX = 1 << 20


def with_transactions(block: Block, *order: int) -> Block:
    """Return the block with its transactions picked anew by index, the header unchanged."""
    return replace(block, transactions=tuple(block.transactions[at] for at in order))


def test_block_round_trips() -> None:
    """A block decodes to itself; its hash is the double SHA-256 of its header's bytes."""
    decoded = decode_block(BLOCK.encode(), bytes_max=BYTES_MAX)
    assert decoded == BLOCK
    assert decoded.encode() == BLOCK.encode()
    assert decoded.hash == double_sha256(BLOCK.header.encode())
    validate_body(decoded)
    key = NETWORK.genesis.members[decoded.header.sealer].sealing_key
    assert verify(key, decoded.sealed.seal, seal_message(decoded.hash))


def test_empty_block_is_whole() -> None:
    """A block without transactions and certificates commits to empty trees."""
    validate_body(NETWORK.block())


def test_nonce_is_the_header_s_tail() -> None:
    """A miner gets everything but the last 8 bytes, which are the nonce."""
    header = BLOCK.header.with_nonce(b"\x01" * NONCE_BYTES)
    assert header.work_prefix() == BLOCK.header.work_prefix()
    assert header.encode() == header.work_prefix() + b"\x01" * NONCE_BYTES
    assert decode_header(header.encode()) == header


@pytest.mark.parametrize(
    ("at", "value", "code"),
    [
        (0, 2, "unknown_version"),
        (0, True, "unknown_version"),
        (1, -1, "bad_integer"),
        (1, 2**53, "bad_integer"),
        (2, bytes(31), "bad_bytes"),
        (3, 2**53, "bad_integer"),
        (4, 1.5, "bad_integer"),
        (5, 2**32, "bad_integer"),
        (6, "Bank 1", "bad_member_id"),
        (6, b"bank1", "bad_member_id"),
        (7, 2**32, "bad_integer"),
        (8, "x" * 32, "bad_bytes"),
        (9, bytes(33), "bad_bytes"),
        (10, bytes(33), "bad_bytes"),
        (11, b"", "bad_bytes"),
        (12, None, "bad_integer"),
        (13, 7, "bad_bytes"),
        (14, True, "bad_integer"),
        (15, (), "bad_bytes"),
        (16, bytes(7), "bad_bytes"),
    ],
)
def test_each_fault_of_a_header_has_its_code(at: int, value: Any, code: str) -> None:
    """One wrong field is refused with the code of that field."""
    values = list(codec.decode(BLOCK.header.encode(), bytes_max=BYTES_MAX))
    values[at] = value
    with refuses(DecodeError, code):
        decode_header(codec.encode(tuple(values)))


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (7, "bad_shape"),
        ((b"",), "bad_shape"),
        (("header", bytes(64)), "bad_bytes"),
        ((bytes(limits.HEADER_BYTES_MAX + 1), bytes(64)), "bad_bytes"),
        ((b"\x01", bytes(64)), "bad_shape"),
        ((BLOCK.header.encode(), bytes(63)), "bad_bytes"),
    ],
    ids=lambda part: repr(part)[:16],
)
def test_sealed_header_faults(value: Any, code: str) -> None:
    """A sealed header is a header's bytes and a signature."""
    with refuses(DecodeError, code):
        sealed_header_from_value(value)


def test_header_over_its_limit() -> None:
    """A header has at most 1,024 bytes."""
    with refuses(DecodeError, "too_large"):
        decode_header(bytes(limits.HEADER_BYTES_MAX + 1))


SEALED = BLOCK.sealed.to_value()


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ((SEALED, ()), "bad_shape"),
        ((SEALED, 7, ()), "bad_shape"),
        ((SEALED, (7,), ()), "bad_bytes"),
        ((SEALED, (b"",), ()), "malformed"),
        ((SEALED, (), 7), "bad_shape"),
        ((SEALED, (), (7,)), "bad_bytes"),
        ((SEALED, (), (b"",) * (limits.CERTIFICATES_PER_BLOCK_MAX + 1)), "bad_shape"),
        ((SEALED, (), (bytes(limits.CERTIFICATE_ENCODED_BYTES_MAX + 1),)), "bad_bytes"),
    ],
    ids=lambda part: repr(part)[-24:],
)
def test_each_fault_of_a_block_has_its_code(value: Any, code: str) -> None:
    """Body and certificates are pinned with their limits."""
    with refuses(DecodeError, code):
        decode_block(codec.encode(value), bytes_max=BYTES_MAX)


def test_oversized_transaction_in_a_block() -> None:
    """A transaction over its own limit is refused inside a block that has room for it."""
    raw = codec.encode((SEALED, (bytes(limits.TRANSACTION_BYTES_MAX + 1),), ()))
    with refuses(DecodeError, "bad_bytes"):
        decode_block(raw, bytes_max=len(raw))


def test_threat_42_oversized_block() -> None:
    """A block of one byte more than allowed is refused by its length."""
    raw = BLOCK.encode()
    assert decode_block(raw, bytes_max=len(raw)) == BLOCK
    with refuses(DecodeError, "too_large"):
        decode_block(raw, bytes_max=len(raw) - 1)


@pytest.mark.parametrize("order", [(0, 1, 2, 2), (0, 1, 2, 1, 2), (0, 1, 2, 0, 1, 2)])
def test_threat_32_duplicated_transactions(order: tuple[int, ...]) -> None:
    """Repeating a tail never keeps the root, so the good block cannot be given a twin."""
    twin = with_transactions(BLOCK, *order)
    assert twin.hash == BLOCK.hash
    assert tx_root(twin.transactions) != BLOCK.header.tx_root
    with refuses(InvalidBlock, "wrong_transaction_count"):
        validate_body(twin)
    validate_body(BLOCK)


def test_threat_32_the_count_alone_saves_nothing() -> None:
    """Even a header that counts the repeated transactions needs another root."""
    header = replace(BLOCK.header, transaction_count=4)
    sealed = replace(BLOCK.sealed, header=header, header_bytes=header.encode())
    with refuses(InvalidBlock, "wrong_tx_root"):
        validate_body(replace(with_transactions(BLOCK, 0, 1, 2, 2), sealed=sealed))


def test_threat_31_other_bodies_do_not_fit() -> None:
    """Another order, other signatures or other certificates are not this header's body."""
    with refuses(InvalidBlock, "wrong_tx_root"):
        validate_body(with_transactions(BLOCK, 1, 0, 2))
    forged = structs.replace(TRANSACTIONS[0].signatures[0], signature=bytes(64))
    raw = codec.encode((TRANSACTIONS[0].body_bytes, (forged,)))
    unsigned = structs.replace(TRANSACTIONS[0], signatures=(forged,), raw=raw)
    with refuses(InvalidBlock, "wrong_tx_root"):
        validate_body(replace(BLOCK, transactions=(unsigned, *TRANSACTIONS[1:])))
    with refuses(InvalidBlock, "wrong_certificates_root"):
        validate_body(replace(BLOCK, certificates=(b"other",)))
