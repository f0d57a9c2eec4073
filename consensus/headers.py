"""Rules that a header must keep, given its ancestors: work, time, clock, sealer, diversity, sets."""

from __future__ import annotations

from dataclasses import dataclass

from consensus.target import asert_target, bits_to_target, target_to_bits
from consensus.votes import Verify
from ledger.blocks import Header, SealedHeader, seal_message
from ledger.errors import InvalidHeader
from ledger.hashing import BlockHash
from ledger.identity import MemberId
from ledger.parameters import Parameters
from ledger.sealers import SealerSet

CLOCK_STEP_INTERVALS_MAX = 10
"""Most block intervals by which one block advances the difficulty clock: a network that slept does
not wake to a flood of easy blocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainRules:
    """What is the same for every header of a chain."""

    genesis_hash: BlockHash
    """Hash of block 0."""
    parameters: Parameters
    """Consensus parameters of the genesis document."""
    sealers: SealerSet
    """Sealers in force (fixed by the genesis document)."""

    @property
    def diversity_gap(self) -> int:
        """Blocks of others that must follow a sealer's block before it may seal again.

        min(floor(diversity * (n - 1)), n - q): never so many that a quorum could not go on.
        """
        n = self.sealers.size
        return min(self.parameters.diversity_percent * (n - 1) // 100, n - self.sealers.quorum)


def next_clock_ms(parent: Header, time_ms: int, parameters: Parameters) -> int:
    """Return the difficulty clock of a block at ``time_ms`` after ``parent``, milliseconds."""
    step = min(time_ms - parent.time_ms, CLOCK_STEP_INTERVALS_MAX * parameters.target_block_ms)
    return parent.clock_ms + step


def next_bits(parent: Header, parameters: Parameters) -> int:
    """Return the compact target of the block after ``parent``, by ASERT anchored at genesis."""
    target = asert_target(
        anchor_target=bits_to_target(parameters.genesis_bits),
        easiest_target=bits_to_target(parameters.easiest_bits),
        elapsed=parent.clock_ms,
        height_delta=parent.height,
        block_interval=parameters.target_block_ms,
        half_life=parameters.half_life_ms,
    )
    return target_to_bits(target)


def may_seal(sealer: MemberId, recent_sealers: tuple[MemberId, ...]) -> bool:
    """Tell whether ``sealer`` may seal after blocks by ``recent_sealers``.

    ``recent_sealers`` are those of the last ``diversity_gap`` blocks; genesis counts for nobody.
    """
    return sealer not in recent_sealers


def validate_work(sealed: SealedHeader) -> None:
    """Check the proof of work against the header's own bits: the cheapest test, made first.

    Raises:
        InvalidHeader: ``insufficient_work``, or bits that are no target.
    """
    if int.from_bytes(sealed.hash) > bits_to_target(sealed.header.bits):
        raise InvalidHeader("insufficient_work", "the hash is above the target", hash=sealed.hash)


def validate_target(sealed: SealedHeader, parameters: Parameters) -> None:
    """Check that a header's target is no easier than the chain's easiest.

    More cannot be said of it before its parent is known.

    Raises:
        InvalidHeader: ``wrong_bits``.
    """
    if bits_to_target(sealed.header.bits) > bits_to_target(parameters.easiest_bits):
        raise InvalidHeader("wrong_bits", "easier than any block", bits=sealed.header.bits)


def validate_header(
    header: Header,
    parent: Header,
    *,
    rules: ChainRules,
    recent_sealers: tuple[MemberId, ...],
    history_root: bytes,
) -> None:
    """Check a header, whose parent hash is known to fit, against its ancestors.

    ``history_root`` is the root over the hashes of all blocks before it.

    Raises:
        InvalidHeader: with the rule that it breaks.
    """
    parameters, sealers = rules.parameters, rules.sealers
    _require(header.height == parent.height + 1, "wrong_height", "one above its parent", header)
    _require(header.time_ms > parent.time_ms, "time_not_after_parent", "after its parent", header)
    clock_ms = next_clock_ms(parent, header.time_ms, parameters)
    _require(header.clock_ms == clock_ms, "wrong_clock", f"clock {clock_ms} ms", header)
    bits = next_bits(parent, parameters)
    _require(header.bits == bits, "wrong_bits", f"bits {bits:#010x}", header)
    _require(header.sealer in sealers.keys, "not_sealer", "sealed by a sealer", header)
    _require(may_seal(header.sealer, recent_sealers), "diversity", "by another sealer", header)
    _require(header.history_root == history_root, "wrong_history_root", "its own history", header)
    in_force = (sealers.set_id, sealers.hash)
    own, following = (header.set_id, header.set_hash), (header.next_set_id, header.next_set_hash)
    _require(own == in_force, "wrong_sealer_set", "of the set in force", header)
    _require(following == in_force, "wrong_next_set", "followed by the set in force", header)


def validate_seal(sealed: SealedHeader, sealers: SealerSet, verify: Verify) -> None:
    """Check the sealer's signature, which the hash does not cover.

    Raises:
        InvalidHeader: ``bad_seal``; the same header with its right seal may still come.
    """
    key = sealers.keys.get(sealed.header.sealer)
    if key is None or not verify(key, sealed.seal, seal_message(sealed.hash)):
        raise InvalidHeader(
            "bad_seal", "the sealer did not sign this header", sealer=sealed.header.sealer
        )


def _require(holds: bool, code: str, what: str, header: Header) -> None:
    if not holds:
        raise InvalidHeader(
            code,
            f"block {header.height} must be {what}",
            height=header.height,
            sealer=header.sealer,
        )
