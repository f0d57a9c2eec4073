"""The file of cases: transitions, records that stay, faults that are told, nothing lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import count, product
from pathlib import Path
from typing import Any

import pytest

from analytics.errors import RecordsUnusable, RequestRefused
from analytics.response.schema import SCHEMA_VERSION
from analytics.response.states import OFFICERS_MOVES, CaseState, may_move
from analytics.response.store import FILE_NAME, AppliedMeasure, Cases, new_case_id

GENESIS = "ab" * 32
MAKER, CHECKER = "01" * 33, "02" * 33
CASE = "case-" + "00" * 8
S = CaseState


def alert(name: str = "a", account: str | None = "sun1a") -> dict[str, Any]:
    """Return an alert as the warehouse gives it."""
    return {"id": name, "typology": "fan_in", "account": account, "transactions": [f"tx {name}"]}


@pytest.fixture
def cases(tmp_path: Path) -> Iterator[Cases]:
    """Return an empty file of cases with a clock of its own."""
    ticks = count(1_000)
    made = Cases.open_file(tmp_path, GENESIS, clock_s=lambda: float(next(ticks)))
    yield made
    made.close()


def opened(cases: Cases, *alerts: dict[str, Any], case_id: str = CASE) -> str:
    """Open a case and return its id."""
    chosen = alerts or (alert(),)
    assert cases.open_case(chosen, title="t", by=MAKER, officer=CHECKER, case_id=case_id)
    return case_id


def measure(txid: str = "tx f", *, kind: str = "freeze", case_id: str = CASE) -> AppliedMeasure:
    """Return a measure on the chain that names the case."""
    return AppliedMeasure(case_id, txid, "sun1a", kind, "regulator", "why", 7, 5_000)


def test_a_case_outlives_its_process(tmp_path: Path) -> None:
    """What was told as done is there when the file is opened again."""
    directory = tmp_path / "new" / "cases"
    first = Cases.open_file(directory, GENESIS)
    assert (directory.stat().st_mode & 0o777, len(list(tmp_path.iterdir()))) == (0o700, 1)
    opened(first)
    first.add_note(CASE, by=MAKER, text="looked at")
    before = first.show(CASE)
    first.close()
    second = Cases.open_file(directory, GENESIS)
    assert second.show(CASE) == before
    assert [note["text"] for note in before["notes"]] == ["looked at"]
    second.add_note(CASE, by=MAKER, text="looked at")
    assert second.show(CASE)["notes"] == before["notes"]
    second.add_note(CASE, by=CHECKER, text="looked at")
    assert len(second.show(CASE)["notes"]) == 2
    assert (before["opened_by"], before["officer"], before["state"]) == (MAKER, CHECKER, "open")
    second.close()


def test_every_commit_is_synced(cases: Cases, tmp_path: Path) -> None:
    """The file is in WAL mode, synced in full, for its owner alone."""
    connection = cases._file._connection
    assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("before", "after"), list(product(S, S)))
def test_officers_move_cases_as_the_table_says(
    cases: Cases, before: CaseState, after: CaseState
) -> None:
    """Each pair of states: allowed and kept in the history, or refused with nothing changed."""
    opened(cases)
    cases._file._connection.execute("UPDATE cases SET state = ?", (before,))
    if may_move(before, after):
        cases.move(CASE, by=MAKER, state=after, officer=None)
        step = cases.show(CASE)["history"][-1]
        assert (step["by"], step["state"], step["officer"]) == (MAKER, after, CHECKER)
        assert cases.show(CASE)["state"] == after
        return
    if before is after:
        cases.move(CASE, by=MAKER, state=after, officer=None)
        assert len(cases.show(CASE)["history"]) == 1
        return
    with pytest.raises(RequestRefused) as refused:
        cases.move(CASE, by=MAKER, state=after, officer=None)
    assert (refused.value.status, refused.value.code) == (409, "case_transition")
    assert cases.show(CASE)["state"] == before


def test_only_the_chain_says_that_a_measure_is_applied() -> None:
    """No officer moves a case there."""
    assert not any(S.MEASURE_APPLIED in after for after in OFFICERS_MOVES.values())


def test_a_case_is_handed_on(cases: Cases) -> None:
    """The same state with another officer is a step of the history too."""
    opened(cases)
    cases.move(CASE, by=CHECKER, state=S.OPEN, officer=MAKER)
    case = cases.show(CASE)
    assert (case["state"], case["officer"]) == ("open", MAKER)
    assert [step["officer"] for step in case["history"]] == [CHECKER, MAKER]


@pytest.mark.parametrize(
    "table", ["case_alerts", "case_notes", "case_history", "case_proposals", "case_measures"]
)
def test_records_are_never_changed_or_removed(cases: Cases, table: str) -> None:
    """The database itself refuses it, whoever asks."""
    opened(cases)
    cases.add_note(CASE, by=MAKER, text="a")
    cases.propose("a", by=MAKER, account="sun1a", proposal={})
    cases.settle([measure()], 9)
    for statement in (f"UPDATE {table} SET number = 9", f"DELETE FROM {table}"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            cases._file._connection.execute(statement)


def test_an_alert_belongs_to_one_case(cases: Cases) -> None:
    """Opening again with the same id finds it; another case with its alert is refused, whole."""
    opened(cases)
    again = cases.open_case([alert()], title="u", by=CHECKER, officer=MAKER, case_id=CASE)
    assert (again, cases.show(CASE)["title"]) == (False, "t")
    other = new_case_id()
    with pytest.raises(RequestRefused) as refused:
        cases.open_case([alert("b"), alert()], title="u", by=MAKER, officer=MAKER, case_id=other)
    assert (refused.value.code, refused.value.fields["case"]) == ("alert_in_case", CASE)
    assert cases.case_of("b") is None


def test_the_first_draft_stays(cases: Cases) -> None:
    """A second one for the same alert changes nothing."""
    opened(cases)
    cases.propose("a", by=MAKER, account="sun1a", proposal={"n": 1})
    cases.propose("a", by=CHECKER, account="sun1a", proposal={"n": 2})
    assert cases.proposal_of("a") == {"n": 1}
    case = cases.show(CASE)
    assert case["state"] == "measure_proposed"
    assert [step["state"] for step in case["history"]] == ["open", "measure_proposed"]


def test_a_dismissed_case_gets_no_draft(cases: Cases) -> None:
    """It is taken into review again first."""
    opened(cases)
    cases.move(CASE, by=MAKER, state=S.DISMISSED, officer=None)
    with pytest.raises(RequestRefused, match="review"):
        cases.propose("a", by=MAKER, account="sun1a", proposal={})
    assert cases.proposal_of("a") is None


def test_a_freeze_on_the_chain_applies_the_measure_once(cases: Cases) -> None:
    """Seen again, after the file of the warehouse was built anew, it changes nothing more."""
    opened(cases)
    cases.propose("a", by=MAKER, account="sun1a", proposal={})
    cases.settle([measure(), measure("tx x", case_id="2026-7")], 9)
    case = cases.show(CASE)
    assert (case["state"], case["history"][-1]["by"]) == ("measure_applied", None)
    assert case["transactions"] == ["tx a", "tx f"]
    cases.move(CASE, by=MAKER, state=S.IN_REVIEW, officer=None)
    cases.settle([measure()], 3)
    assert cases.show(CASE)["state"] == "in_review"
    assert cases.settled_height == 9
    cases.settle([measure("tx u", kind="unfreeze")], 12)
    case = cases.show(CASE)
    assert (case["state"], len(case["measures"])) == ("in_review", 2)


def test_lists_are_filtered_and_come_in_pages(cases: Cases) -> None:
    """Newest first, each once."""
    ids = [new_case_id() for _ in range(5)]
    for number, case_id in enumerate(ids):
        account = f"sun1{number % 2}"
        opened(cases, alert(str(number), account), case_id=case_id)
    cases.move(ids[3], by=MAKER, state=S.IN_REVIEW, officer=None)
    seen: list[str] = []
    before = None
    while True:
        page, before = cases.list_cases({}, limit=2, before=before)
        seen += [case["id"] for case in page]
        if before is None:
            break
    assert seen == ids[::-1]

    def found(**filters: str) -> list[str]:
        return [case["id"] for case in cases.list_cases(filters, limit=9, before=None)[0]]

    assert found(state="in_review") == [ids[3]]
    assert found(account="sun11") == [ids[3], ids[1]]
    assert found(alert="2") == [ids[2]]
    assert found(officer=MAKER) == []
    assert found(officer=CHECKER, state="open") == [ids[4], ids[2], ids[1], ids[0]]


def test_unknown_cases_are_refused(cases: Cases) -> None:
    """By code, whatever is asked."""
    for ask in (
        lambda: cases.show(CASE),
        lambda: cases.add_note(CASE, by=MAKER, text="a"),
        lambda: cases.move(CASE, by=MAKER, state=S.CLOSED, officer=None),
    ):
        with pytest.raises(RequestRefused) as refused:
            ask()
        assert (refused.value.status, refused.value.code) == (404, "unknown_case")


def test_files_that_are_not_ours_stay_as_they_are(tmp_path: Path) -> None:
    """Another chain's, another version's, and no database at all: refused by code, not replaced."""
    cases = Cases.open_file(tmp_path, GENESIS)
    opened(cases)
    with pytest.raises(RecordsUnusable) as refused:
        Cases.open_file(tmp_path, "cd" * 32)
    assert refused.value.code == "cases_other_chain"
    cases._file._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    cases.close()
    with pytest.raises(RecordsUnusable) as refused:
        Cases.open_file(tmp_path, GENESIS)
    assert refused.value.code == "cases_other_version"
    path = tmp_path / FILE_NAME
    path.write_bytes(b"no database at all, but long enough to look at" * 99)
    with pytest.raises(RecordsUnusable) as refused:
        Cases.open_file(tmp_path, GENESIS)
    assert refused.value.code == "cases_unreadable"
    assert path.read_bytes().startswith(b"no database")


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """The system's refusal has the code of a file that cannot be used, and says which."""
    (tmp_path / "file").touch()
    with pytest.raises(RecordsUnusable, match="Not a directory") as refused:
        Cases.open_file(tmp_path / "file" / "cases", GENESIS)
    assert refused.value.code == "cases_unreadable"
