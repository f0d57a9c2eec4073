"""`sunlit audit verify`: what it proves, what it rests on, what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from auditor.cli import audit
from ledger.genesis_document import format_genesis
from tests.factories import OPENING_BALANCE, Network, make_network
from tests.unit.wallet.bundles import make_account_bundle, make_bundle
from wallet.profile import Profile, save_profile

Bundle = dict[str, Any]


@pytest.fixture(scope="module")
def made(network: Network) -> Bundle:
    """Return a good bundle."""
    return make_bundle(network)


@pytest.fixture
def bundle(made: Bundle) -> Bundle:
    """Return a good bundle that a test may change."""
    copy: Bundle = json.loads(json.dumps(made))
    return copy


@pytest.fixture
def verify(tmp_path: Path) -> Callable[..., Result]:
    """Return what writes a bundle to a file and verifies it."""

    def invoke(bundle: Bundle | str, *words: str) -> Result:
        file = tmp_path / "bundle.json"
        file.write_text(bundle if isinstance(bundle, str) else json.dumps(bundle))
        return CliRunner().invoke(audit, ["verify", str(file), *words])

    return invoke


def test_a_good_bundle_says_what_it_proves(
    verify: Callable[..., Result], bundle: Bundle, network: Network
) -> None:
    """Transaction, block, votes and chain are told, with the hash that all of it rests on."""
    anchor = network.genesis_hash.hex()
    result = verify(bundle, "--genesis-hash", anchor, "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["verified"] is True
    assert (document["txid"], document["height"], document["index"]) == (bundle["txid"], 1, 1)
    assert (document["genesis_hash"], document["trust_anchor"]) == (anchor, "--genesis-hash")
    assert document["voters"] == ["bank1", "bank2", "regulator"]
    text = verify(bundle, "--genesis-hash", anchor).stdout
    assert bundle["txid"] in text
    assert anchor in text


def test_an_accounts_bundle_says_what_it_held(
    verify: Callable[..., Result], network: Network
) -> None:
    """Balances, status and the final block are told; a changed balance is refused."""
    bundle = make_account_bundle(network, "alice")
    anchor = ("--genesis-hash", network.genesis_hash.hex())
    document = json.loads(verify(bundle, *anchor, "--json").stdout)
    assert document["balances"] == {"CNY": str(OPENING_BALANCE), "USD": str(OPENING_BALANCE)}
    assert (document["status"], document["member"], document["height"]) == ("active", "bank1", 1)
    assert f"{OPENING_BALANCE} CNY" in verify(bundle, *anchor).stdout
    bundle["entries"][1]["value"] = "01"
    assert verify(bundle, *anchor).stderr.startswith("error[")


def test_an_attestations_bundle_says_who_attested_what(
    verify: Callable[..., Result], network: Network, tmp_path: Path
) -> None:
    """Member, hash, subject and height are told; with --document, that the file is the one."""
    bundle = make_bundle(network, network.attest(b"card"))
    anchor = ("--genesis-hash", network.genesis_hash.hex())
    digest = sha256(b"card").hexdigest()
    document = json.loads(verify(bundle, *anchor, "--json").stdout)
    assert (document["kind"], document["height"]) == ("attest", 1)
    assert document["attested"] == {
        "member": "bank1",
        "kind": "model_card",
        "subject": "scoring 1.0",
        "revision": 1,
        "sha256": digest,
    }
    said = f"bank1 attested {digest} for model_card 'scoring 1.0', revision 1, at height 1"
    assert said in verify(bundle, *anchor).stdout
    file = tmp_path / "card.json"
    file.write_bytes(b"card")
    assert verify(bundle, *anchor, "--document", str(file)).exit_code == 0
    file.write_bytes(b"another card")
    differing = verify(bundle, *anchor, "--document", str(file))
    assert (differing.exit_code, differing.stdout) == (1, "")
    assert "error[document_differs]: " in differing.stderr


def test_a_payment_attests_no_document(
    verify: Callable[..., Result], bundle: Bundle, network: Network, tmp_path: Path
) -> None:
    """Neither does an account: a bundle of something else is not mistaken for a proof."""
    file = tmp_path / "card.json"
    file.write_bytes(b"card")
    words = ("--genesis-hash", network.genesis_hash.hex(), "--document", str(file))
    for other in (bundle, make_account_bundle(network, "alice")):
        assert "error[no_attestation]: " in verify(other, *words).stderr


def test_the_anchor_may_be_a_document_or_the_home(
    verify: Callable[..., Result], bundle: Bundle, network: Network, tmp_path: Path, home: Path
) -> None:
    """Each source of trust is named in the result."""
    genesis = tmp_path / "genesis.json"
    genesis.write_text(format_genesis(network.genesis))
    assert "trusted from --genesis" in verify(bundle, "--genesis", str(genesis)).stdout
    save_profile(home, Profile(chain_id="test", genesis_hash=network.genesis_hash, nodes=()))
    assert "this home's profile" in verify(bundle).stdout


def test_without_an_anchor_nothing_is_proved(verify: Callable[..., Result], bundle: Bundle) -> None:
    """The bundle's own genesis is trusted only on demand, and the result says so."""
    result = verify(bundle)
    assert result.exit_code == 1
    assert "error[no_trust_anchor]: " in result.stderr
    assert "which proves no chain" in verify(bundle, "--trust-bundle-genesis").stdout
    both = verify(bundle, "--trust-bundle-genesis", "--genesis-hash", "00" * 32)
    assert both.exit_code == 2


def test_another_chains_bundle_is_refused_threat_73(
    verify: Callable[..., Result], bundle: Bundle, network: Network, tmp_path: Path
) -> None:
    """A whole chain made up by a liar does not start from the trusted genesis."""
    other = make_network(banks=3, accounts=3)
    anchor = other.genesis_hash.hex()
    assert "error[wrong_genesis]: " in verify(bundle, "--genesis-hash", anchor).stderr
    genesis = tmp_path / "genesis.json"
    genesis.write_text(format_genesis(other.genesis))
    words = ("--genesis", str(genesis))
    assert verify(bundle, *words).exit_code == 1
    differing = verify(bundle, *words, "--genesis-hash", network.genesis_hash.hex())
    assert "error[anchors_differ]: " in differing.stderr


@pytest.mark.parametrize(
    "change",
    [
        {"index": 0},
        {"index": True},
        {"path": []},
        {"history_path": []},
        {"txid": "00" * 32},
        {"format": "other"},
        {"certificate": ""},
        {"transaction": "zz"},
        {"genesis": None},
        {"finalized_header": None},
    ],
)
def test_a_changed_bundle_is_refused_threat_73(
    verify: Callable[..., Result], bundle: Bundle, network: Network, change: Bundle
) -> None:
    """Any part that does not lead to the next is an error with a code and status 1."""
    result = verify(bundle | change, "--genesis-hash", network.genesis_hash.hex())
    assert result.exit_code == 1
    assert result.stderr.startswith("error[")
    assert result.stdout == ""


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 1, "a": 2}', '{"a": NaN}', "[" * 100_000])
def test_what_is_no_bundle_is_refused(verify: Callable[..., Result], text: str) -> None:
    """Malformed and ambiguous JSON has a code of its own."""
    result = verify(text, "--genesis-hash", "00" * 32)
    assert "error[malformed_bundle]: " in result.stderr


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_bundle_is_utf_8(bundle: Bundle, tmp_path: Path, encoding: str) -> None:
    """RFC 8259, section 8.1: a good bundle in another encoding is none."""
    file = tmp_path / "bundle.json"
    file.write_text(json.dumps(bundle), encoding=encoding)
    result = CliRunner().invoke(audit, ["verify", str(file), "--trust-bundle-genesis"])
    assert result.exit_code == 1
    assert "error[malformed_bundle]: " in result.stderr


@pytest.mark.parametrize("text", ["", "00", "zz" * 32, "00" * 33])
def test_a_malformed_anchor_is_refused(
    verify: Callable[..., Result], bundle: Bundle, text: str
) -> None:
    """A genesis hash is 32 bytes in hexadecimal."""
    assert "error[bad_genesis_hash]: " in verify(bundle, "--genesis-hash", text).stderr
