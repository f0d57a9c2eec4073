"""What can go wrong between two nodes before a single message is read.

GossipError
├── CertificateRejected  the certificate names no member, or another one than was dialled
└── PeerRefused          the member is known, but not welcome now
"""

from __future__ import annotations

from typing import ClassVar


class GossipError(Exception):
    """Base of the faults of peer sessions; ``fields`` holds the offending values."""

    code: ClassVar[str] = "gossip_error"

    def __init__(self, detail: str, **fields: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fields = fields


class CertificateRejected(GossipError):
    """The peer's certificate does not name the member that it must name; close the connection."""

    code = "certificate_rejected"


class PeerRefused(GossipError):
    """The connection is not taken: discouraged, a duplicate, or the node itself."""

    code = "peer_refused"
