"""The file of releases: spent before it is seen, by year, across restarts and at the same time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from analytics.errors import RecordsUnusable, RequestRefused
from analytics.privacy.mechanism import Drawn, draw
from analytics.privacy.releases import FILE_NAME, SCHEMA_VERSION, Releases

GENESIS = "ab" * 32
YEAR = 2026


@pytest.fixture
def releases(tmp_path: Path) -> Iterator[Releases]:
    """Return an empty file of releases."""
    made = Releases.open_file(tmp_path, GENESIS, budget=1.0, clock_s=lambda: 1_000.0)
    yield made
    made.close()


def told(drawn: Drawn) -> dict[str, Any]:
    """Return what is told of values."""
    return {"rows": list(drawn.values)}


def released(releases: Releases, epsilon: float, *, year: int = YEAR) -> dict[str, Any]:
    """Release noise on a zero."""
    drawing = partial(_drawn, epsilon=epsilon, budget=releases.budget)
    return releases.release(year, officer="01", draw=drawing, content=told)


def _drawn(spent: float, *, epsilon: float, budget: float) -> Drawn:
    return draw([0], sensitivity=1, epsilon=epsilon, spent=spent, budget=budget)


def test_what_was_told_is_spent_before_it_is_told(releases: Releases, tmp_path: Path) -> None:
    """Whoever opens the file when a release is at hand finds answer and cost, synced."""
    one = released(releases, 0.25)
    assert releases._file._connection.execute("PRAGMA synchronous").fetchone()[0] == 2
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600
    after_a_crash = Releases.open_file(tmp_path, GENESIS, budget=1.0)
    assert after_a_crash.spent(YEAR) == one["budget"]["spent"] == pytest.approx(0.25)
    assert after_a_crash.list_releases(limit=10, before=None) == ([one], None)
    assert one["budget"]["left"] == pytest.approx(0.75)
    after_a_crash.close()


def test_a_crash_between_spending_and_answering_has_spent(
    releases: Releases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer that nobody got has its cost, and can be read."""

    def die(row: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as crash:
        crash.setattr("analytics.privacy.releases._document", die)
        with pytest.raises(KeyboardInterrupt):
            releases.release(
                YEAR, officer="01", draw=partial(_drawn, epsilon=0.5, budget=1.0), content=told
            )
    assert releases.spent(YEAR) == pytest.approx(0.5)
    (kept,), _ = releases.list_releases(limit=1, before=None)
    assert len(kept["rows"]) == 1


def test_a_refusal_spends_nothing(releases: Releases) -> None:
    """Neither one by the budget nor a fault while noise is drawn."""
    released(releases, 0.75)
    before = releases.list_releases(limit=10, before=None)
    with pytest.raises(RequestRefused, match="nothing was spent"):
        released(releases, 0.5)
    with pytest.raises(ZeroDivisionError):
        releases.release(YEAR, officer="01", draw=lambda _: 1 / 0, content=told)  # type: ignore[arg-type, return-value]
    assert releases.list_releases(limit=10, before=None) == before
    released(releases, 0.25)


def test_each_year_has_its_budget_across_restarts(releases: Releases, tmp_path: Path) -> None:
    """A new process remembers what was spent; another year's payments have their own."""
    released(releases, 1.0)
    again = Releases.open_file(tmp_path, GENESIS, budget=1.0)
    with pytest.raises(RequestRefused):
        released(again, 0.001)
    assert released(again, 1.0, year=YEAR + 1)["budget"]["year"] == YEAR + 1
    again.close()


def test_releases_at_the_same_time_share_the_budget(releases: Releases) -> None:
    """Of twenty that each want a fifth, five get it."""

    def attempt(_: int) -> bool:
        try:
            released(releases, 0.2)
        except RequestRefused:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(attempt, range(20))) == 5
    assert releases.spent(YEAR) <= 1.0


def test_releases_are_listed_in_pages(releases: Releases) -> None:
    """The newest first, each once."""
    for _ in range(3):
        released(releases, 0.1)
    first, following = releases.list_releases(limit=2, before=None)
    rest, end = releases.list_releases(limit=2, before=following)
    assert [one["release"] for one in first + rest] == [3, 2, 1]
    assert end is None


@pytest.mark.parametrize("statement", ["UPDATE releases SET spent = 0", "DELETE FROM releases"])
def test_what_was_spent_cannot_be_given_back(releases: Releases, statement: str) -> None:
    """The database itself refuses it, whoever asks."""
    released(releases, 0.1)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        releases._file._connection.execute(statement)


def test_a_file_that_is_not_ours_is_left_alone(releases: Releases, tmp_path: Path) -> None:
    """Another chain, another version, no database: each by its code, and nothing begins anew."""
    with pytest.raises(RecordsUnusable) as refused:
        Releases.open_file(tmp_path, "cd" * 32, budget=1.0)
    assert refused.value.code == "releases_other_chain"
    releases._file._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(RecordsUnusable) as refused:
        Releases.open_file(tmp_path, GENESIS, budget=1.0)
    assert refused.value.code == "releases_other_version"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / FILE_NAME).write_bytes(b"no database" * 100)
    with pytest.raises(RecordsUnusable) as refused:
        Releases.open_file(tmp_path / "other", GENESIS, budget=1.0)
    assert refused.value.code == "releases_unreadable"
