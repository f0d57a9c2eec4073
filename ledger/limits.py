"""Every limit of the ledger that is the same on every chain, with its unit.

Limits that a network chooses for itself stand in its genesis document (``ledger.parameters``).
"""

AMOUNT_MAX = 2**63 - 1
"""Largest amount and largest total supply of an asset, in its smallest unit."""

TRANSACTION_BYTES_MAX = 2 * 1024 * 1024
TRANSACTION_LEGS_MAX = 10_000
TRANSACTION_SIGNATURES_MAX = 1_024
REFERENCE_BYTES_MAX = 140
PAYLOAD_BYTES_MAX = 64 * 1024
VALIDITY_BLOCKS_MAX = 10_000

GOVERN_VALIDITY_BLOCKS_MAX = 1_000_000
"""Longest validity of a ``govern`` transaction, blocks: its signatures may take days."""
MEASURES_MAX = 100
"""Measures of one ``govern`` transaction."""
DECISION_SIGNATURES_MIN = 2
"""Fewest officers who sign a regulator's measure: one makes it, another checks it."""
REASON_BYTES_MAX = 280
"""A measure's reason, bytes of UTF-8."""
CASE_BYTES_MAX = 64
"""A measure's case reference, bytes of UTF-8."""

SUBJECT_BYTES_MAX = 128
"""The subject of an attestation, bytes of UTF-8."""
REVISIONS_MAX = 65_535
"""Attestations of one member, document kind and subject, each superseding the one before."""

LANES = 16
"""Sequence lanes of an account, so that several operators need not wait for one another."""

KEYS_MAX = 16
"""Keys of an account or officers of a member."""

MEMBER_ID_BYTES_MAX = 32
MEMBERS_MAX = 1_024
LEGAL_NAME_BYTES_MAX = 200
CERTIFICATE_BYTES_MAX = 4_096
ASSET_CODE_BYTES_MAX = 12
ASSET_DECIMALS_MAX = 18
ASSETS_MAX = 1_024
GENESIS_BYTES_MAX = 16 * 1024 * 1024

HEADER_BYTES_MAX = 1_024
BLOCK_OVERHEAD_BYTES = 64 * 1024
"""What a frame may hold beside the block itself: envelope, header, certificates."""
BLOCK_ENVELOPE_BYTES = 2 * 1024
"""What a block holds at most beside its transactions and certificates: header, seal, lengths."""
CERTIFICATES_PER_BLOCK_MAX = 16
CERTIFICATE_ENCODED_BYTES_MAX = 160 * 1024
"""A quorum certificate of the largest sealer set."""
