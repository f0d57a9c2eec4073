"""Trust in a node that shows its member's own certificate."""

from __future__ import annotations

import ssl


def trusting_context(certificate: bytes) -> ssl.SSLContext:
    """Return a TLS context that takes this certificate, and no other, for the node's.

    Args:
        certificate: X.509 in DER. It is its own trust anchor, so its issuer and the host name in
            it mean nothing; that it has not expired does.

    Raises:
        ssl.SSLError, ValueError: this is no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=certificate)
    return context
