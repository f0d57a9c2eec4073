"""Sums in which no account counts for more than its bounds, made by the warehouse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import duckdb

from analytics.privacy.limits import VALUE_MAX
from analytics.privacy.questions import (
    AMOUNT_DIGITS,
    Grouping,
    Measure,
    Question,
    question_of,
)
from analytics.warehouse.sql import first_row

_GROUPS: Final[Mapping[Grouping, str]] = {
    Grouping.ALL: "'all'",
    Grouping.MEMBER: "a.member",
    Grouping.DAY: "strftime(l.time, '%Y-%m-%d')",
    Grouping.AMOUNT: "'1' || repeat('0', length(l.amount::VARCHAR) - 1)",
}
"""Group of a payment, as the answer writes it."""
_OF_ACCOUNT: Final[Mapping[Measure, str]] = {
    Measure.ACCOUNTS: "1",
    Measure.PAYMENTS: "count(*)",
    Measure.VOLUME: "sum(l.amount)",
}
"""What an account adds to a group before it is bounded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounded:
    """The groups of a question and their bounded sums, in order."""

    question: Question
    """What was asked, with its defaults."""
    height: int
    """Last block that is in them."""
    keys: tuple[str, ...]
    """The groups; the same for every history of these members and this period."""
    values: tuple[int, ...]
    """Their sums. They are secret: nothing but noise on them may leave the process."""


def read_bounded(cursor: duckdb.DuckDBPyConnection, asked: Mapping[str, Any]) -> Bounded:
    """Return the bounded sums of all groups.

    An account that is in more groups than it may be keeps those whose hash with its id is smallest:
    the choice prefers no group, and follows from nothing that another account did. (The warehouse's
    number of an account tells how many were opened before it.)

    Raises:
        RequestRefused: see `question_of`.
    """
    last = first_row(cursor, "SELECT max(height), epoch_ms(max(time)) FROM blocks")
    height, last_ms = last or (0, 0)
    question = question_of(asked, last_ms)
    rows = dict(cursor.execute(_query(question), _parameters(question, height)).fetchall())
    keys = _keys(cursor, question)
    values = tuple(min(int(rows.get(key, 0)), VALUE_MAX) for key in keys)
    return Bounded(question=question, height=height, keys=keys, values=values)


def _query(question: Question) -> str:
    """Return the query of ``(group, sum)``; every part of it is our own text."""
    asset = "" if question.asset is None else "AND l.asset = $asset"
    return f"""
        WITH of_account AS (
            SELECT a.account, {_GROUPS[question.by]} AS grouped,
                   {_OF_ACCOUNT[question.measure]} AS added
            FROM internal.legs AS l JOIN internal.accounts AS a ON a.key = l.debit
            WHERE l.kind = 'transfer' AND l.debit <> l.credit AND l.height <= $height
              AND l.time BETWEEN make_timestamp_ms($since) AND make_timestamp_ms($until) {asset}
            GROUP BY 1, 2
        ),
        placed AS (
            SELECT grouped, least(added, $contribution_max) AS added, row_number() OVER (
                PARTITION BY account ORDER BY hash(account, grouped), grouped) AS place
            FROM of_account
        )
        SELECT grouped, sum(added) FROM placed WHERE place <= $groups_max GROUP BY grouped
    """  # noqa: S608 - our own text


def _parameters(question: Question, height: int) -> dict[str, object]:
    asset = {} if question.asset is None else {"asset": question.asset}
    return {
        "height": height,
        "since": question.since_ms,
        "until": question.until_ms,
        "contribution_max": question.contribution_max,
        "groups_max": question.groups_max,
        **asset,
    }


def _keys(cursor: duckdb.DuckDBPyConnection, question: Question) -> tuple[str, ...]:
    """Return the groups that there are, whatever was paid."""
    match question.by:
        case Grouping.ALL:
            return ("all",)
        case Grouping.DAY:
            return tuple(question.days())
        case Grouping.AMOUNT:
            return tuple(str(10**power) for power in range(AMOUNT_DIGITS))
        case Grouping.MEMBER:
            found = cursor.execute("SELECT member FROM members ORDER BY member").fetchall()
            return tuple(str(member) for (member,) in found)
