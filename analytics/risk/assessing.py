"""When risk is assessed, and what of it is written: the third stage's work, exactly once.

All accounts are assessed with the first block of every day of the chain's life (in its first day
sooner: after 1, 3, 7, 15, … minutes), members and the market with them; an account that a block raises
an alert about, with that block, from its features of then. Where that is news, its member and the
market are reassessed too, once all accounts have been for the first time. Which blocks these are, and what the
scores are, follows from the chain and from what was written before; so a replay writes the same.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, Self

import duckdb

from analytics.features.reading import AccountFeatures, Window, feature_names, read_features
from analytics.risk.bands import Band, band_after
from analytics.risk.kept import Kept, gather, read_kept
from analytics.risk.model import (
    ACCOUNT_MODEL,
    ALERT_DAYS_MAX,
    MARKET_MODEL,
    MEMBER_MODEL,
    Weighed,
    account_risk,
    decayed,
    market_risk,
    member_risk,
)
from analytics.risk.scores import (
    ACCOUNT,
    MARKET,
    MEMBER,
    RISK,
    THE_MARKET,
    Score,
    Subject,
    Written,
    read_written,
)
from analytics.risk.standing import Account, Standings

MINUTE_MS: Final = 60_000
DAY_MS: Final = 86_400_000
PERIOD_MS: Final = DAY_MS
"""How often all accounts are assessed, milliseconds of the chain's time."""
SCORE_STEP: Final = 0.05
"""A score is written when it differs by this much from the one written before."""
WRITE_EVERY_MS: Final = DAY_MS
"""A score other than 0 is written at least this often, milliseconds of the chain's time."""

_TIMES: Final = "SELECT height, epoch_ms(time) FROM blocks WHERE height IN (0, ?)"
_ALERTS: Final = """
SELECT account, typology, score, epoch_ms(time) FROM alerts
WHERE account IS NOT NULL AND epoch_ms(time) > ? AND height <= ? AND (? OR list_contains(?, account))
"""

_MEMBERS: Final = "SELECT account, member FROM accounts WHERE ? OR list_contains(?, account)"

_SLOTS_OF_DAY_ONE: Final = 10
"""Number of the last period of the first day, whose ends are powers of two in minutes."""
_NOTHING: Final = defaultdict[str, float](float)
"""Features of an account that does nothing."""


class Due(NamedTuple):
    """What is to be assessed with a block."""

    height: int
    """The block."""
    time_ms: int
    """Its time."""
    accounts: tuple[str, ...] | None
    """Which accounts; None for everything."""


class Assessed(NamedTuple):
    """What is to be written of an assessment."""

    scores: list[Score]
    """Those that are news."""
    kept: Kept | None
    """Everything, where all was due."""


class Assessor:
    """Assesses risk for the third stage, from where an earlier run left it."""

    def __init__(self, written: dict[Subject, Written]) -> None:
        """Begin before the first block; ``written`` is what the warehouse holds already."""
        self._written = written
        self._began_ms = 0
        self._slot = 0
        self._features: dict[str, Mapping[str, float]] = {}
        self._standings: Standings | None = None

    @classmethod
    def load(cls, cursor: duckdb.DuckDBPyConnection, height: int) -> Self:
        """Return the assessor that has seen the blocks up to a height, -1 for none."""
        assessor = cls(read_written(cursor))
        times = dict(cursor.execute(_TIMES, [height]).fetchall()) if height >= 0 else {}
        for seen in sorted(times):
            assessor.see(seen, times[seen])
        kept = read_kept(cursor)
        if kept is not None:
            rows = zip(kept.accounts, kept.values.tolist(), strict=True)
            assessor._keep((account, _named(values)) for account, values in rows)
            assessor._standings = _stood(cursor, kept)
        return assessor

    def see(self, height: int, time_ms: int) -> bool:
        """Take note of a block, in order from genesis on; tell whether all is due with it."""
        if height == 0:
            self._began_ms = time_ms
        slot = _slot(time_ms, self._began_ms)
        is_due, self._slot = slot != self._slot and height > 0, slot
        return is_due

    def assess(self, cursor: duckdb.DuckDBPyConnection, due: Due) -> Assessed:
        """Return what is to be written with a block that detection has done."""
        strengths = read_strengths(cursor, due)
        if due.accounts is not None:
            scores = [self._of_account(account, strengths, due) for account in due.accounts]
            news = [score for score in scores if self._is_news(score)]
            news += filter(self._is_news, self._regrouped(cursor, news, due))
            return Assessed(news, None)
        rows = read_features(cursor, Window(height=due.height, end_ms=due.time_ms))
        self._keep((row.account, row.values) for row in rows)
        written = {subject for kind, subject in self._written if kind == ACCOUNT}
        known = self._features.keys() | strengths.keys() | written
        scores = [
            self._of_account(row.account, strengths, due) for row in rows if row.account in known
        ]
        kept = _kept(rows, scores, due)
        member_of = {row.account: row.member for row in rows}
        self._standings = Standings.of(
            {s.subject: Account(member_of[s.subject], s.score, s.band) for s in scores}
        )
        scores += self._groups(self._standings, due)
        return Assessed([score for score in scores if self._is_news(score)], kept)

    def note(self, scores: Iterable[Score]) -> None:
        """Remember scores that are committed."""
        for score in scores:
            self._written[score.subject_kind, score.subject] = Written(
                score.score, score.band, score.time_ms
            )

    def _keep(self, rows: Iterable[tuple[str, Mapping[str, float]]]) -> None:
        """Remember the features of the accounts that did something."""
        self._features = {
            account: values
            for account, values in rows
            if values["paid_count"] + values["received_count"] > 0
        }

    def _of_account(
        self, account: str, strengths: Mapping[str, Mapping[str, float]], due: Due
    ) -> Score:
        features = self._features.get(account, _NOTHING)
        risk = account_risk(features, strengths.get(account, {}))
        return self._score(ACCOUNT, account, risk, ACCOUNT_MODEL, due)

    def _score(self, kind: str, subject: str, risk: Weighed, model: str, due: Due) -> Score:
        before = self._written.get((kind, subject))
        band = band_after(risk.score, Band.LOW if before is None else before.band)
        return Score(
            RISK, kind, subject, risk.score, band, risk.reasons, model, due.height, due.time_ms
        )

    def _groups(self, standings: Standings, due: Due) -> list[Score]:
        """Return the scores of members that have active accounts, and of the market."""
        members = [
            self._score(MEMBER, member, member_risk(group), MEMBER_MODEL, due)
            for member, group in sorted(standings.members.items())
        ]
        risk = market_risk(standings.market, [score.score for score in members])
        return [*members, self._score(MARKET, THE_MARKET, risk, MARKET_MODEL, due)]

    def _regrouped(
        self, cursor: duckdb.DuckDBPyConnection, accounts: Sequence[Score], due: Due
    ) -> list[Score]:
        """Return what members and the market score with an alert's accounts as they are now.

        Only what is written of an account counts, so that a process that begins anew knows it too.
        """
        standings = self._standings
        if standings is None or not accounts:
            return []
        member_of = _members_of(cursor, [score.subject for score in accounts])
        for score in accounts:
            member = member_of[score.subject]
            standings.put(score.subject, Account(member, score.score, score.band))
        touched = {*member_of.values(), THE_MARKET}
        return [score for score in self._groups(standings, due) if score.subject in touched]

    def _is_news(self, score: Score) -> bool:
        before = self._written.get((score.subject_kind, score.subject))
        if before is None or before.band is not score.band:
            return True
        if abs(before.score - score.score) >= SCORE_STEP:
            return True
        is_old = score.time_ms - before.time_ms >= WRITE_EVERY_MS
        return is_old and (score.score > 0 or before.score > 0)


def _kept(rows: Sequence[AccountFeatures], scores: Iterable[Score], due: Due) -> Kept:
    of_account = {score.subject: (score.score, score.band) for score in scores}
    return gather(rows, of_account, due.height, due.time_ms)


def _named(values: Sequence[float]) -> dict[str, float]:
    return dict(zip(feature_names(), values, strict=True))


def read_strengths(cursor: duckdb.DuckDBPyConnection, due: Due) -> dict[str, dict[str, float]]:
    """Return by account and typology what the strongest alert up to a block still counts."""
    accounts = due.accounts or ()
    first_ms = due.time_ms - ALERT_DAYS_MAX * DAY_MS
    asked: list[object] = [first_ms, due.height, due.accounts is None, list(accounts)]
    rows = cursor.execute(_ALERTS, asked).fetchall()
    strengths: dict[str, dict[str, float]] = {}
    for subject, typology, score, at_ms in rows:
        of_account = strengths.setdefault(subject, {})
        strength = decayed(score, (due.time_ms - at_ms) / DAY_MS)
        of_account[typology] = max(strength, of_account.get(typology, 0.0))
    return strengths


def _members_of(
    cursor: duckdb.DuckDBPyConnection, accounts: Sequence[str] | None
) -> dict[str, str]:
    """Return the member of accounts, None for all."""
    return dict(cursor.execute(_MEMBERS, [accounts is None, list(accounts or ())]).fetchall())


def _stood(cursor: duckdb.DuckDBPyConnection, kept: Kept) -> Standings:
    """Return the standings of the last assessment of all accounts, and what was written since."""
    member_of = _members_of(cursor, None)
    accounts = {
        account: Account(member_of[account], score, Band(band))
        for account, score, band in zip(kept.accounts, kept.scores, kept.bands, strict=True)
        if score is not None and band is not None
    }
    for (kind, subject), written in read_written(cursor, above=kept.height).items():
        if kind == ACCOUNT:
            accounts[subject] = Account(member_of[subject], written.score, written.band)
    return Standings.of(accounts)


def _slot(time_ms: int, began_ms: int) -> int:
    """Return the number of the period that a time is in; it changes where all is due."""
    minutes = max(0, time_ms - began_ms) // MINUTE_MS
    days = max(0, time_ms - began_ms) // PERIOD_MS
    return int(math.log2(minutes + 1)) if days == 0 else _SLOTS_OF_DAY_ONE + days
