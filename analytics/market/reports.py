"""``GET /reports/{name}``: what a supervisor reads regularly, each a table with documented columns.

A report covers the blocks of a period. What it says of balances is as of the end of the last day of
the period. It has at most `REPORT_ROWS_MAX` rows and says where it was cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import duckdb
from aiohttp import web

from analytics.errors import RequestRefused
from analytics.limits import REPORT_ROWS_MAX
from analytics.market.conditions import milliseconds
from analytics.server import Route, Services, answer

_WITHIN: Final = "time BETWEEN make_timestamp_ms($since) AND make_timestamp_ms($until)"
_HELD: Final = """
    SELECT account AS key, asset, arg_max(balance, day) AS balance FROM internal.days
    WHERE day <= make_timestamp_ms($until)::DATE AND $since <= $until
    GROUP BY account, asset
"""
"""What accounts, by number, held at the end of the period; the second condition binds what is not
needed."""
FIRST_MS: Final = 0
LAST_MS: Final = 253_402_300_799_999
"""The last millisecond of the year 9999."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A named report."""

    query: str
    """Its rows; ``$since`` and ``$until`` are bound, in milliseconds."""
    columns: tuple[str, ...]
    """Names of what the query gives, in order."""
    texts: frozenset[str] = frozenset()
    """Columns that are given as text: amounts, days."""


REPORTS: Final[Mapping[str, Report]] = {
    "daily-activity": Report(
        columns=("day", "asset", "transactions", "legs", "amount", "payers", "payees"),
        texts=frozenset({"day", "amount"}),
        query=f"""
            SELECT time::DATE AS day, asset, count(DISTINCT (height << 32) | index), count(*), sum(amount),
                   count(DISTINCT debit), count(DISTINCT credit)
            FROM internal.legs WHERE txid IS NOT NULL AND {_WITHIN}
            GROUP BY day, asset ORDER BY day, asset
        """,  # noqa: S608 - our own text
    ),
    "members": Report(
        columns=("member", "name", "asset", "accounts", "alerts", "paid", "received", "balance"),
        texts=frozenset({"paid", "received", "balance"}),
        query=f"""
            WITH held AS ({_HELD}),
            moved AS (
                SELECT debit AS key, asset, sum(amount) AS paid, 0 AS received
                FROM internal.legs
                WHERE txid IS NOT NULL AND debit IS NOT NULL AND {_WITHIN} GROUP BY debit, asset
                UNION ALL
                SELECT credit, asset, 0, sum(amount) FROM internal.legs
                WHERE txid IS NOT NULL AND credit IS NOT NULL AND {_WITHIN} GROUP BY credit, asset
                UNION ALL
                SELECT key, asset, 0, 0 FROM held
            ),
            sums AS (
                SELECT key, asset, sum(paid) AS paid, sum(received) AS received FROM moved
                GROUP BY key, asset
            ),
            warned AS (
                SELECT member, count(*) AS alerts FROM alerts JOIN accounts USING (account)
                WHERE {_WITHIN} GROUP BY member
            ),
            opened AS (
                SELECT member, count(*) AS accounts FROM accounts
                WHERE opened_time <= make_timestamp_ms($until) GROUP BY member
            )
            SELECT m.member, m.name, s.asset, coalesce(any_value(o.accounts), 0),
                   coalesce(any_value(w.alerts), 0), coalesce(sum(s.paid), 0),
                   coalesce(sum(s.received), 0), coalesce(sum(h.balance), 0)
            FROM members AS m
            LEFT JOIN opened AS o ON o.member = m.member
            LEFT JOIN warned AS w ON w.member = m.member
            LEFT JOIN internal.accounts AS a ON a.member = m.member
            LEFT JOIN sums AS s ON s.key = a.key
            LEFT JOIN held AS h ON h.key = s.key AND h.asset = s.asset
            GROUP BY m.member, m.name, s.asset
            QUALIFY s.asset IS NOT NULL OR count(s.asset) OVER (PARTITION BY m.member) = 0
            ORDER BY m.member, s.asset
        """,  # noqa: S608 - our own text
    ),
    "typologies": Report(
        columns=("typology", "severity", "alerts", "accounts", "score_mean", "score_max"),
        query=f"""
            SELECT typology, severity, count(*), count(DISTINCT account), avg(score), max(score)
            FROM alerts WHERE {_WITHIN} GROUP BY typology, severity ORDER BY typology, severity
        """,  # noqa: S608 - our own text
    ),
    "concentration": Report(
        columns=("level", "asset", "holders", "total", "largest", "largest_share", "top10_share",
                 "herfindahl"),
        texts=frozenset({"total"}),
        query=f"""
            WITH held AS ({_HELD}),
            holdings AS (
                SELECT 'account' AS level, account AS holder, asset, balance
                FROM held JOIN internal.accounts USING (key)
                UNION ALL
                SELECT 'member', member, asset, sum(balance)
                FROM held JOIN internal.accounts USING (key)
                GROUP BY member, asset
            ),
            ranked AS (
                SELECT *, sum(balance) OVER each AS total, balance / sum(balance) OVER each AS share,
                       row_number() OVER (PARTITION BY level, asset ORDER BY balance DESC, holder) AS rank
                FROM holdings WHERE balance > 0 WINDOW each AS (PARTITION BY level, asset)
            )
            SELECT level, asset, count(*), any_value(total), min(holder) FILTER (rank = 1), max(share),
                   sum(balance) FILTER (rank <= 10) / any_value(total), least(sum(share * share), 1)
            FROM ranked GROUP BY level, asset ORDER BY level, asset
        """,  # noqa: S608 - our own text
    ),
}  # fmt: skip


async def show_report(services: Services, request: web.Request) -> web.StreamResponse:
    """Give a report over a period; the whole chain's without one."""
    name = request.match_info["name"]
    report = REPORTS.get(name)
    if report is None:
        known = ", ".join(REPORTS)
        raise RequestRefused(404, "unknown_report", f"no report {name}; there are {known}")
    since, until = milliseconds(request, "since_ms"), milliseconds(request, "until_ms")
    period = {
        "since": FIRST_MS if since is None else since,
        "until": LAST_MS if until is None else until,
    }

    def ask(cursor: duckdb.DuckDBPyConnection) -> list[Any]:
        return cursor.execute(report.query, period).fetchmany(REPORT_ROWS_MAX + 1)

    height = services.progress.ingested.height
    rows = await services.queries.run(ask)
    return answer(
        {
            "report": name,
            "since_ms": since,
            "until_ms": until,
            "height": height,
            "rows": [_document(report, row) for row in rows[:REPORT_ROWS_MAX]],
            "truncated": len(rows) > REPORT_ROWS_MAX,
        }
    )


def _document(report: Report, row: Sequence[Any]) -> dict[str, Any]:
    return {
        name: str(value) if name in report.texts else value
        for name, value in zip(report.columns, row, strict=True)
    }


ROUTES: Final = (Route(method="GET", path="/reports/{name}", handler=show_report),)
