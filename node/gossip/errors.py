"""What can go wrong between two nodes before a single frame is read.

NodeError
└── GossipError
    ├── CertificateRejected  the certificate names no member, or another one than was dialled
    └── PeerRefused          the member is known, but not welcome now
"""

from __future__ import annotations

from node.errors import NodeError


class GossipError(NodeError):
    """Base of the faults of peer sessions; each costs one connection."""


class CertificateRejected(GossipError):
    """The peer's certificate does not name the member that it must name."""


class PeerRefused(GossipError):
    """The connection is not taken: discouraged, a duplicate, the node itself, or no upgrade."""
