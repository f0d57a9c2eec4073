"""Frozen bytes of the ledger's formats: a transaction of each kind, a block, a genesis."""

import pytest

from ledger.blocks import decode_block, decode_header, validate_body
from ledger.genesis import decode_genesis
from ledger.genesis_document import format_genesis, parse_genesis
from ledger.keys import verify
from ledger.kinds import Kind
from ledger.transactions import assemble, decode_transaction
from ledger.transition import signature_items
from tests.vectors import FOLDER, load_vectors

TRANSACTIONS = load_vectors("ledger/transactions.json")["transactions"]
BLOCK = load_vectors("ledger/block.json")
GENESIS = load_vectors("ledger/genesis.json")
DOCUMENT = (FOLDER / "ledger" / "genesis_document.json").read_text("utf-8")


def test_each_kind_is_frozen() -> None:
    """No kind is without a vector."""
    assert [vector["kind"] for vector in TRANSACTIONS] == [kind.name.lower() for kind in Kind]


@pytest.mark.parametrize("vector", TRANSACTIONS, ids=lambda vector: vector["kind"])
def test_transactions(vector: dict[str, str]) -> None:
    """The bytes decode to their kind, id and signatures, and encode to themselves."""
    raw = bytes.fromhex(vector["raw"])
    transaction = decode_transaction(raw)
    assert transaction.body.kind.name.lower() == vector["kind"]
    assert transaction.txid.hex() == vector["txid"]
    assert transaction.signing_message.hex() == vector["signing_message"]
    assert assemble(transaction.body, transaction.signatures).raw == raw
    assert all(verify(*item) for item in signature_items(transaction))


def test_block() -> None:
    """The block decodes to its hash, roots and header, is whole, and encodes to itself."""
    raw = bytes.fromhex(BLOCK["block"])
    block = decode_block(raw, bytes_max=len(raw))
    validate_body(block)
    assert block.encode() == raw
    assert block.hash.hex() == BLOCK["hash"]
    assert block.header == decode_header(bytes.fromhex(BLOCK["header"]))
    assert block.header.encode().hex() == BLOCK["header"]
    assert block.header.tx_root.hex() == BLOCK["tx_root"]
    assert block.header.certificates_root.hex() == BLOCK["certificates_root"]


def test_genesis() -> None:
    """The document decodes to its header, state root and sealer set, and encodes to itself."""
    genesis = decode_genesis(bytes.fromhex(GENESIS["document"]))
    sealed = genesis.header()
    assert genesis.encode().hex() == GENESIS["document"]
    assert sealed.header_bytes.hex() == GENESIS["header"]
    assert sealed.hash.hex() == GENESIS["hash"]
    assert sealed.header.state_root.hex() == GENESIS["state_root"]
    assert sealed.header.set_hash.hex() == GENESIS["set_hash"]


def test_genesis_as_text() -> None:
    """The JSON file is the same genesis, and is written the same."""
    genesis = parse_genesis(DOCUMENT)
    assert genesis.encode().hex() == GENESIS["document"]
    assert format_genesis(genesis) == DOCUMENT
