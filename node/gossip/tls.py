"""Mutual TLS without a certificate authority: the chain is the register of certificates.

Each member makes one self-signed Ed25519 certificate and registers it on the chain. A node trusts
exactly the registered ones: each is its own trust anchor (X509_V_FLAG_PARTIAL_CHAIN), so OpenSSL
refuses a missing, foreign or expired certificate within the handshake. The peer is the member that
the certificate's fingerprint names; host names and the subject's text prove nothing here.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from node.gossip.errors import CertificateRejected

FINGERPRINT_BYTES: Final = 32


class TlsSession(Protocol):
    """The part of `ssl.SSLObject` that tells who is at the other end."""

    def getpeercert(self, binary_form: bool = False, /) -> object:
        """Return the peer's certificate, in DER if ``binary_form``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberCertificate:
    """One certificate of the register and the member that it stands for.

    A member has two while it changes from one to the next.
    """

    member_id: str
    certificate: bytes  # DER


def make_certificate(
    member_id: str, *, not_before: datetime, not_after: datetime
) -> tuple[bytes, bytes]:
    """Return a new private key (PKCS #8) and its self-signed certificate, both in PEM.

    The key is Ed25519 (RFC 8410) and unencrypted: whoever stores it restricts its file. The
    subject's common name is the member's id, at most 64 characters; so is the alternative name,
    as the URI ``sunlit:member:ID``. Both are for people who read the certificate.

    Raises:
        ValueError: the id is empty or too long, or the times are in the wrong order.
    """
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, member_id)])
    builder = (
        x509.CertificateBuilder(subject_name=name, issuer_name=name)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .public_key(key.public_key())
    )
    for extension, critical in _extensions(member_id, key.public_key()):
        builder = builder.add_extension(extension, critical=critical)
    certificate = builder.sign(key, algorithm=None)
    key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return key_pem, certificate.public_bytes(Encoding.PEM)


def _extensions(member_id: str, key: Ed25519PublicKey) -> Iterable[tuple[x509.ExtensionType, bool]]:
    """Yield the extensions of a member's certificate (RFC 5280 section 4.2) and if critical."""
    uri = x509.UniformResourceIdentifier(f"sunlit:member:{quote(member_id, safe='')}")
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    yield x509.SubjectAlternativeName([uri]), False
    yield x509.BasicConstraints(ca=False, path_length=None), True
    yield (
        x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=False,
            crl_sign=False,
            encipher_only=False,
            decipher_only=False,
        ),
        True,
    )
    yield x509.ExtendedKeyUsage(usages), False
    yield x509.SubjectKeyIdentifier.from_public_key(key), False
    yield x509.AuthorityKeyIdentifier.from_issuer_public_key(key), False


def certificate_der(certificate_pem: bytes) -> bytes:
    """Return the DER form of a PEM certificate, which is what the register holds.

    Raises:
        ValueError: this is no PEM certificate.
    """
    return x509.load_pem_x509_certificate(certificate_pem).public_bytes(Encoding.DER)


def certificate_fingerprint(certificate: bytes) -> bytes:
    """Return the 32-byte SHA-256 of a certificate in DER."""
    return sha256(certificate).digest()


class TrustStore:
    """The certificates that count now, as TLS contexts of this node.

    Contexts are made anew whenever the register changes: OpenSSL can add a trust anchor to a
    living context but not take one away.
    """

    def __init__(
        self, *, certificate_file: Path, key_file: Path, register: Iterable[MemberCertificate]
    ) -> None:
        self._certificate_file = certificate_file
        self._key_file = key_file
        self.replace(register)

    def replace(self, register: Iterable[MemberCertificate]) -> None:
        """Trust exactly these certificates from the next handshake on."""
        self._register = certificates = tuple(register)
        self._member_ids = {
            certificate_fingerprint(entry.certificate): entry.member_id for entry in certificates
        }
        anchors = b"".join(entry.certificate for entry in certificates)
        self._server_context = self._make_context(ssl.PROTOCOL_TLS_SERVER, anchors)
        # Without tickets every session is a full handshake, so each one checks certificates.
        self._server_context.num_tickets = 0
        self._client_context = self._make_context(ssl.PROTOCOL_TLS_CLIENT, anchors)

    def revoke(self, member_id: str) -> None:
        """Trust no certificate of this member from the next handshake on."""
        self.replace(entry for entry in self._register if entry.member_id != member_id)

    @property
    def server_context(self) -> ssl.SSLContext:
        """The context for connections that peers open. Ask for it anew at each handshake."""
        return self._server_context

    @property
    def client_context(self) -> ssl.SSLContext:
        """The context for connections that this node opens. Ask for it anew at each handshake."""
        return self._client_context

    def member_of(self, session: TlsSession | None) -> str:
        """Return the id of the member at the other end of a completed handshake.

        It is asked again for living sessions when the register changes.

        Raises:
            CertificateRejected: there is no certificate, or it is not or no longer registered.
        """
        certificate = session.getpeercert(True) if session is not None else None
        if not isinstance(certificate, bytes):
            raise CertificateRejected("certificate_missing", "the peer showed no certificate")
        fingerprint = certificate_fingerprint(certificate)
        member_id = self._member_ids.get(fingerprint)
        if member_id is None:
            raise CertificateRejected(
                "certificate_unregistered",
                "the certificate is not in the register",
                fingerprint=fingerprint.hex(),
            )
        return member_id

    def _make_context(self, protocol: int, anchors: bytes) -> ssl.SSLContext:
        context = ssl.SSLContext(protocol)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False  # the fingerprint names the member, not the host
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_cert_chain(self._certificate_file, self._key_file)
        if anchors:
            context.load_verify_locations(cadata=anchors)
        return context
