"""Proposals to train again: why, and what an officer decided. Nothing trains again by itself."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Sequence
from typing import Any

from analytics.errors import RequestRefused
from analytics.registry.records import ID_BYTES, Order, ProposalState, Version
from analytics.registry.trainings import insert_training
from analytics.regulator_file import RegulatorFile, Run

Json = dict[str, Any]


class Proposals:
    """The table of proposals, and how far the chain was searched for reasons for one."""

    def __init__(self, file: RegulatorFile) -> None:
        self._file = file

    def open_one(self, version: Version, *, height: int, reasons: Sequence[Json]) -> bool:
        """Propose to train a version's series again; return False where that is proposed already.

        A reason is ``{"kind": "drift_alert"|"feature_shift", "name", "value", "text"}``.
        """
        with self._file.transaction() as run:
            query = "SELECT 1 FROM proposals WHERE series = ? AND state = 'open'"
            if run(query, (version.series,)).fetchone():
                return False
            entry = (
                *(f"proposal-{secrets.token_hex(ID_BYTES)}", version.series, version.id, height),
                *(self._file.now_ms(), json.dumps(list(reasons)), ProposalState.OPEN),
            )
            run(
                "INSERT INTO proposals (id, series, model, height, time_ms, reasons, state)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                entry,
            )
        return True

    def dismiss(self, proposal: str, *, by: str, note: str) -> Json:
        """Decide against a proposal; the same decision again is the same request, sent twice.

        Raises:
            RequestRefused: ``unknown_proposal`` (404) or ``proposal_decided`` (409).
        """
        with self._file.transaction() as run:
            row = _required(run, proposal)
            if not _is_decided(row, ProposalState.DISMISSED):
                self._decide(run, proposal, ProposalState.DISMISSED, by, note, None)
            return _document(_required(run, proposal))

    def accept(self, proposal: str, *, by: str, note: str) -> Json:
        """Decide for a proposal: its model is trained again, on the blocks until now.

        Raises:
            RequestRefused: ``unknown_proposal`` (404), ``proposal_decided`` (409) or
                ``trainings_full`` (503).
        """
        with self._file.transaction() as run:
            row = _required(run, proposal)
            if not _is_decided(row, ProposalState.ACCEPTED):
                model = run(
                    "SELECT method, seed FROM models WHERE id = ?", (row["model"],)
                ).fetchone()
                order = Order(
                    series=row["series"],
                    method=model["method"],
                    seed=model["seed"],
                    height=None,
                    features=None,
                    by=by,
                    proposal=proposal,
                )
                training = insert_training(run, order, self._file.now_ms())
                self._decide(run, proposal, ProposalState.ACCEPTED, by, note, training)
            return _document(_required(run, proposal))

    def show(self, proposal: str) -> Json:
        """Return a proposal.

        Raises:
            RequestRefused: ``unknown_proposal`` (404).
        """
        with self._file.transaction() as run:
            return _document(_required(run, proposal))

    def page(
        self, state: str | None, *, limit: int, before: int | None
    ) -> tuple[list[Json], int | None]:
        """Return proposals, the newest first, and the number to go on before; None at the end."""
        query = (
            "SELECT * FROM proposals WHERE (? IS NULL OR state = ?) AND (? IS NULL OR number < ?)"
            " ORDER BY number DESC LIMIT ?"
        )
        with self._file.transaction() as run:
            rows = run(query, (state, state, before, before, limit + 1)).fetchall()
        following = rows[limit - 1]["number"] if len(rows) > limit else None
        return [_document(row) for row in rows[:limit]], following

    @property
    def watched(self) -> tuple[int, int]:
        """Height up to which drift alerts were looked at, and block time of the last look, ms."""
        with self._file.transaction() as run:
            row = run("SELECT watched_height, checked_ms FROM chain").fetchone()
        return row["watched_height"], row["checked_ms"]

    def watch(self, height: int, checked_ms: int) -> None:
        """Keep how far the chain was looked at."""
        with self._file.transaction() as run:
            run("UPDATE chain SET watched_height = ?, checked_ms = ?", (height, checked_ms))

    def _decide(
        self,
        run: Run,
        proposal: str,
        state: ProposalState,
        by: str,
        note: str,
        training: str | None,
    ) -> None:
        run(
            "UPDATE proposals SET state = ?, decided_by = ?, decided_ms = ?, note = ?, training = ?"
            " WHERE id = ?",
            (state, by, self._file.now_ms(), note, training, proposal),
        )


def _required(run: Run, proposal: str) -> sqlite3.Row:
    row: sqlite3.Row | None = run("SELECT * FROM proposals WHERE id = ?", (proposal,)).fetchone()
    if row is None:
        raise RequestRefused(404, "unknown_proposal", f"no proposal {proposal}", id=proposal)
    return row


def _is_decided(row: sqlite3.Row, state: ProposalState) -> bool:
    """Tell whether it was decided in this way already.

    Raises:
        RequestRefused: ``proposal_decided`` (409): it was decided in another way.
    """
    if row["state"] == ProposalState.OPEN:
        return False
    if row["state"] != state:
        detail = f"the proposal is {row['state']} already"
        raise RequestRefused(409, "proposal_decided", detail, state=row["state"])
    return True


def _document(row: sqlite3.Row) -> Json:
    document = {name: row[name] for name in row.keys() if name != "number"}  # noqa: SIM118
    return document | {"reasons": json.loads(document["reasons"])}
