"""How members and the market stand: sums over their accounts' scores, kept as these change.

One account that is warned of changes two sums and two sorted lists, so that a market of any size is
reassessed in a moment. Sums are whole numbers: they do not depend on the order in which they came to be.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from analytics.risk.bands import Band

SCALE: Final = 1 << 52
"""Parts of 1 in which scores are summed."""
WORST_MAX: Final = 5
"""Most scores that stand for the worst."""


class Account(NamedTuple):
    """An active account, as its member and the market see it."""

    member: str
    """Member that keeps it."""
    score: float
    """0 to 1."""
    band: Band
    """Its band."""

    @property
    def is_at_risk(self) -> bool:
        """Whether it is in one of the two highest bands."""
        return self.band in (Band.HIGH, Band.CRITICAL)


@dataclass(slots=True)
class Group:
    """The scores of a member's active accounts, or of the market's."""

    scores: list[float] = field(default_factory=list)
    """All of them, ascending."""
    total: int = 0
    """Their sum, in parts of ``SCALE``."""
    at_risk: int = 0
    """How many are in the bands high and critical."""

    def add(self, account: Account) -> None:
        """Take an account in."""
        insort(self.scores, account.score)
        self.total += round(account.score * SCALE)
        self.at_risk += account.is_at_risk

    def remove(self, account: Account) -> None:
        """Take out an account that was taken in."""
        del self.scores[bisect_left(self.scores, account.score)]
        self.total -= round(account.score * SCALE)
        self.at_risk -= account.is_at_risk

    @property
    def mean(self) -> float:
        """The mean score, 0 where there is none."""
        return self.total / SCALE / len(self.scores) if self.scores else 0.0

    @property
    def worst(self) -> list[float]:
        """The highest scores, at most ``WORST_MAX``."""
        return self.scores[-WORST_MAX:]


class Standings:
    """The market's active accounts, by member and together."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}
        self.members: dict[str, Group] = {}
        """Members that have active accounts."""
        self.market = Group()

    @classmethod
    def of(cls, accounts: Mapping[str, Account]) -> Standings:
        """Return the standings of accounts by id."""
        made = cls()
        # In order, so that every one is appended.
        for account, one in sorted(accounts.items(), key=lambda item: item[1].score):
            made.put(account, one)
        return made

    def put(self, account: str, now: Account) -> None:
        """Note an account's score in the place of the one before."""
        before = self._accounts.get(account)
        groups = (self.members.setdefault(now.member, Group()), self.market)
        for group in groups:
            if before is not None:
                group.remove(before)
            group.add(now)
        self._accounts[account] = now
