"""The numbers that a network chooses once, in its genesis document, and consensus depends on."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields

from ledger import codec
from ledger.errors import InvalidGenesis

COMPACT_MAX = 2**32 - 1
"""Largest number that a target's compact form can be: it has four bytes. ``consensus.target`` says
which of them are targets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Consensus parameters; integers only, so that every machine computes the same."""

    target_block_ms: int = 1_000
    """Intended time between blocks, milliseconds."""
    half_life_ms: int = 120_000
    """ASERT half-life, milliseconds."""
    easiest_bits: int = 0x1F7FFFFF
    """Easiest proof-of-work target, compact form."""
    genesis_bits: int = 0x1F00FFFF
    """Target of the first block after genesis, compact form."""
    diversity_percent: int = 50
    """Share of the other sealers that must seal before a sealer may again, percent."""
    future_ms_max: int = 10_000
    """How far ahead of a receiver's clock a block may be before it is parked, milliseconds."""
    block_bytes_max: int = 4 * 1024 * 1024
    """Largest encoded block, bytes."""
    block_signatures_max: int = 20_000
    """Most transaction signatures a block."""
    block_legs_max: int = 50_000
    """Most legs a block, over all its transactions."""
    unproved_blocks_max: int = 500
    """Blocks past the last one that certificates on the chain prove final, before transactions stop."""

    def encode(self) -> bytes:
        """Return the canonical bytes: the values in field order."""
        return codec.encode(astuple(self))

    @classmethod
    def decode(cls, value: codec.Value) -> Parameters:
        """Return the parameters of a decoded array of integers in field order."""
        names = [field.name for field in fields(cls)]
        values = codec.fields(value, len(names), "parameters")
        return cls(**{n: codec.uint(v, n) for n, v in zip(names, values, strict=True)})

    def validate(self) -> None:
        """Raise InvalidGenesis where a value would stop the chain or overflow its arithmetic."""
        ranges = {
            "target_block_ms": (10, 3_600_000),
            "half_life_ms": (self.target_block_ms, 2**40),
            "easiest_bits": (1, COMPACT_MAX),
            "genesis_bits": (1, COMPACT_MAX),
            "diversity_percent": (0, 100),
            "future_ms_max": (1_000, 7_200_000),
            "block_bytes_max": (64 * 1024, 64 * 1024 * 1024),
            "block_signatures_max": (1, 1_000_000),
            "block_legs_max": (1, 1_000_000),
            "unproved_blocks_max": (10, 1_000_000),
        }
        for name, (low, high) in ranges.items():
            if not low <= getattr(self, name) <= high:
                raise InvalidGenesis(
                    "bad_parameter", f"{name} must be from {low} to {high}", parameter=name
                )
