"""What can be wrong with a ledger's bytes, transactions, headers and blocks.

    LedgerError
    ├── DecodeError          the bytes are not the canonical encoding of anything
    ├── InvalidKey           a public key that may not be registered
    ├── InvalidGenesis       a genesis document that no chain can start from
    ├── InvalidTransaction   well-formed, but not allowed (by its own fields or by the state)
    ├── InvalidProposal      a proposal's file that is damaged, tampered with or out of place
    ├── InvalidHeader        a header that breaks a rule of the chain
    ├── InvalidBlock         a body that its header does not commit to, or that the state refuses
    └── InvalidProof         a Merkle, state or finality proof that does not hold

Each carries a stable ``code`` (API answers and metrics use it) and the offending values in
``fields``. Already known, parked and orphaned are outcomes, not errors.
"""

from __future__ import annotations


class LedgerError(Exception):
    """Base of every fault of the ledger.

    ``code`` is stable and machine-readable; ``detail`` is one sentence for people; ``fields``
    holds the offending values under their names.
    """

    def __init__(self, code: str, detail: str, **fields: object) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.fields = fields

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


class DecodeError(LedgerError):
    """The bytes are malformed, over a limit, or not canonical."""


class InvalidKey(LedgerError):
    """The public key may not be registered (length, scheme, non-canonical, small order)."""


class InvalidGenesis(LedgerError):
    """The genesis document contradicts itself or breaks a limit."""


class InvalidTransaction(LedgerError):
    """The transaction is not allowed, by its own fields or by the state it meets."""


class InvalidProposal(LedgerError):
    """The proposal is not what it says it is, or may not take what is added to it."""


class InvalidHeader(LedgerError):
    """The header breaks a rule: work, bits, time, height, sealer, diversity."""


class InvalidBlock(LedgerError):
    """The body does not match its header's commitments, or the state refuses it."""


class InvalidProof(LedgerError):
    """A proof does not lead from the item to the root that it names."""
