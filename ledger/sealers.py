"""Sealer sets: the members that mine and vote, numbered, with the hash that headers carry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ledger import codec
from ledger.hashing import SEALER_SET
from ledger.identity import Member, MemberId, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class SealerSet:
    """The sealers in force for a stretch of the chain."""

    set_id: int
    """Number of the set; 0 is the genesis set."""
    keys: Mapping[MemberId, bytes]
    """Sealing key of each sealer, 33 bytes, by ascending member id."""
    hash: bytes = field(init=False)

    def __post_init__(self) -> None:
        ordered = tuple((member, self.keys[member]) for member in sorted(self.keys))
        object.__setattr__(self, "keys", dict(ordered))
        object.__setattr__(self, "hash", SEALER_SET(codec.encode((self.set_id, ordered))))

    @property
    def size(self) -> int:
        """Number of sealers, n."""
        return len(self.keys)

    @property
    def quorum(self) -> int:
        """Distinct sealers that a certificate needs, q = floor(2n/3) + 1."""
        return 2 * len(self.keys) // 3 + 1


def sealer_set(set_id: int, members: Mapping[MemberId, Member]) -> SealerSet:
    """Return the set of those members that have the sealer role."""
    return SealerSet(
        set_id=set_id,
        keys={
            m: record.sealing_key for m, record in members.items() if record.has_role(Role.SEALER)
        },
    )
