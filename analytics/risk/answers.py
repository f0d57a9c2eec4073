"""What the process answers about risk.

``GET /risk/{account}?height=``    an account's score at a block, why, and what is around it
``GET /risk/members``, ``/risk/market``    the latest scores
``GET /segments``                  groups of accounts by what they do
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Final

import duckdb
from aiohttp import web

from analytics.errors import RequestRefused
from analytics.features.reading import AccountFeatures, Window, read_features
from analytics.risk.bands import Band, band_after
from analytics.risk.model import ACCOUNT_MODEL, account_risk
from analytics.risk.scores import ACCOUNT, MARKET, MEMBER, THE_MARKET, read_written
from analytics.risk.segments import SEGMENTS, segment_of
from analytics.server import Route, Services, answer, integer
from analytics.warehouse.sql import first_row

HISTORY_MAX: Final = 500
"""Most scores of an account's history; the oldest are left out."""
ALERTS_MAX: Final = 50
"""Most alerts beside an account's score, newest first."""
NEIGHBOURS_MAX: Final = 50
"""Most neighbours of an account, those with the most payments first."""
EXAMPLES_MAX: Final = 5
"""Most accounts shown of a segment, the riskiest first."""

_SCORE: Final = "score, band, contributions, model, height, epoch_ms(time)"
_HISTORY: Final = """
SELECT score, band, model, height, epoch_ms(time) FROM scores
WHERE subject_kind = ? AND subject = ? AND height <= ? ORDER BY height DESC LIMIT ?
"""
_ALERTS: Final = """
SELECT id, typology, severity, score, height, epoch_ms(time) FROM alerts
WHERE account = ? AND height <= ? ORDER BY height DESC, id DESC LIMIT ?
"""
_NEIGHBOURS: Final = """
SELECT other, asset, sum(paid), sum(received), sum(payments), max(epoch_ms(time)) FROM (
    SELECT credit AS other, asset, amount AS paid, 0 AS received, 1 AS payments, time FROM legs
    WHERE debit = ? AND kind = 'transfer' AND credit <> debit AND height <= ? AND epoch_ms(time) > ?
    UNION ALL
    SELECT debit, asset, 0, amount, 1, time FROM legs
    WHERE credit = ? AND kind = 'transfer' AND credit <> debit AND height <= ? AND epoch_ms(time) > ?
) GROUP BY other, asset ORDER BY sum(payments) DESC, other, asset LIMIT ?
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _At:
    """The block that an answer is about."""

    height: int
    time_ms: int


async def show_account(services: Services, request: web.Request) -> web.StreamResponse:
    """Give an account's latest score up to a block, and what there is to it."""
    account = request.match_info["account"]
    height = integer(request, "height") if "height" in request.query else None

    def ask(cursor: duckdb.DuckDBPyConnection) -> dict[str, Any]:
        at = _at(cursor, services, height)
        rows = read_features(cursor, Window(height=at.height, end_ms=at.time_ms), account)
        if not rows:
            detail = f"no account {account} at height {at.height}"
            raise RequestRefused(404, "unknown_account", detail, account=account)
        features = rows[0]
        return {
            "account": account,
            "member": features.member,
            "kind": features.kind,
            "segment": segment_of(features.values),
            "at": {"height": at.height, "time_ms": at.time_ms},
            "latest": _latest(cursor, ACCOUNT, account, at.height) or _unwritten(features, at),
            "history": _history(cursor, account, at),
            "alerts": _alerts(cursor, account, at),
            "neighbours": _neighbours(cursor, account, at),
            "features": features.values,
        }

    return answer(await services.queries.run(ask))


async def list_members(services: Services, _: web.Request) -> web.StreamResponse:
    """Give the latest score of every member that has one."""

    def ask(cursor: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
        at = _at(cursor, services, None)
        members = cursor.execute("SELECT member FROM members ORDER BY member").fetchall()
        scored = [(name, _latest(cursor, MEMBER, name, at.height)) for (name,) in members]
        return [{"member": name} | latest for name, latest in scored if latest is not None]

    return answer({"items": await services.queries.run(ask)})


async def show_market(services: Services, _: web.Request) -> web.StreamResponse:
    """Give the market's latest score."""

    def ask(cursor: duckdb.DuckDBPyConnection) -> dict[str, Any] | None:
        at = _at(cursor, services, None)
        return _latest(cursor, MARKET, THE_MARKET, at.height)

    return answer({"latest": await services.queries.run(ask)})


async def list_segments(services: Services, _: web.Request) -> web.StreamResponse:
    """Give every segment: how many accounts, how risky, what they typically do."""

    def ask(cursor: duckdb.DuckDBPyConnection) -> dict[str, Any]:
        at = _at(cursor, services, None)
        rows = read_features(cursor, Window(height=at.height, end_ms=at.time_ms))
        written = read_written(cursor)
        scores = {
            subject: (score.score, score.band)
            for (kind, subject), score in written.items()
            if kind == ACCOUNT
        }
        members: dict[str, list[AccountFeatures]] = defaultdict(list)
        for row in rows:
            members[segment_of(row.values)].append(row)
        items = [
            {"segment": segment.name, "description": segment.description}
            | _profile(members[segment.name], scores)
            for segment in SEGMENTS
        ]
        return {"height": at.height, "time_ms": at.time_ms, "items": items}

    return answer(await services.queries.run(ask))


def _at(cursor: duckdb.DuckDBPyConnection, services: Services, height: int | None) -> _At:
    """Return a block that the second stage has done; the last one unless it is named."""
    detected = max(0, services.progress.detected.height)
    if height is not None and height > detected:
        detail = f"the last assessed block is {detected}"
        raise RequestRefused(404, "unknown_height", detail, height=height)
    chosen = detected if height is None else height
    row = first_row(cursor, "SELECT epoch_ms(time) FROM blocks WHERE height = ?", [chosen])
    if row is None:
        raise AssertionError(f"block {chosen} was detected, so its row is there")
    return _At(height=chosen, time_ms=row[0])


def _latest(
    cursor: duckdb.DuckDBPyConnection, kind: str, subject: str, height: int
) -> dict[str, Any] | None:
    row = first_row(
        cursor,
        f"SELECT {_SCORE} FROM scores WHERE subject_kind = ? AND subject = ? AND height <= ?"  # noqa: S608 - our own columns
        " ORDER BY height DESC LIMIT 1",
        [kind, subject, height],
    )
    if row is None:
        return None
    score, band, contributions, model, at_height, time_ms = row
    return {
        "score": score,
        "band": band,
        "contributions": json.loads(contributions),
        "model": model,
        "height": at_height,
        "time_ms": time_ms,
    }


def _unwritten(features: AccountFeatures, at: _At) -> dict[str, Any]:
    """Return the score of an account that was not assessed yet, and so has had no alert."""
    risk = account_risk(features.values, {})
    return {
        "score": risk.score,
        "band": band_after(risk.score, Band.LOW).value,
        "contributions": [asdict(reason) for reason in risk.reasons],
        "model": ACCOUNT_MODEL,
        "height": at.height,
        "time_ms": at.time_ms,
    }


def _history(cursor: duckdb.DuckDBPyConnection, account: str, at: _At) -> list[dict[str, Any]]:
    rows = cursor.execute(_HISTORY, [ACCOUNT, account, at.height, HISTORY_MAX]).fetchall()
    names = ("score", "band", "model", "height", "time_ms")
    return [dict(zip(names, row, strict=True)) for row in rows]


def _alerts(cursor: duckdb.DuckDBPyConnection, account: str, at: _At) -> list[dict[str, Any]]:
    rows = cursor.execute(_ALERTS, [account, at.height, ALERTS_MAX]).fetchall()
    names = ("id", "typology", "severity", "score", "height", "time_ms")
    return [dict(zip(names, row, strict=True)) for row in rows]


def _neighbours(cursor: duckdb.DuckDBPyConnection, account: str, at: _At) -> list[dict[str, Any]]:
    """Return with whom an account dealt within the memory of the features, by asset."""
    window = Window(height=at.height, end_ms=at.time_ms)
    bounds = [account, at.height, at.time_ms - window.length_ms - window.memory_ms]
    rows = cursor.execute(_NEIGHBOURS, [*bounds, *bounds, NEIGHBOURS_MAX]).fetchall()
    return [
        {
            "account": other,
            "asset": asset,
            "paid": str(paid),
            "received": str(received),
            "payments": int(payments),
            "last_ms": last_ms,
        }
        for other, asset, paid, received, payments, last_ms in rows
    ]


def _profile(
    rows: Sequence[AccountFeatures], scores: dict[str, tuple[float, Band]]
) -> dict[str, Any]:
    """Return what the accounts of a segment are like."""
    known = [(scores[row.account][0], row.account) for row in rows if row.account in scores]
    known.sort(key=lambda one: (-one[0], one[1]))
    at_risk = sum(scores[account][1] in (Band.HIGH, Band.CRITICAL) for _, account in known)
    names = rows[0].values if rows else ()
    return {
        "accounts": len(rows),
        "at_risk": at_risk,
        "mean_score": sum(score for score, _ in known) / len(rows) if rows else 0.0,
        "medians": {name: median(row.values[name] for row in rows) for name in names},
        "examples": [
            {"account": account, "score": score, "band": scores[account][1].value}
            for score, account in known[:EXAMPLES_MAX]
        ],
    }


ROUTES: Final = (
    Route(method="GET", path="/risk/members", handler=list_members),
    Route(method="GET", path="/risk/market", handler=show_market),
    Route(method="GET", path="/risk/{account}", handler=show_account),
    Route(method="GET", path="/segments", handler=list_segments),
)
