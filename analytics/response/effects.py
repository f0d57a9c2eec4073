"""What cases ask of the warehouse: their alerts, their measures on the chain, and what those did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import duckdb

from analytics.market.accounts import read_balances
from analytics.response.store import AppliedMeasure

_MEASURES: Final = """
SELECT case_id, txid, account, measure, member, reason, height, epoch_ms(time) FROM measures
WHERE case_id <> '' AND height > ? AND height <= ? ORDER BY height, index
"""
_EFFECTS: Final = """
SELECT a.account, a.status,
       arg_max({'height': m.height, 'txid': m.txid, 'time_ms': epoch_ms(m.time)}, m.height)
           FILTER (m.measure = 'freeze')
FROM accounts AS a LEFT JOIN measures AS m ON m.account = a.account
WHERE a.account IN (SELECT unnest(?::VARCHAR[])) GROUP BY a.account, a.status
"""


def read_measures(
    cursor: duckdb.DuckDBPyConnection, above: int, height: int
) -> list[AppliedMeasure]:
    """Return the measures of some blocks that name a case, in the order of the chain."""
    rows = cursor.execute(_MEASURES, [above, height]).fetchall()
    return [AppliedMeasure(*row) for row in rows]


def read_effects(
    cursor: duckdb.DuckDBPyConnection, accounts: Sequence[str]
) -> list[dict[str, Any]]:
    """Return how accounts stand now: status, since when frozen, what they hold.

    An account that the warehouse does not have yet, while it is built anew, has no status.
    """
    cursor.execute("BEGIN")  # status and balances of one moment
    rows = cursor.execute(_EFFECTS, [list(accounts)]).fetchall()
    standing = {account: (status, frozen) for account, status, frozen in rows}
    balances = read_balances(cursor, accounts)
    cursor.execute("COMMIT")
    effects = []
    for account in accounts:
        status, frozen = standing.get(account, (None, None))
        effects.append(
            {
                "account": account,
                "status": status,
                "frozen_since": frozen if status == "frozen" else None,
                "balances": balances.get(account, []),
            }
        )
    return effects
