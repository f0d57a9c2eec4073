"""Member certificates, their fingerprints, and the store that trusts exactly the registered ones."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from node.gossip.errors import CertificateRejected
from node.gossip.tls import (
    FINGERPRINT_BYTES,
    MemberCertificate,
    TrustStore,
    certificate_der,
    certificate_fingerprint,
    certificate_host,
    certificate_pem,
    check_certificate,
    make_certificate,
)

NOW = datetime(2026, 11, 1, tzinfo=UTC)


class Peer:
    """The far end of a handshake, as far as the store looks at it."""

    def __init__(self, certificate: bytes | None) -> None:
        self.certificate = certificate

    def getpeercert(self, binary_form: bool = False, /) -> bytes | None:
        assert binary_form
        return self.certificate


def make_store(directory: Path, *member_ids: str) -> tuple[TrustStore, dict[str, bytes]]:
    """Return a store of the first member that trusts all of them, and their certificates."""
    certificates: dict[str, bytes] = {}
    for member_id in member_ids:
        key, certificate = make_certificate(
            member_id, not_before=NOW, not_after=NOW + timedelta(365)
        )
        certificates[member_id] = certificate_der(certificate)
        (directory / f"{member_id}.key").write_bytes(key)
        (directory / f"{member_id}.crt").write_bytes(certificate)
    store = TrustStore(
        certificate_file=directory / f"{member_ids[0]}.crt",
        key_file=directory / f"{member_ids[0]}.key",
        register=[
            MemberCertificate(member_id=member_id, certificate=certificate)
            for member_id, certificate in certificates.items()
        ],
    )
    return store, certificates


def test_certificate_says_who_and_how_long() -> None:
    """The certificate is of P-256, signed by itself, with the member's id and the times."""
    _, pem = make_certificate("bank 1/ä", not_before=NOW, not_after=NOW + timedelta(365))
    certificate = x509.load_pem_x509_certificate(pem)
    certificate.verify_directly_issued_by(certificate)
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"
    (name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert name.value == "bank 1/ä"
    assert certificate.not_valid_before_utc == NOW
    assert certificate.not_valid_after_utc == NOW + timedelta(365)
    alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert alternative.value.get_values_for_type(x509.UniformResourceIdentifier) == [
        "sunlit:member:bank%201%2F%C3%A4"
    ]


def test_certificate_names_its_hosts() -> None:
    """Names in lower case and addresses stand in it as what they are; it is no authority's."""
    _, pem = make_certificate(
        "bank1",
        not_before=NOW,
        not_after=NOW + timedelta(1),
        hosts=["Bank1.Example", "127.0.0.1", "2001:DB8::1"],
    )
    extensions = x509.load_pem_x509_certificate(pem).extensions
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["bank1.example"]
    addresses = names.get_values_for_type(x509.IPAddress)
    assert [str(address) for address in addresses] == ["127.0.0.1", "2001:db8::1"]
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca


@pytest.mark.parametrize(
    "text",
    [
        *("", "bank one", "bänk.example", "-a.example", "a-.example", "a..b", ".a", "a."),
        *("*.example", "1.2.3.4.5", "256.0.0.1", "0.0.0.0", "::", "fe80::1%eth0", "[::1]"),
        *("a.example:443", "a/b", "a\n", "x" * 64, ".".join(["abcd"] * 51)),
    ],
)
def test_certificate_names_no_host_that_is_none(text: str) -> None:
    """Wildcards, mistyped addresses and what is reached by no one are refused."""
    with pytest.raises(ValueError, match="host"):
        certificate_host(text)


def test_only_a_certificate_of_p_256_will_do() -> None:
    """What no browser takes, and what is no certificate, is found before it is registered."""
    _, pem = make_certificate("bank1", not_before=NOW, not_after=NOW + timedelta(1))
    good = certificate_der(pem)
    check_certificate(good)
    assert certificate_pem(good) == pem
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bank1")])
    key = Ed25519PrivateKey.generate()
    other = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=1,
        not_valid_before=NOW,
        not_valid_after=NOW + timedelta(1),
    ).sign(key, algorithm=None)
    for bad in (other.public_bytes(Encoding.DER), b"", good[:-1]):
        with pytest.raises(ValueError, match=r"P-256|asn1"):
            check_certificate(bad)


def test_certificate_needs_an_id_and_a_time_that_runs_forward() -> None:
    """An empty or overlong id and an end before the beginning are refused."""
    for member_id, days in (("", 1), ("x" * 65, 1), ("bank1", -1)):
        with pytest.raises(ValueError):  # noqa: PT011 - the text is the library's
            make_certificate(member_id, not_before=NOW, not_after=NOW + timedelta(days))


def test_fingerprint_is_the_hash_of_the_der_form() -> None:
    """Thirty-two bytes, and those that any X.509 tool shows."""
    _, pem = make_certificate("bank1", not_before=NOW, not_after=NOW + timedelta(1))
    fingerprint = certificate_fingerprint(certificate_der(pem))
    assert fingerprint == sha256(ssl.PEM_cert_to_DER_cert(pem.decode())).digest()
    assert len(fingerprint) == FINGERPRINT_BYTES


def test_contexts_take_nothing_but_mutual_tls_1_3(tmp_path: Path) -> None:
    """Both ends demand a certificate, and no older protocol is spoken."""
    store, certificates = make_store(tmp_path, "bank1", "bank2")
    for context in (store.server_context, store.client_context):
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.minimum_version is ssl.TLSVersion.TLSv1_3
        assert context.verify_flags & ssl.VERIFY_X509_PARTIAL_CHAIN
        assert context.cert_store_stats()["x509"] == len(certificates)
    assert store.server_context.num_tickets == 0


def test_fingerprint_names_the_member(tmp_path: Path) -> None:
    """The member is the one whose registered certificate was shown, byte for byte."""
    store, certificates = make_store(tmp_path, "bank1", "bank2")
    assert store.member_of(Peer(certificates["bank2"])) == "bank2"
    for session in (None, Peer(None), Peer(b"something else")):
        with pytest.raises(CertificateRejected):
            store.member_of(session)


def test_revoked_and_replaced_members_are_not_named(tmp_path: Path) -> None:
    """After a change the register counts at once, for contexts and for living sessions."""
    store, certificates = make_store(tmp_path, "bank1", "bank2")
    store.revoke("bank2")
    with pytest.raises(CertificateRejected) as rejected:
        store.member_of(Peer(certificates["bank2"]))
    fingerprint = certificate_fingerprint(certificates["bank2"])
    assert rejected.value.fields == {"fingerprint": fingerprint.hex()}
    assert store.server_context.cert_store_stats()["x509"] == 1
    renewed = MemberCertificate(member_id="bank2", certificate=certificates["bank2"])
    store.replace([renewed])
    assert store.member_of(Peer(certificates["bank2"])) == "bank2"
    store.replace([])
    assert store.client_context.cert_store_stats()["x509"] == 0
