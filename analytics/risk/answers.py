"""What the process answers about risk.

``GET /risk/{account}?height=``    an account's score at a block, why, and what is around it
``GET /risk?height=``              the market's and its members' latest scores up to a block
``GET /segments?height=``          groups of accounts by what they do

Without a height it is the reference block (`analytics.features.reference`).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Final

import duckdb
import numpy as np
from aiohttp import web

from analytics.errors import RequestRefused
from analytics.features.reading import (
    WINDOW_MS,
    AccountFeatures,
    Window,
    feature_names,
    make_moment,
    read_features,
)
from analytics.features.reference import reference_height
from analytics.limits import SEGMENTS_LIVE_LEGS_MAX
from analytics.risk.assessing import Due, read_strengths
from analytics.risk.bands import Band, band_after
from analytics.risk.kept import Kept, gather, read_kept
from analytics.risk.model import ACCOUNT_MODEL, account_risk
from analytics.risk.scores import ACCOUNT, MARKET, MEMBER, THE_MARKET, read_written
from analytics.risk.segments import SEGMENTS, Segment, segment_of
from analytics.server import Route, Services, answer, integer
from analytics.warehouse.reading import account_key
from analytics.warehouse.sql import first_row

HISTORY_MAX: Final = 500
"""Most scores of an account's history; the oldest are left out."""
ANOMALIES_MAX: Final = 100
"""Most anomaly scores of an account, newest first, each with what it is made of."""
ALERTS_MAX: Final = 50
"""Most alerts beside an account's score, newest first."""
NEIGHBOURS_MAX: Final = 50
"""Most neighbours of an account, those with the most payments first."""
EXAMPLES_MAX: Final = 5
"""Most accounts shown of a segment, the riskiest first."""

_SCORE: Final = "score, band, contributions, model, height, epoch_ms(time)"
_HISTORY: Final = """
SELECT score, band, model, height, epoch_ms(time) FROM scores
WHERE kind = 'risk' AND subject_kind = ? AND subject = ? AND height <= ? ORDER BY height DESC LIMIT ?
"""
_ANOMALIES: Final = """
SELECT score, band, contributions, model, height, epoch_ms(time) FROM scores
WHERE kind = 'anomaly' AND subject_kind = ? AND subject = ? AND height <= ?
ORDER BY height DESC LIMIT ?
"""
_ALERTS: Final = """
SELECT id, typology, severity, score, height, epoch_ms(time) FROM alerts
WHERE account = ? AND height <= ? ORDER BY height DESC, id DESC LIMIT ?
"""
_NEIGHBOURS: Final = """
SELECT a.account, n.asset, n.paid, n.received, n.payments, n.last_ms
FROM (
    SELECT if(debit = $key, credit, debit) AS other, asset,
           sum(amount) FILTER (debit = $key) AS paid,
           sum(amount) FILTER (credit = $key) AS received,
           count(*) AS payments, max(epoch_ms(time)) AS last_ms
    FROM internal.legs
    WHERE (debit = $key OR credit = $key) AND kind = 'transfer' AND debit <> credit
      AND height <= $height AND time > make_timestamp_ms($after)
    GROUP BY other, asset
) AS n JOIN internal.accounts AS a ON a.key = n.other
ORDER BY n.payments DESC, a.account, n.asset LIMIT $limit
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _At:
    """The block that an answer is about."""

    height: int
    time_ms: int
    is_last: bool
    """Whether it is the last one."""


async def show_account(services: Services, request: web.Request) -> web.StreamResponse:
    """Give an account's latest score up to a block, and what there is to it."""
    account = request.match_info["account"]
    height = _height(request)

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
            "latest": _latest(cursor, ACCOUNT, account, at.height)
            or _unwritten(cursor, features, at),
            "history": _history(cursor, account, at),
            "anomalies": _anomalies(cursor, account, at),
            "alerts": _alerts(cursor, account, at),
            "neighbours": _neighbours(cursor, account, at),
            "features": features.values,
        }

    return answer(await services.queries.run(ask))


async def show_market(services: Services, request: web.Request) -> web.StreamResponse:
    """Give the latest score of the market, and of every member that has one, up to a block."""
    height = _height(request)

    def ask(cursor: duckdb.DuckDBPyConnection) -> dict[str, Any]:
        at = _at(cursor, services, height)
        members = cursor.execute("SELECT member FROM members ORDER BY member").fetchall()
        scored = [(name, _latest(cursor, MEMBER, name, at.height)) for (name,) in members]
        return {
            "at": {"height": at.height, "time_ms": at.time_ms},
            "market": _latest(cursor, MARKET, THE_MARKET, at.height),
            "members": [{"member": name} | latest for name, latest in scored if latest is not None],
        }

    return answer(await services.queries.run(ask))


async def list_segments(services: Services, request: web.Request) -> web.StreamResponse:
    """Give every segment: how many accounts, how risky, what they typically do."""
    height = _height(request)

    def ask(cursor: duckdb.DuckDBPyConnection) -> dict[str, Any]:
        cursor.execute("BEGIN")  # features and scores of one moment
        known = _all_accounts(cursor, _at(cursor, services, height))
        return {
            "height": known.height,
            "time_ms": known.time_ms,
            "items": [_profile(segment, known) for segment in SEGMENTS],
        }

    return answer(await services.queries.run(ask))


def _height(request: web.Request) -> int | None:
    return integer(request, "height") if "height" in request.query else None


def _at(cursor: duckdb.DuckDBPyConnection, services: Services, height: int | None) -> _At:
    """Return a block that the second stage has done; the reference block unless it is named."""
    detected = max(0, services.progress.detected.height)
    if height is not None and height > detected:
        detail = f"the last assessed block is {detected}"
        raise RequestRefused(404, "unknown_height", detail, height=height)
    chosen = reference_height(cursor, detected) if height is None else height
    row = first_row(cursor, "SELECT epoch_ms(time) FROM blocks WHERE height = ?", [chosen])
    if row is None:
        raise AssertionError(f"block {chosen} was detected, so its row is there")
    return _At(height=chosen, time_ms=row[0], is_last=chosen == detected)


def _latest(
    cursor: duckdb.DuckDBPyConnection, kind: str, subject: str, height: int
) -> dict[str, Any] | None:
    row = first_row(
        cursor,
        f"SELECT {_SCORE} FROM scores WHERE kind = 'risk' AND subject_kind = ? AND subject = ?"  # noqa: S608 - our own columns
        " AND height <= ? ORDER BY height DESC LIMIT 1",
        [kind, subject, height],
    )
    return None if row is None else _score(row)


def _score(row: tuple[Any, ...]) -> dict[str, Any]:
    score, band, contributions, model, at_height, time_ms = row
    return {
        "score": score,
        "band": band,
        "contributions": json.loads(contributions),
        "model": model,
        "height": at_height,
        "time_ms": time_ms,
    }


def _unwritten(
    cursor: duckdb.DuckDBPyConnection, features: AccountFeatures, at: _At
) -> dict[str, Any]:
    """Return the score of an account that was not assessed yet."""
    due = Due(at.height, at.time_ms, (features.account,))
    strengths = read_strengths(cursor, due).get(features.account, {})
    risk = account_risk(features.values, strengths)
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


def _anomalies(cursor: duckdb.DuckDBPyConnection, account: str, at: _At) -> list[dict[str, Any]]:
    asked = [ACCOUNT, account, at.height, ANOMALIES_MAX]
    return [_score(row) for row in cursor.execute(_ANOMALIES, asked).fetchall()]


def _alerts(cursor: duckdb.DuckDBPyConnection, account: str, at: _At) -> list[dict[str, Any]]:
    rows = cursor.execute(_ALERTS, [account, at.height, ALERTS_MAX]).fetchall()
    names = ("id", "typology", "severity", "score", "height", "time_ms")
    return [dict(zip(names, row, strict=True)) for row in rows]


def _neighbours(cursor: duckdb.DuckDBPyConnection, account: str, at: _At) -> list[dict[str, Any]]:
    """Return with whom an account dealt within the memory of the features, by asset."""
    window = Window(height=at.height, end_ms=at.time_ms)
    asked = {
        "key": account_key(cursor, account),
        "height": at.height,
        "after": at.time_ms - window.length_ms - window.memory_ms,
        "limit": NEIGHBOURS_MAX,
    }
    rows = cursor.execute(_NEIGHBOURS, asked).fetchall()
    return [
        {
            "account": other,
            "asset": asset,
            "paid": str(paid or 0),
            "received": str(received or 0),
            "payments": int(payments),
            "last_ms": last_ms,
        }
        for other, asset, paid, received, payments, last_ms in rows
    ]


def _all_accounts(cursor: duckdb.DuckDBPyConnection, at: _At) -> Kept:
    """Return what is known of all accounts: now, or where that takes long as of the last assessment.

    Scores are the latest in both cases. A block before the last one is looked at as it was.
    """
    kept = read_kept(cursor) if at.is_last else None
    first = make_moment(at.time_ms - WINDOW_MS)
    counted = first_row(
        cursor,
        "SELECT count(*) FROM internal.legs WHERE time > ? AND height <= ?",
        [first, at.height],
    )
    if kept is None or counted is None or counted[0] <= SEGMENTS_LIVE_LEGS_MAX:
        rows = read_features(cursor, Window(height=at.height, end_ms=at.time_ms))
        return gather(rows, _account_scores(cursor, -1, at.height), at.height, at.time_ms)
    newer = _account_scores(cursor, kept.height, at.height)
    pairs = zip(kept.accounts, kept.scores, kept.bands, strict=True)
    latest = [
        (newer[account][0], newer[account][1].value) if account in newer else (score, band)
        for account, score, band in pairs
    ]
    return kept._replace(scores=[one[0] for one in latest], bands=[one[1] for one in latest])


def _account_scores(
    cursor: duckdb.DuckDBPyConnection, above: int, until: int
) -> dict[str, tuple[float, Band]]:
    return {
        subject: (written.score, written.band)
        for (kind, subject), written in read_written(cursor, above, until).items()
        if kind == ACCOUNT
    }


def _profile(segment: Segment, known: Kept) -> dict[str, Any]:
    """Return what the accounts of a segment are like."""
    places = [place for place, name in enumerate(known.segments) if name == segment.name]
    scored = [
        (score, known.accounts[place], known.bands[place])
        for place in places
        if (score := known.scores[place]) is not None
    ]
    scored.sort(key=lambda one: (-one[0], one[1]))
    medians = np.median(known.values[places], axis=0).tolist() if places else []
    return {
        "segment": segment.name,
        "description": segment.description,
        "accounts": len(places),
        "at_risk": sum(band in (Band.HIGH, Band.CRITICAL) for _, _, band in scored),
        "mean_score": sum(score for score, _, _ in scored) / len(places) if places else 0.0,
        "medians": dict(zip(feature_names(), medians, strict=False)),
        "examples": [
            {"account": account, "score": score, "band": band}
            for score, account, band in scored[:EXAMPLES_MAX]
        ],
    }


ROUTES: Final = (
    Route(method="GET", path="/risk", handler=show_market),
    Route(method="GET", path="/risk/{account}", handler=show_account),
    Route(method="GET", path="/segments", handler=list_segments),
)
