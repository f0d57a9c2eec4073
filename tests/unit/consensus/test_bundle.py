"""Evidence bundles: a good one verifies, one with anything changed does not."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, replace
from typing import Any

import pytest
from msgspec import structs

from consensus.bundle import (
    TransactionProof,
    VerifiedTransaction,
    bundle_document,
    verify_bundle,
)
from ledger import codec
from ledger.blocks import SealedHeader
from ledger.errors import DecodeError, InvalidProof
from ledger.genesis_document import format_genesis
from ledger.keys import verify
from ledger.merkle import inclusion_path, leaf_hash
from ledger.transactions import SignedTransaction
from tests.chains import ChainBuilder
from tests.factories import make_network, sign

Document = dict[str, Any]

FIELDS = (
    "format",
    "kind",
    "chain_id",
    "genesis_hash",
    "genesis",
    "txid",
    "transaction",
    "index",
    "path",
    "header",
    "history_path",
    "finalized_header",
    "certificate",
)
HEX_FIELDS = ("genesis_hash", "txid", "transaction", "header", "finalized_header", "certificate")
PATHS = ("path", "history_path")
BLOCK_HEIGHT, FINAL_HEIGHT = 3, 6
REFUSALS = (InvalidProof, DecodeError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """A chain with transactions in block 3 and a certificate from block 6 to block 7."""

    chain: ChainBuilder
    blocks: list[SealedHeader]
    transactions: tuple[SignedTransaction, ...]

    def proof(self, index: int = 1, final: int = FINAL_HEIGHT) -> TransactionProof:
        """Return the parts of a transaction's bundle, proved by the final block at a height."""
        hashes = [leaf_hash(sealed.hash) for sealed in self.blocks[:final]]
        history = inclusion_path(hashes, BLOCK_HEIGHT) if final > BLOCK_HEIGHT else ()
        return TransactionProof(
            transaction=self.transactions[index],
            index=index,
            path=inclusion_path([leaf_hash(t.raw) for t in self.transactions], index),
            sealed=self.blocks[BLOCK_HEIGHT],
            history_path=history,
            finalized=self.blocks[final],
            certificate=self.chain.certificate(self.blocks[final], self.blocks[final + 1]).encode(),
        )

    def document(self, proof: TransactionProof | None = None) -> Document:
        """Return the bundle as a verifier reads it from a file."""
        genesis = self.chain.network.genesis
        document = bundle_document(
            proof or self.proof(),
            chain_id=genesis.chain_id,
            genesis_hash=self.chain.genesis.hash,
            genesis=json.loads(format_genesis(genesis)),
        )
        read: Document = json.loads(json.dumps(document))
        return read

    def verify(self, document: Document) -> VerifiedTransaction:
        """Verify a bundle against the genesis that is trusted."""
        verified = verify_bundle(document, genesis=self.chain.network.genesis, verify=verify)
        assert isinstance(verified, VerifiedTransaction)
        return verified

    def refuse(self, document: Document) -> str:
        """Return the code with which a bundle is refused."""
        with pytest.raises(REFUSALS) as caught:
            self.verify(document)
        return str(caught.value.code)


@pytest.fixture(scope="module")
def proven() -> Proven:
    """Return a chain of eight blocks, with five transfers in the third."""
    chain = ChainBuilder(make_network(accounts=2))
    leg = chain.network.leg("alice", "bob", 1)
    transactions = tuple(chain.network.transfer(leg, sequence=sequence) for sequence in range(5))
    below = chain.extend(chain.genesis, BLOCK_HEIGHT - 1)
    block = chain.child(below[-1], transactions=transactions)
    blocks = [chain.genesis, *below, block, *chain.extend(block, 5)]
    return Proven(chain=chain, blocks=blocks, transactions=transactions)


@pytest.mark.parametrize("index", range(5))
@pytest.mark.parametrize("final", range(BLOCK_HEIGHT, 8))
def test_a_good_bundle_verifies(proven: Proven, index: int, final: int) -> None:
    """Every transaction is proved by every final block at or above its own."""
    verified = proven.verify(proven.document(proven.proof(index, final)))
    assert verified.transaction == proven.transactions[index]
    assert (verified.index, verified.sealed) == (index, proven.blocks[BLOCK_HEIGHT])
    assert verified.finalized == proven.blocks[final]
    assert verified.voters == proven.chain.members[:3]


def test_a_bundle_has_the_documented_fields(proven: Proven) -> None:
    """The document is plain JSON with these fields and no others."""
    document = proven.document()
    assert tuple(document) == FIELDS
    assert document["format"] == "sunlit-evidence-bundle/1"


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("value", [None, "", "x", "00", -1, 1.5, True, [], ["00"], {}, {"a": 1}])
def test_a_field_with_another_value_is_refused(proven: Proven, name: str, value: object) -> None:
    """No field is taken on trust, whatever stands in its place."""
    proven.refuse(proven.document() | {name: value})


@pytest.mark.parametrize("name", FIELDS)
def test_a_missing_field_is_refused(proven: Proven, name: str) -> None:
    """A bundle proves all or nothing."""
    document = proven.document()
    del document[name]
    proven.refuse(document)


@pytest.mark.parametrize("name", HEX_FIELDS)
def test_a_flipped_bit_is_refused(proven: Proven, name: str) -> None:
    """One bit flipped anywhere in a field's bytes breaks the proof, seals included."""
    document, generator = proven.document(), random.Random(name)
    data = bytes.fromhex(document[name])
    for _ in range(60):
        proven.refuse(document | {name: _flipped(data, generator).hex()})
    proven.refuse(document | {name: data[:-1].hex()})
    proven.refuse(document | {name: (data + b"\x00").hex()})


@pytest.mark.parametrize("name", PATHS)
def test_a_changed_path_is_refused(proven: Proven, name: str) -> None:
    """Each hash of a path counts, and so do their number and order."""
    document, generator = proven.document(), random.Random(name)
    path: list[str] = document[name]
    for at, node in enumerate(path):
        flipped = _flipped(bytes.fromhex(node), generator).hex()
        proven.refuse(document | {name: [*path[:at], flipped, *path[at + 1 :]]})
        proven.refuse(document | {name: [*path[:at], *path[at + 1 :]]})
        proven.refuse(document | {name: [*path[:at], node[:-2], *path[at + 1 :]]})
    proven.refuse(document | {name: path[::-1]})
    proven.refuse(document | {name: [*path, path[0]]})
    assert proven.refuse(document | {name: [path[0]] * 65}) == "malformed_bundle"


def _flipped(data: bytes, generator: random.Random) -> bytes:
    changed = bytearray(data)
    changed[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
    return bytes(changed)


@pytest.mark.parametrize("name", HEX_FIELDS)
def test_hexadecimal_has_one_spelling(proven: Proven, name: str) -> None:
    """Capitals and spaces would make two files of one proof."""
    document = proven.document()
    text: str = document[name]
    proven.refuse(document | {name: text.upper()})
    proven.refuse(document | {name: f"{text[:2]} {text[2:]}"})
    proven.refuse(document | {name: text[:-1]})


@pytest.mark.parametrize("index", [0, 2, 3, 4, 5, 1 << 40])
def test_another_index_is_refused(proven: Proven, index: int) -> None:
    """The path proves one place in the block."""
    assert proven.refuse(proven.document() | {"index": index}) == "not_included"


def test_threat_73_a_bundle_of_another_genesis_is_refused(proven: Proven) -> None:
    """A lying node cannot bring its own members: the genesis that is trusted decides."""
    document = proven.document()
    tampered = json.loads(json.dumps(document["genesis"]))
    tampered["members"][0]["legal_name"] = "Somebody else"
    assert proven.refuse(document | {"genesis": tampered}) == "wrong_genesis"
    reordered = document["genesis"] | {"members": document["genesis"]["members"][::-1]}
    proven.verify(document | {"genesis": reordered})
    other = make_network(accounts=3).genesis
    with pytest.raises(InvalidProof, match="wrong_genesis"):
        verify_bundle(document, genesis=other, verify=verify)


def test_a_transaction_for_another_chain_is_refused(proven: Proven) -> None:
    """The signed body names its chain."""
    stranger = make_network(accounts=3)
    foreign = stranger.transfer(stranger.leg("alice", "bob", 1))
    document = proven.document(replace(proven.proof(), transaction=foreign))
    assert proven.refuse(document) == "wrong_chain"


def test_a_transaction_with_a_bad_signature_is_refused(proven: Proven) -> None:
    """Signatures are checked although the block holds the very bytes."""
    good = proven.transactions[1]
    forged = structs.replace(good.signatures[0], signature=bytes(64))
    raw = codec.encode((good.body_bytes, (forged,)))
    document = proven.document(replace(proven.proof(), transaction=structs.replace(good, raw=raw)))
    assert proven.refuse(document) == "bad_signature"


def test_a_transaction_that_is_not_in_the_block_is_refused(proven: Proven) -> None:
    """A well signed transaction proves nothing by itself."""
    network = proven.chain.network
    signers = network.holders["alice"].signers
    outside = sign(structs.replace(proven.transactions[1].body, reference="outside"), signers)
    document = proven.document(replace(proven.proof(), transaction=outside))
    assert proven.refuse(document) == "not_included"


def test_a_block_outside_the_final_history_is_refused(proven: Proven) -> None:
    """A fork's block is in no history of the final chain."""
    fork = proven.chain.child(proven.blocks[2], transactions=proven.transactions)
    document = proven.document(replace(proven.proof(), sealed=fork))
    assert proven.refuse(document) == "not_in_history"


def test_a_final_header_below_the_block_is_refused(proven: Proven) -> None:
    """What is final must be the block or one above it."""
    below = replace(
        proven.proof(),
        finalized=proven.blocks[2],
        certificate=proven.chain.certificate(proven.blocks[2], proven.blocks[3]).encode(),
    )
    assert proven.refuse(proven.document(below)) == "not_in_history"


def test_a_path_from_a_header_to_itself_is_refused(proven: Proven) -> None:
    """The final header proves its own transactions without a history path."""
    proof = proven.proof(final=BLOCK_HEIGHT)
    assert proof.history_path == ()
    document = proven.document(replace(proof, history_path=(bytes(32),)))
    assert proven.refuse(document) == "surplus_path"


@pytest.mark.parametrize(
    ("source", "target", "code"),
    [
        (FINAL_HEIGHT - 1, FINAL_HEIGHT, "wrong_certificate"),
        (FINAL_HEIGHT + 1, FINAL_HEIGHT + 2, "wrong_certificate"),
        (FINAL_HEIGHT, FINAL_HEIGHT + 2, "not_finalizing"),
    ],
)
def test_only_a_certificate_from_the_final_header_to_its_child_will_do(
    proven: Proven, source: int, target: int, code: str
) -> None:
    """A link to it justifies it only, and one that skips finalizes nothing."""
    certificate = proven.chain.certificate(proven.blocks[source], proven.blocks[target])
    document = proven.document(replace(proven.proof(), certificate=certificate.encode()))
    assert proven.refuse(document) == code


def test_threat_45_a_certificate_without_a_quorum_is_refused(proven: Proven) -> None:
    """Two of four sealers make nothing final."""
    few = proven.chain.certificate(
        proven.blocks[FINAL_HEIGHT], proven.blocks[FINAL_HEIGHT + 1], proven.chain.members[:2]
    )
    document = proven.document(replace(proven.proof(), certificate=few.encode()))
    assert proven.refuse(document) == "no_quorum"


@pytest.mark.parametrize("name", ["header", "finalized_header"])
def test_a_header_with_anothers_seal_is_refused(proven: Proven, name: str) -> None:
    """The seal is outside the block hash, so it is checked by itself."""
    proof = proven.proof()
    sealed = proof.sealed if name == "header" else proof.finalized
    stolen = codec.encode((sealed.header_bytes, proven.blocks[1].seal)).hex()
    assert proven.refuse(proven.document() | {name: stolen}) == "bad_seal"
