"""Governance as bytes: who decides (a policy), what is decided (measures), and their encoding.

    govern  = [policy, [measure, …]]
    measure = [measure kind, account, reason, case]

A later measure adds its number, its class and its decoder here, and its rule in
``ledger.governance``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from ledger import codec, limits
from ledger.errors import DecodeError
from ledger.identity import AccountId, account_id


class Policy(IntEnum):
    """Who decides and how many must sign; the number is on the wire. ADR 0020."""

    REGULATOR = 1
    """One member with the role regulator, by its officers, at least two of them."""


class MeasureKind(IntEnum):
    """What a measure does; the number is on the wire."""

    FREEZE = 1
    UNFREEZE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """Stops an account's debits; it still receives."""

    account: AccountId
    """Active account that is frozen."""
    reason: str
    """Why, for people: 1 to 280 bytes of UTF-8, in clear on every node."""
    case: str = ""
    """The regulator's own reference, at most 64 bytes of UTF-8, may be empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfreeze:
    """Lets a frozen account be debited again."""

    account: AccountId
    """Frozen account that becomes active."""
    reason: str
    """Why, for people: 1 to 280 bytes of UTF-8, in clear on every node."""
    case: str = ""
    """The regulator's own reference, at most 64 bytes of UTF-8, may be empty."""


Measure: TypeAlias = Freeze | Unfreeze


@dataclass(frozen=True, slots=True, kw_only=True)
class Govern:
    """Measures that a policy decides together, all or nothing."""

    policy: Policy
    """Who decides."""
    measures: tuple[Measure, ...]
    """What is decided, 1 to 100, each on an account of its own."""


def measure_kind(measure: Measure) -> MeasureKind:
    """Return the kind of a measure."""
    return KIND_OF_MEASURE[type(measure)]


def govern_value(effect: Govern) -> codec.Value:
    """Return the array that encodes a governance effect."""
    measures = tuple(
        (int(measure_kind(measure)), measure.account, measure.reason, measure.case)
        for measure in effect.measures
    )
    return (int(effect.policy), measures)


def decode_govern(value: codec.Value) -> Govern:
    """Return the governance effect of a decoded array.

    Raises:
        DecodeError: ``unknown_policy``, ``unknown_measure``, ``no_reason``, ``repeated_account``,
            or a field of the wrong type or over its limit.
    """
    policy, values = codec.fields(value, 2, "governance")
    if type(policy) is not int or policy not in set(Policy):
        raise DecodeError("unknown_policy", "no such policy")
    values = codec.array(values, "measures", count_min=1, count_max=limits.MEASURES_MAX)
    measures = tuple(_measure(item) for item in values)
    if len({measure.account for measure in measures}) != len(measures):
        raise DecodeError("repeated_account", "an account stands in one measure only")
    return Govern(policy=Policy(policy), measures=measures)


def _measure(value: codec.Value) -> Measure:
    if type(value) is not tuple or not value:
        raise DecodeError("bad_shape", "a measure is an array that begins with its kind")
    decoder = _DECODERS.get(value[0]) if type(value[0]) is int else None
    if decoder is None:
        raise DecodeError("unknown_measure", "no such measure")
    return decoder(value)


def _account_measure(value: codec.Value) -> tuple[AccountId, str, str]:
    _, account, reason, case = codec.fields(value, 4, "measure")
    codec.text(reason, limits.REASON_BYTES_MAX, "reason")
    if not reason:
        raise DecodeError("no_reason", "a measure states its reason")
    return account_id(account), reason, codec.text(case, limits.CASE_BYTES_MAX, "case")


def _decode_freeze(value: codec.Value) -> Freeze:
    account, reason, case = _account_measure(value)
    return Freeze(account=account, reason=reason, case=case)


def _decode_unfreeze(value: codec.Value) -> Unfreeze:
    account, reason, case = _account_measure(value)
    return Unfreeze(account=account, reason=reason, case=case)


KIND_OF_MEASURE: Mapping[type[Measure], MeasureKind] = {
    Freeze: MeasureKind.FREEZE,
    Unfreeze: MeasureKind.UNFREEZE,
}
_DECODERS: Mapping[int, Callable[[codec.Value], Measure]] = {
    MeasureKind.FREEZE: _decode_freeze,
    MeasureKind.UNFREEZE: _decode_unfreeze,
}
