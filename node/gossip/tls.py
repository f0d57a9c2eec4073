"""Mutual TLS without a certificate authority: the chain is the register of certificates.

Each member makes one self-signed ECDSA P-256 certificate and registers it on the chain. A node
trusts exactly the registered ones: each is its own trust anchor (X509_V_FLAG_PARTIAL_CHAIN), so
OpenSSL refuses a missing, foreign or expired certificate within the handshake. The peer is the
member that the certificate's fingerprint names; host names and the subject's text prove nothing to
a node. They are there for browsers and Prometheus, which want both the curve and the names (ADR 0018).
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from node.gossip.errors import CertificateRejected

FINGERPRINT_BYTES: Final = 32
HOST_CHARACTERS_MAX: Final = 253
"""Longest host name (RFC 1035 section 3.1, as text without the last dot), characters."""

_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
# A last label of digits alone would make the name a mistyped IPv4 address.
_HOST_NAME = re.compile(rf"(?:{_LABEL}\.)*(?![0-9]+$){_LABEL}", re.ASCII)


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


def certificate_host(text: str) -> str:
    """Return a host as a certificate names it: an IP address, or a DNS name in lower case.

    Names are ASCII, so an international one is given in its ``xn--`` form (RFC 5890).

    Raises:
        ValueError: this is neither, or an address that names no one host.
    """
    try:
        address = ip_address(text)
    except ValueError:
        name = text.lower()
        if len(name) > HOST_CHARACTERS_MAX or not _HOST_NAME.fullmatch(name):
            raise ValueError(f"{text!r} is neither a host name in ASCII nor an address") from None
        return name
    if address.is_unspecified or "%" in text:
        raise ValueError(f"{text} names no host that others could reach")
    return str(address)


def make_certificate(
    member_id: str, *, not_before: datetime, not_after: datetime, hosts: Iterable[str] = ()
) -> tuple[bytes, bytes]:
    """Return a new private key (PKCS #8) and its self-signed certificate, both in PEM.

    The key is ECDSA P-256 (RFC 5480), which every browser takes, and unencrypted: whoever stores
    it restricts its file. The subject's common name is the member's id, at most 64 characters;
    so is the first alternative name, as the URI ``sunlit:member:ID``. Both are for people who read
    the certificate. The other alternative names are ``hosts``, DNS names and IP addresses, for
    clients that check whom they reach by name.

    Raises:
        ValueError: the id is empty or too long, a host is none, or the times are in the wrong
            order.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, member_id)])
    builder = (
        x509.CertificateBuilder(subject_name=name, issuer_name=name)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .public_key(key.public_key())
    )
    for extension, critical in _extensions(member_id, hosts, key.public_key()):
        builder = builder.add_extension(extension, critical=critical)
    certificate = builder.sign(key, hashes.SHA256())
    key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return key_pem, certificate.public_bytes(Encoding.PEM)


def _extensions(
    member_id: str, hosts: Iterable[str], key: ec.EllipticCurvePublicKey
) -> Iterable[tuple[x509.ExtensionType, bool]]:
    """Yield the extensions of a member's certificate (RFC 5280 section 4.2) and if critical.

    It is no authority's: whoever imports it trusts these names and can be led to no others.
    """
    uri = x509.UniformResourceIdentifier(f"sunlit:member:{quote(member_id, safe='')}")
    names = [_general_name(certificate_host(host)) for host in hosts]
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    yield x509.SubjectAlternativeName([uri, *names]), False
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


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def check_certificate(certificate: bytes) -> None:
    """Check that a certificate in DER is one that a node and a browser can use: ECDSA P-256.

    Raises:
        ValueError: it is none.
    """
    key = x509.load_der_x509_certificate(certificate).public_key()
    curve = key.curve if isinstance(key, ec.EllipticCurvePublicKey) else None
    if not isinstance(curve, ec.SECP256R1):
        raise ValueError("its key is not ECDSA P-256")  # noqa: TRY004 - the bytes are wrong


def certificate_pem(certificate: bytes) -> bytes:
    """Return the PEM form of a certificate in DER, which is what other programs read.

    Raises:
        ValueError: this is no certificate.
    """
    return x509.load_der_x509_certificate(certificate).public_bytes(Encoding.PEM)


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
