"""A simulated freeze, read from the warehouse: the history after a height, and what is told of its replay.

The legs are read some blocks at a time, so that memory does not grow with the history and an
interruption is heard soon.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple

import duckdb

from analytics.errors import RequestRefused
from analytics.limits import (
    COMMIT_BLOCKS_MAX,
    FACTS_LEGS_MAX,
    SIMULATION_LEGS_MAX,
    SIMULATION_ROWS_MAX,
)
from analytics.response.simulation import (
    FROZEN,
    Change,
    Counterfactual,
    Position,
    Posting,
    Refusal,
    Step,
    changes_of,
    stopped_by_asset,
    stopped_by_text,
)
from analytics.warehouse.sql import first_row

_ACCOUNTS: Final = """
SELECT a.account, a.key, arg_max(m.measure, m.height) FILTER (m.height <= $height) = 'freeze'
FROM internal.accounts AS a LEFT JOIN measures AS m ON m.account = a.account
WHERE a.account IN (SELECT unnest($accounts::VARCHAR[])) AND a.opened_height <= $height
GROUP BY a.account, a.key
"""
_COUNT: Final = "SELECT sum(legs) FROM blocks WHERE height > ? AND height <= ?"
_BALANCES: Final = """
SELECT account, asset, sum(amount) FROM (
    SELECT debit AS account, asset, -amount AS amount FROM internal.legs WHERE height <= $height
    UNION ALL
    SELECT credit, asset, amount FROM internal.legs WHERE height <= $height
) WHERE account IS NOT NULL GROUP BY account, asset HAVING sum(amount) <> 0
"""
_BLOCKS: Final = "SELECT height, legs FROM blocks WHERE height BETWEEN ? AND ? ORDER BY height"
_LEGS: Final = """
SELECT height, index, txid, kind, reference, debit, credit, asset, amount
FROM internal.legs WHERE height BETWEEN ? AND ? ORDER BY height, index, leg
"""
_MEASURES: Final = """
SELECT m.height, m.index, m.measure, a.key
FROM measures AS m JOIN internal.accounts AS a ON a.account = m.account
WHERE m.height > ? AND m.height <= ? AND a.key IN (SELECT unnest(?::INTEGER[]))
ORDER BY m.height, m.index
"""
_NAMES: Final = """
SELECT key, account, member, kind FROM internal.accounts WHERE key IN (SELECT unnest(?::INTEGER[]))
"""
_ALERTS: Final = """
SELECT id, typology, severity, account, height, len(list_intersect(transactions, $refused))
FROM alerts WHERE height > $height AND height <= $until AND list_has_any(transactions, $refused)
ORDER BY height, id
"""
_PLACE: Final = itemgetter(0, 1)


class Asked(NamedTuple):
    """A question."""

    accounts: tuple[str, ...]
    """Accounts that would have been frozen, ``sun1…``, each once."""
    height: int
    """Height of the block whose freezes they would have been: what is above it is judged."""
    until: int
    """Last block of the replay."""


class _Named(NamedTuple):
    account: str
    member: str
    kind: str


_Changes = Mapping[tuple[int, str], Change]
_Names = Mapping[int, _Named]


class _Measured(NamedTuple):
    """A measure of the history on one of the accounts."""

    position: Position
    measure: str
    account: int


def simulate(cursor: duckdb.DuckDBPyConnection, asked: Asked) -> dict[str, Any]:
    """Return what freezes would have changed, as a document of plain values.

    Raises:
        RequestRefused: ``unknown_account`` (404), ``already_frozen`` (409) or
            ``simulation_too_large`` (422).
    """
    cursor.execute("BEGIN")  # balances, legs and alerts of one moment
    keys = _keys(cursor, asked)
    counted = first_row(cursor, _COUNT, [asked.height, asked.until])
    legs = int(counted[0] or 0) if counted else 0
    if legs > SIMULATION_LEGS_MAX:
        detail = f"{legs} legs follow; a replay has {SIMULATION_LEGS_MAX} at most: end it earlier"
        raise RequestRefused(422, "simulation_too_large", detail, legs=legs)
    rows = cursor.execute(_BALANCES, {"height": asked.height}).fetchall()
    books = Counterfactual({(key, asset): int(held) for key, asset, held in rows}, keys)
    for event in _history(cursor, asked, keys):
        if isinstance(event, Step):
            books.apply(event)
        elif event.measure == "freeze":
            books.freeze(event.account)
        else:
            books.unfreeze(event.account)
    document = _document(cursor, asked, keys, books)
    cursor.execute("COMMIT")
    return document


def _keys(cursor: duckdb.DuckDBPyConnection, asked: Asked) -> list[int]:
    """Return the warehouse's numbers of the accounts, which could have been frozen then."""
    values = {"accounts": list(asked.accounts), "height": asked.height}
    found = {
        account: (key, is_frozen)
        for account, key, is_frozen in cursor.execute(_ACCOUNTS, values).fetchall()
    }
    for account in asked.accounts:
        if account not in found:
            detail = f"{account} was not open at block {asked.height}"
            raise RequestRefused(404, "unknown_account", detail, account=account)
        if found[account][1]:
            detail = f"{account} was frozen at block {asked.height} already"
            raise RequestRefused(409, "already_frozen", detail, account=account)
    return [found[account][0] for account in asked.accounts]


def _history(
    cursor: duckdb.DuckDBPyConnection, asked: Asked, keys: Sequence[int]
) -> Iterator[Step | _Measured]:
    """Yield what moved amounts above the height, and measures on the accounts, as on the chain."""
    rows = cursor.execute(_MEASURES, [asked.height, asked.until, list(keys)]).fetchall()
    measures = [_Measured((height, index), *measure) for height, index, *measure in rows]
    both: tuple[Iterable[Step | _Measured], ...] = (_steps(cursor, asked), measures)
    yield from merge(*both, key=lambda event: event.position)


def _steps(cursor: duckdb.DuckDBPyConnection, asked: Asked) -> Iterator[Step]:
    first = asked.height + 1
    while first <= asked.until:
        page_end = min(asked.until, first + COMMIT_BLOCKS_MAX - 1)
        last, legs = page_end, 0
        for height, count in cursor.execute(_BLOCKS, [first, page_end]).fetchall():
            legs += count
            if legs >= FACTS_LEGS_MAX:
                last = height
                break
        rows = cursor.execute(_LEGS, [first, last]).fetchall()
        for position, group in groupby(rows, key=_PLACE):
            yield _step(position, list(group))
        first = last + 1


def _step(position: Position, rows: Sequence[Any]) -> Step:
    _, _, txid, kind, reference, *_ = rows[0]
    return Step(position, txid, kind, [Posting(*row[5:]) for row in rows], reference)


def _document(
    cursor: duckdb.DuckDBPyConnection, asked: Asked, keys: Sequence[int], books: Counterfactual
) -> dict[str, Any]:
    refusals, changes = books.refusals, changes_of(books.refusals)
    touched = {account for account, _ in changes} | set(keys)
    rows = cursor.execute(_NAMES, [sorted(touched)]).fetchall()
    names = {key: _Named(*named) for key, *named in rows}
    tables: dict[str, list[dict[str, Any]]] = {
        "affected": _affected(names, set(keys), changes, books),
        "texts": _texts(books),
        "refused": [_refused(one, names) for one in refusals[: SIMULATION_ROWS_MAX + 1]],
        "alerts": _alerts(cursor, asked, books),
    }
    return {
        "accounts": list(asked.accounts),
        "height": asked.height,
        "until": asked.until,
        "counts": _counts(books, tables),
        "stopped": [
            {"asset": asset, "frozen": str(one.frozen), "insufficient_funds": str(one.short)}
            for asset, one in stopped_by_asset(refusals).items()
        ],
        "held": [one for key in keys for one in _held(key, names[key].account, changes, books)],
        **{name: rows[:SIMULATION_ROWS_MAX] for name, rows in tables.items()},
        "truncated": any(len(rows) > SIMULATION_ROWS_MAX for rows in tables.values()),
    }


def _counts(
    books: Counterfactual, tables: Mapping[str, Sequence[Mapping[str, Any]]]
) -> dict[str, int]:
    refusals, affected = books.refusals, tables["affected"]
    frozen = sum(refusal.code == FROZEN for refusal in refusals)
    worse = {one["account"] for one in affected if int(one["simulated"]) < int(one["actual"])}
    return {
        "replayed": books.replayed,
        "refused": len(refusals),
        "frozen": frozen,
        "insufficient_funds": len(refusals) - frozen,
        "generations": max((refusal.generation for refusal in refusals), default=0),
        "affected": len({one["account"] for one in affected}),
        "worse_off": len(worse),
        "alerts": len(tables["alerts"]),
    }


def _ends(key: tuple[int, str], changes: _Changes, books: Counterfactual) -> tuple[int, int]:
    """Return what an account holds in the end: as it was, and in the replay."""
    simulated, change = books.balances.get(key, 0), changes.get(key)
    more = change.not_paid - change.not_received if change else 0
    return simulated - more, simulated


def _held(
    key: int, account: str, changes: _Changes, books: Counterfactual
) -> Iterator[dict[str, Any]]:
    """Yield what a frozen account holds in the end, in each asset that it had."""
    for asset in sorted(asset for holder, asset in books.balances if holder == key):
        actual, simulated = _ends((key, asset), changes, books)
        yield {
            "account": account,
            "asset": asset,
            "actual": str(actual),
            "simulated": str(simulated),
        }


def _affected(
    names: _Names, frozen: set[int], changes: _Changes, books: Counterfactual
) -> list[dict[str, Any]]:
    """Return the others whom a refusal concerns: who misses most in the end first."""
    affected = []
    for key, change in changes.items():
        if key[0] in frozen:
            continue
        actual, simulated = _ends(key, changes, books)
        row = {
            **names[key[0]]._asdict(),
            "asset": key[1],
            "not_received": str(change.not_received),
            "not_paid": str(change.not_paid),
            "actual": str(actual),
            "simulated": str(simulated),
            "generation": change.generation,
        }
        affected.append((simulated - actual, row["account"], key[1], row))
    return [row for *_, row in sorted(affected, key=itemgetter(0, 1, 2))]


def _texts(books: Counterfactual) -> list[dict[str, Any]]:
    return [
        {"reference": text, "asset": asset, "transactions": count, "amount": str(amount)}
        for (text, asset), (count, amount) in stopped_by_text(books.refusals).items()
    ]


def _alerts(
    cursor: duckdb.DuckDBPyConnection, asked: Asked, books: Counterfactual
) -> list[dict[str, Any]]:
    """Return the alerts that rest on refused transactions: as they are they would not have come."""
    refused = [refusal.step.txid.hex() for refusal in books.refusals]
    if not refused:
        return []
    values = {"refused": refused, "height": asked.height, "until": asked.until}
    rows = cursor.execute(_ALERTS, values).fetchall()
    return [dict(zip(_ALERT, row, strict=True)) for row in rows]


_ALERT: Final = ("id", "typology", "severity", "account", "height", "transactions")


def _refused(refusal: Refusal, names: _Names) -> dict[str, Any]:
    step = refusal.step
    return {
        "txid": step.txid.hex(),
        "height": step.position[0],
        "index": step.position[1],
        "kind": step.kind,
        "code": refusal.code,
        "account": names[refusal.account].account,
        "generation": refusal.generation,
        "legs": len(step.postings),
        "reference": step.reference,
    }
