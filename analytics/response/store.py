"""The file of cases, in a directory of its own. Every call is one transaction."""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from analytics.errors import RequestRefused
from analytics.regulator_file import RegulatorFile, RegulatorFileKind, Run
from analytics.response.schema import SCHEMA_VERSION, STATEMENTS
from analytics.response.states import CHAINS_MOVES, CaseState, may_move

FILE_NAME: Final = "cases.sqlite"
ID_BYTES: Final = 8
"""Random bytes of a case's id. It stands in the clear on the chain, so it must tell nothing."""
FILE: Final = RegulatorFileKind(
    name=FILE_NAME,
    holds="cases",
    code={
        "unreadable": "cases_unreadable",
        "other_chain": "cases_other_chain",
        "other_version": "cases_other_version",
    },
    version=SCHEMA_VERSION,
    statements=STATEMENTS,
    chain_row="INSERT INTO chain VALUES (?, 0)",
)

Json = dict[str, Any]

_DETAILS: Final[Mapping[str, str]] = {
    "notes": "SELECT note, time_ms, officer, text FROM case_notes WHERE number = ? ORDER BY note",
    "history": (
        "SELECT time_ms, by, state, officer FROM case_history WHERE number = ? ORDER BY step"
    ),
    "proposals": (
        "SELECT alert, account, time_ms, officer, proposal FROM case_proposals"
        " WHERE number = ? ORDER BY time_ms, alert"
    ),
    "measures": (
        "SELECT measure, account, txid, height, time_ms, member, reason FROM case_measures"
        " WHERE number = ? ORDER BY height, txid, account"
    ),
}
"""What is told of a case beside its alerts."""


class AppliedMeasure(NamedTuple):
    """A measure that is on the chain and names a case, in the order of the warehouse's columns."""

    case_id: str
    txid: str
    account: str
    measure: str
    member: str
    reason: str
    height: int
    time_ms: int


class Cases:
    """All cases of one regulator on one chain."""

    def __init__(self, file: RegulatorFile) -> None:
        """Take over an open file."""
        self._file = file

    @classmethod
    def open_file(
        cls, directory: Path, genesis_hash: str, *, clock_s: Callable[[], float] = time.time
    ) -> Self:
        """Return the cases of a directory; it and their file are made when they are missing.

        Raises:
            RecordsUnusable: ``cases_unreadable``, ``cases_other_chain`` or ``cases_other_version``.
        """
        return cls(RegulatorFile.open_in(directory, FILE, genesis_hash, clock_s=clock_s))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def case_of(self, alert: str) -> str | None:
        """Return the id of the case that an alert belongs to."""
        query = "SELECT id FROM cases JOIN case_alerts USING (number) WHERE alert = ?"
        with self._file.transaction() as run:
            row = run(query, (alert,)).fetchone()
        return None if row is None else row["id"]

    def alert(self, alert: str) -> Json | None:
        """Return the copy of an alert that a case holds."""
        with self._file.transaction() as run:
            row = run("SELECT content FROM case_alerts WHERE alert = ?", (alert,)).fetchone()
        return None if row is None else json.loads(row["content"])

    def dismissed_alerts(self) -> list[str]:
        """Return the ids of the alerts that officers found to be false: of cases dismissed."""
        query = (
            "SELECT alert FROM case_alerts JOIN cases USING (number)"
            " WHERE state = 'dismissed' ORDER BY alert"
        )
        with self._file.transaction() as run:
            return [row["alert"] for row in run(query).fetchall()]

    def open_case(
        self, alerts: Sequence[Json], *, title: str, by: str, officer: str, case_id: str
    ) -> bool:
        """Open a case with these alerts; return False where it is there already, with all of them.

        Raises:
            RequestRefused: ``alert_in_case`` (409): one belongs to another case.
        """
        with self._file.transaction() as run:
            taken = {_case_of(run, alert["id"]) for alert in alerts}
            if taken == {case_id}:
                return False
            if taken != {None}:
                self._refuse_taken(run, alerts)
            now_ms = self._file.now_ms()
            number = run(
                "INSERT INTO cases (id, title, state, officer, opened_by, opened_time_ms, changed_time_ms)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (case_id, title, CaseState.OPEN, officer, by, now_ms, now_ms),
            ).lastrowid
            _keep_step(run, number, now_ms, by, CaseState.OPEN, officer)
            for alert in alerts:
                entry = (alert["id"], number, alert["account"], json.dumps(alert))
                run("INSERT INTO case_alerts VALUES (?, ?, ?, ?)", entry)
        return True

    def add_note(self, case_id: str, *, by: str, text: str) -> None:
        """Add a note; the same text again is the same request, sent twice.

        Raises:
            RequestRefused: ``unknown_case`` (404).
        """
        with self._file.transaction() as run:
            number, now_ms = _required(run, case_id)["number"], self._file.now_ms()
            query = (
                "SELECT officer, text FROM case_notes WHERE number = ? ORDER BY note DESC LIMIT 1"
            )
            last = run(query, (number,)).fetchone()
            if last is not None and (last["officer"], last["text"]) == (by, text):
                return
            statement = (
                "INSERT INTO case_notes (number, time_ms, officer, text) VALUES (?, ?, ?, ?)"
            )
            run(statement, (number, now_ms, by, text))
            run("UPDATE cases SET changed_time_ms = ? WHERE number = ?", (now_ms, number))

    def move(self, case_id: str, *, by: str, state: CaseState, officer: str | None) -> None:
        """Move a case to another state, or give it to another officer, or both.

        Where it is so already nothing changes: the request was sent twice.

        Raises:
            RequestRefused: ``unknown_case`` (404) or ``case_transition`` (409).
        """
        with self._file.transaction() as run:
            case = _required(run, case_id)
            before = CaseState(case["state"])
            if state is before and officer in (None, case["officer"]):
                return
            if state is not before and not may_move(before, state):
                detail = f"a case that is {before} does not become {state} by an officer"
                raise RequestRefused(409, "case_transition", detail, state=before)
            self._set(run, case, state, by, officer or case["officer"], self._file.now_ms())

    def proposal_of(self, alert: str) -> Json | None:
        """Return the proposal that was drafted for an alert."""
        query = "SELECT proposal FROM case_proposals WHERE alert = ?"
        with self._file.transaction() as run:
            row = run(query, (alert,)).fetchone()
        return None if row is None else json.loads(row["proposal"])

    def propose(self, alert: str, *, by: str, account: str, proposal: Json) -> None:
        """Keep what was drafted for an alert of a case; the first draft stays.

        Raises:
            RequestRefused: ``unknown_case`` (404): the alert is in none; ``case_transition`` (409).
        """
        with self._file.transaction() as run:
            if run("SELECT 1 FROM case_proposals WHERE alert = ?", (alert,)).fetchone():
                return
            case = _required(run, _case_of(run, alert) or "")
            state, now_ms = CaseState(case["state"]), self._file.now_ms()
            if state is not CaseState.MEASURE_PROPOSED:
                if not may_move(state, CaseState.MEASURE_PROPOSED):
                    detail = f"the case of this alert is {state}; take it into review again first"
                    raise RequestRefused(409, "case_transition", detail, state=state)
                self._set(run, case, CaseState.MEASURE_PROPOSED, by, case["officer"], now_ms)
            entry = (alert, case["number"], now_ms, by, account, json.dumps(proposal))
            run("INSERT INTO case_proposals VALUES (?, ?, ?, ?, ?, ?)", entry)

    @property
    def settled_height(self) -> int:
        """Height up to which the chain was searched for measures of these cases."""
        with self._file.transaction() as run:
            height: int = run("SELECT settled_height FROM chain").fetchone()["settled_height"]
        return height

    def settle(self, measures: Sequence[AppliedMeasure], height: int) -> None:
        """Keep the measures on the chain that name our cases, found up to a height."""
        with self._file.transaction() as run:
            for one in measures:
                case = run("SELECT * FROM cases WHERE id = ?", (one.case_id,)).fetchone()
                if case is None:
                    continue
                entry = (
                    *(case["number"], one.txid, one.account, one.measure),
                    *(one.member, one.reason, one.height, one.time_ms),
                )
                kept = run("INSERT OR IGNORE INTO case_measures VALUES (?,?,?,?,?,?,?,?)", entry)
                is_effective = one.measure == "freeze" and case["state"] in CHAINS_MOVES
                if kept.rowcount and is_effective:
                    officer = case["officer"]
                    self._set(run, case, CaseState.MEASURE_APPLIED, None, officer, one.time_ms)
            run("UPDATE chain SET settled_height = max(settled_height, ?)", (height,))

    def show(self, case_id: str) -> Json:
        """Return a case with all that belongs to it.

        Raises:
            RequestRefused: ``unknown_case`` (404).
        """
        with self._file.transaction() as run:
            case = dict(_required(run, case_id))
            number = case.pop("number")
            alerts = [json.loads(row["content"]) for row in _alerts(run, number)]
            details = {
                name: [dict(row) for row in run(query, (number,))]
                for name, query in _DETAILS.items()
            }
        for proposal in details["proposals"]:
            proposal["proposal"] = json.loads(proposal["proposal"])
        accounts = [alert["account"] for alert in alerts if alert["account"] is not None]
        accounts += [measure["account"] for measure in details["measures"]]
        txids = [txid for alert in alerts for txid in alert["transactions"]]
        txids += [measure["txid"] for measure in details["measures"]]
        return case | details | {
            "alerts": alerts,
            "accounts": list(dict.fromkeys(accounts)),
            "transactions": list(dict.fromkeys(txids)),
        }  # fmt: skip

    def list_cases(
        self, filters: Mapping[str, str], *, limit: int, before: int | None
    ) -> tuple[list[Json], int | None]:
        """Return cases, the newest first, and the number to go on before; None at the end."""
        conditions, values = ["TRUE"], list[object]()
        for name, condition in _FILTERS.items():
            if name in filters:
                conditions.append(condition)
                values.append(filters[name])
        if before is not None:
            conditions.append("number < ?")
            values.append(before)
        # Every part of the text is ours; what was asked for is bound.
        query = (
            f"SELECT * FROM cases WHERE {' AND '.join(conditions)} "  # noqa: S608
            "ORDER BY number DESC LIMIT ?"
        )
        with self._file.transaction() as run:
            rows = [dict(row) for row in run(query, (*values, limit + 1))]
            for row in rows:
                alerts = _alerts(run, row["number"])
                row["alerts"] = [alert["alert"] for alert in alerts]
                row["accounts"] = sorted({a["account"] for a in alerts if a["account"] is not None})
        following = rows[limit - 1]["number"] if len(rows) > limit else None
        numberless = [{n: v for n, v in row.items() if n != "number"} for row in rows[:limit]]
        return numberless, following

    def _set(
        self,
        run: Run,
        case: sqlite3.Row,
        state: CaseState,
        by: str | None,
        officer: str,
        time_ms: int,
    ) -> None:
        number = case["number"]
        statement = "UPDATE cases SET state = ?, officer = ?, changed_time_ms = ? WHERE number = ?"
        run(statement, (state, officer, max(time_ms, case["changed_time_ms"]), number))
        _keep_step(run, number, time_ms, by, state, officer)

    def _refuse_taken(self, run: Run, alerts: Sequence[Json]) -> None:
        for alert in alerts:
            if (case_id := _case_of(run, alert["id"])) is not None:
                detail = f"alert {alert['id']} belongs to {case_id}"
                raise RequestRefused(409, "alert_in_case", detail, case=case_id)


_FILTERS: Final = {
    "state": "state = ?",
    "officer": "officer = ?",
    "account": "number IN (SELECT number FROM case_alerts WHERE account = ?)",
    "alert": "number IN (SELECT number FROM case_alerts WHERE alert = ?)",
}


def new_case_id() -> str:
    """Return an id that no case has."""
    return f"case-{secrets.token_hex(ID_BYTES)}"


def _case_of(run: Run, alert: str) -> str | None:
    query = "SELECT id FROM cases JOIN case_alerts USING (number) WHERE alert = ?"
    row = run(query, (alert,)).fetchone()
    return None if row is None else row["id"]


def _required(run: Run, case_id: str) -> sqlite3.Row:
    row: sqlite3.Row | None = run("SELECT * FROM cases WHERE id = ?", (case_id,)).fetchone()
    if row is None:
        raise RequestRefused(404, "unknown_case", f"no case {case_id}", id=case_id)
    return row


def _alerts(run: Run, number: int) -> list[sqlite3.Row]:
    query = "SELECT alert, account, content FROM case_alerts WHERE number = ? ORDER BY rowid"
    return run(query, (number,)).fetchall()


def _keep_step(
    run: Run, number: int | None, time_ms: int, by: str | None, state: CaseState, officer: str
) -> None:
    statement = (
        "INSERT INTO case_history (number, time_ms, by, state, officer) VALUES (?, ?, ?, ?, ?)"
    )
    run(statement, (number, time_ms, by, state, officer))
