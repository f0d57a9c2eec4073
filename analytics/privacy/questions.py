"""What may be asked, and how much one account can change an answer.

    accounts   accounts that paid              an account counts 1 in a group
    payments   payments made                   at most ``payments_max`` in a group
    volume     sum of an asset that was paid   at most ``amount_max`` smallest units in a group

    all        one group                       each account in it
    member     member of the paying account    each account in one
    day        day of the payment, UTC         each account in ``groups_max`` at most
    amount     power of ten below the amount   each account in ``groups_max`` at most

The groups are known without the payments (days of the period, members of the register, powers of
ten), so that the absence of a group tells nothing either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from analytics.errors import RequestRefused
from analytics.privacy.limits import PAYMENTS_DEFAULT

AMOUNT_DIGITS: Final = 19
"""Powers of ten of amounts: the largest has 19 digits."""


class Measure(StrEnum):
    """What is told of each group."""

    ACCOUNTS = "accounts"
    PAYMENTS = "payments"
    VOLUME = "volume"


class Grouping(StrEnum):
    """What the groups are."""

    ALL = "all"
    MEMBER = "member"
    DAY = "day"
    AMOUNT = "amount"


GROUPS_DEFAULT: Final[Mapping[Grouping, int]] = {
    Grouping.ALL: 1,
    Grouping.MEMBER: 1,
    Grouping.DAY: 7,
    Grouping.AMOUNT: 2,
}
"""Groups that an account counts in unless told otherwise."""
_SINGLE: Final = frozenset({Grouping.ALL, Grouping.MEMBER})
"""Groupings in which an account has one place whatever it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A whole question: everything that the answer and its noise follow from."""

    measure: Measure
    """What is told."""
    by: Grouping
    """Of which groups."""
    asset: str | None
    """Asset of the payments; None: all, where nothing is added up."""
    since_ms: int
    """First millisecond of the period, since 1970-01-01 UTC."""
    until_ms: int
    """Last one; in the same calendar year."""
    contribution_max: int
    """Most that an account adds to one group: accounts, payments, or smallest units."""
    groups_max: int
    """Most groups that an account adds to."""
    epsilon: float
    """Privacy loss that may be spent."""

    @property
    def sensitivity(self) -> int:
        """Most that an account changes all values together (L1)."""
        return self.contribution_max * self.groups_max

    @property
    def year(self) -> int:
        """Calendar year whose budget it spends."""
        return moment(self.since_ms).year

    def days(self) -> list[str]:
        """Return the days of the period, as the answer writes them."""
        first, last = moment(self.since_ms).date(), moment(self.until_ms).date()
        return [str(date_after(first, place)) for place in range((last - first).days + 1)]


def question_of(asked: Mapping[str, Any], last_ms: int) -> Question:
    """Return what somebody asks; ``last_ms`` is the time of the last block.

    Without a period it is the calendar year of the last block, up to it.

    Raises:
        RequestRefused: ``privacy_period``, ``privacy_asset`` or ``privacy_bound`` (422).
    """
    measure, by = Measure(asked["measure"]), Grouping(asked["by"])
    until_ms = last_ms if asked["until_ms"] is None else int(asked["until_ms"])
    since_ms = _first_ms(until_ms) if asked["since_ms"] is None else int(asked["since_ms"])
    if since_ms > until_ms or moment(since_ms).year != moment(until_ms).year:
        detail = "the period begins and ends in one calendar year, whose budget it spends"
        raise RequestRefused(422, "privacy_period", detail)
    if asked["asset"] is None and (measure is Measure.VOLUME or by is Grouping.AMOUNT):
        raise RequestRefused(422, "privacy_asset", "amounts of one asset alone add up: name it")
    groups_max = asked["groups_max"] or GROUPS_DEFAULT[by]
    if by in _SINGLE and groups_max != 1:
        detail = f"by {by} an account is in one group: groups_max is 1"
        raise RequestRefused(422, "privacy_bound", detail)
    return Question(
        measure=measure,
        by=by,
        asset=asked["asset"],
        since_ms=since_ms,
        until_ms=until_ms,
        contribution_max=_contribution_max(measure, asked),
        groups_max=groups_max,
        epsilon=float(asked["epsilon"]),
    )


def moment(time_ms: int) -> datetime:
    """Return a time in UTC."""
    return datetime.fromtimestamp(time_ms // 1_000, UTC)


def date_after(first: date, days: int) -> date:
    """Return the day that many days later."""
    return first + timedelta(days=days)


def _contribution_max(measure: Measure, asked: Mapping[str, Any]) -> int:
    """Return the bound of one account in one group; a bound of another measure is refused.

    That of a volume has no default: one that is told from the data would tell of the data.
    """
    bounds = {Measure.PAYMENTS: "payments_max", Measure.VOLUME: "amount_max"}
    for of, name in bounds.items():
        if of is not measure and asked[name] is not None:
            raise RequestRefused(422, "privacy_bound", f"{name} is a bound of {of} alone")
    if measure is Measure.ACCOUNTS:
        return 1
    given = asked[bounds[measure]]
    if given is None and measure is Measure.VOLUME:
        detail = "a volume needs amount_max: what of one account counts in a group, smallest units"
        raise RequestRefused(422, "privacy_bound", detail)
    return PAYMENTS_DEFAULT if given is None else int(given)


def _first_ms(time_ms: int) -> int:
    return int(datetime(moment(time_ms).year, 1, 1, tzinfo=UTC).timestamp()) * 1_000
