"""Scores in the third stage: which are written, when, and that a replay writes the same."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from analytics import detecting
from analytics.assessing import Assessing
from analytics.features.reading import Window, read_features
from analytics.progress import Progress
from analytics.risk.assessing import PERIOD_MS, SCORE_STEP, WRITE_EVERY_MS, Assessor
from analytics.risk.bands import Band, band_after
from analytics.risk.kept import read_kept
from analytics.risk.segments import segment_of
from analytics.warehouse.opening import FILE_NAME
from analytics.warehouse.schema import ASSESSMENT, DETECTION
from analytics.warehouse.store import Settings, Warehouse, connect
from tests.histories import History
from tests.unit.analytics import test_detecting

STEP_MS = PERIOD_MS // 4


@pytest.fixture(scope="module")
def history() -> History:
    """Return blocks over nine days, six hours apart."""
    history = History(seed=6)
    history.grow(36, step_ms=STEP_MS)
    return history


@pytest.fixture
def warehouse(tmp_path: Path, history: History) -> Iterator[Warehouse]:
    """Return a warehouse that holds the chain."""
    made = Warehouse.create(connect(tmp_path / FILE_NAME, Settings()), history.network.genesis)
    made.append(history.blocks)
    yield made
    made.close()


def detect(warehouse: Warehouse, history: History, *, until: int) -> None:
    """Detect until a height is done, then assess as a process would that began with it."""
    test_detecting.detect(warehouse, history, until=until)
    detected = warehouse.cursor(DETECTION)
    progress = Progress(ingested=warehouse.ingested, detected=detected, report=lambda _: None)
    Assessing(warehouse, progress).assess_until(until)


def scores(warehouse: Warehouse) -> list[Any]:
    """Return all scores, in the order of the chain."""
    with warehouse.reading() as cursor:
        return cursor.execute(
            "SELECT subject_kind, subject, score, band, contributions, model, height,"
            " epoch_ms(time) FROM scores WHERE kind = 'risk' ORDER BY height, subject_kind, subject"
        ).fetchall()


def test_scores_are_explained_and_written_when_they_are_news(
    warehouse: Warehouse, history: History
) -> None:
    """Contributions add up; a row differs from the one before in score or band, or is a day later."""
    detect(warehouse, history, until=history.blocks[-1].header.height)
    rows = scores(warehouse)
    assert {row[0] for row in rows} == {"account", "member", "market"}
    before: dict[tuple[str, str], Any] = {}
    for kind, subject, score, band, contributions, model, height, time_ms in rows:
        parts = [reason["contribution"] for reason in json.loads(contributions)]
        assert math.fsum(parts) == pytest.approx(score)
        assert model.startswith(kind)
        last = before.get((kind, subject))
        was = Band.LOW if last is None else Band(last[3])
        assert band_after(score, was) == band
        if last is not None:
            is_step = abs(last[2] - score) >= SCORE_STEP or last[3] != band
            assert is_step or time_ms - last[7] >= WRITE_EVERY_MS
            assert height > last[6]
        before[kind, subject] = (kind, subject, score, band, contributions, model, height, time_ms)
    at_risk = [row for row in rows if row[0] == "account" and row[3] in ("high", "critical")]
    assert at_risk, "the listed account has alerts"


def test_an_end_between_two_commits_writes_the_same_scores(
    warehouse: Warehouse, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ended now and then and started anew, the stage leaves the scores of one run."""
    monkeypatch.setattr(detecting, "DETECTION_BLOCKS_MAX", 4)
    last = history.blocks[-1].header.height
    for height in (5, 13, 14, 29, last):
        detect(warehouse, history, until=height)
    broken = scores(warehouse)
    with warehouse.writing() as cursor:
        cursor.execute("DELETE FROM alerts")
        cursor.execute("DELETE FROM scores")
        cursor.execute("DELETE FROM internal.assessment")
        cursor.execute("DELETE FROM internal.features")
        cursor.execute("DELETE FROM internal.cursors WHERE stage <> 'ingest'")
    detect(warehouse, history, until=last)
    assert scores(warehouse) == broken != []


def test_an_alert_is_in_the_score_of_its_block(warehouse: Warehouse, history: History) -> None:
    """The account's score is written with the block that raised the alert, and names it."""
    detect(warehouse, history, until=history.blocks[-1].header.height)
    with warehouse.reading() as cursor:
        first = cursor.execute(
            "SELECT account, typology, height FROM alerts ORDER BY height, id LIMIT 1"
        ).fetchone()
    assert first is not None
    account, typology, height = first
    of_block = [row for row in scores(warehouse) if row[1] == account and row[6] == height]
    assert len(of_block) == 1
    named = [reason["feature"] for reason in json.loads(of_block[0][4])]
    assert f"alert:{typology}" in named


def test_what_is_kept_of_all_accounts_is_what_they_did(
    warehouse: Warehouse, history: History
) -> None:
    """Kept features are those of the last block with which all was due, and kept scores the written."""
    detect(warehouse, history, until=history.blocks[-1].header.height)
    with warehouse.reading() as cursor:
        kept = read_kept(cursor)
        assert kept is not None
        rows = read_features(cursor, Window(height=kept.height, end_ms=kept.time_ms))
    assert list(kept.accounts) == [row.account for row in rows]
    assert kept.values.tolist() == [list(row.values.values()) for row in rows]
    assert list(kept.segments) == [segment_of(row.values) for row in rows]
    of_block = {row[1]: row[2:4] for row in scores(warehouse) if row[6] == kept.height}
    known = dict(zip(kept.accounts, zip(kept.scores, kept.bands, strict=True), strict=True))
    assert {name: known[name] for name in of_block if name in known}
    assert all(known[name] == of_block[name] for name in of_block if name in known)


def test_alerts_do_not_wait_for_scores(warehouse: Warehouse, history: History) -> None:
    """Detection commits its alerts and its cursor without a score: the stage after it makes those."""
    test_detecting.detect(warehouse, history, until=history.blocks[-1].header.height)
    assert scores(warehouse) == []
    assert test_detecting.alerts(warehouse)
    assert warehouse.cursor(ASSESSMENT).height == -1


def test_the_market_follows_an_alert(warehouse: Warehouse, history: History) -> None:
    """A block that lifts an account between two assessments of all lifts its member and the market."""
    detect(warehouse, history, until=history.blocks[-1].header.height)
    rows = scores(warehouse)
    with warehouse.reading() as cursor:
        member_of = dict(cursor.execute("SELECT account, member FROM accounts").fetchall())
        times = cursor.execute(
            "SELECT height, epoch_ms(time) FROM blocks ORDER BY height"
        ).fetchall()
    assessor = Assessor({})
    of_all = {height for height, time_ms in times if assessor.see(height, time_ms)}
    between = [row for row in rows if row[0] != "account" and row[6] not in of_all]
    assert {row[0] for row in between} == {"member", "market"}
    for kind, subject, *_, height, _ in between:
        warned = [row[1] for row in rows if row[0] == "account" and row[6] == height]
        assert warned, "only an alert's account changes the groups"
        assert kind == "market" or subject in {member_of[account] for account in warned}
