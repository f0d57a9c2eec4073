"""Trainings in the registry's file: what waits, what runs, and what became of the others."""

from __future__ import annotations

import json
import secrets
import sqlite3
from typing import Any, Final

from analytics.errors import RequestRefused
from analytics.registry.limits import LINE_CHARACTERS_MAX, TRAININGS_WAITING_MAX
from analytics.registry.records import ID_BYTES, Order, Outcome, TrainingState
from analytics.regulator_file import RegulatorFile, Run

Json = dict[str, Any]

_INTERRUPTED: Final = Outcome(
    code="training_interrupted",
    detail="the analytics process ended before the training did; ask for it again",
)


class Trainings:
    """The table of trainings."""

    def __init__(self, file: RegulatorFile) -> None:
        self._file = file

    def ask(self, order: Order) -> Json:
        """Keep a training that is asked for, and return it; it waits for its turn.

        Raises:
            RequestRefused: ``trainings_full`` (503).
        """
        with self._file.transaction() as run:
            training = insert_training(run, order, self._file.now_ms())
            return _document(_required(run, training))

    def next_order(self) -> tuple[str, Order] | None:
        """Return the id and order of the training that waited longest, which runs from now on."""
        query = "SELECT * FROM trainings WHERE state = 'queued' ORDER BY number LIMIT 1"
        with self._file.transaction() as run:
            row = run(query).fetchone()
            if row is None:
                return None
            statement = "UPDATE trainings SET state = ?, started_ms = ? WHERE id = ?"
            run(statement, (TrainingState.RUNNING, self._file.now_ms(), row["id"]))
        features = None if row["features"] is None else tuple(json.loads(row["features"]))
        names = ("series", "method", "seed", "height", "by", "proposal")
        return row["id"], Order(**{name: row[name] for name in names}, features=features)

    def tell(self, training: str, line: str) -> None:
        """Keep the latest line of progress of a training that runs."""
        statement = "UPDATE trainings SET progress = ? WHERE id = ? AND state = 'running'"
        with self._file.transaction() as run:
            run(statement, (line[:LINE_CHARACTERS_MAX], training))

    def end(self, training: str, outcome: Outcome) -> None:
        """Keep how a training ended."""
        state = TrainingState.FAILED if outcome.model is None else TrainingState.DONE
        statement = (
            "UPDATE trainings SET state = ?, ended_ms = ?, model = ?, code = ?, detail = ?"
            " WHERE id = ?"
        )
        with self._file.transaction() as run:
            ended = (state, self._file.now_ms(), outcome.model, outcome.code, outcome.detail)
            run(statement, (*ended, training))

    def fail_interrupted(self) -> None:
        """Fail what ran when the process before this one ended."""
        statement = (
            "UPDATE trainings SET state = 'failed', ended_ms = ?, code = ?, detail = ?"
            " WHERE state = 'running'"
        )
        with self._file.transaction() as run:
            run(statement, (self._file.now_ms(), _INTERRUPTED.code, _INTERRUPTED.detail))

    def show(self, training: str) -> Json:
        """Return a training.

        Raises:
            RequestRefused: ``unknown_training`` (404).
        """
        with self._file.transaction() as run:
            return _document(_required(run, training))

    def has_unfinished(self, series: str) -> bool:
        """Tell whether a training of a series waits or runs."""
        query = "SELECT 1 FROM trainings WHERE series = ? AND state IN ('queued', 'running')"
        with self._file.transaction() as run:
            return run(query, (series,)).fetchone() is not None

    def was_asked(self, series: str) -> bool:
        """Tell whether a training of a series was ever asked for."""
        query = "SELECT 1 FROM trainings WHERE series = ? LIMIT 1"
        with self._file.transaction() as run:
            return run(query, (series,)).fetchone() is not None

    def page(self, *, limit: int, before: int | None) -> tuple[list[Json], int | None]:
        """Return trainings, the newest first, and the number to go on before; None at the end."""
        query = "SELECT * FROM trainings WHERE ? IS NULL OR number < ? ORDER BY number DESC LIMIT ?"
        with self._file.transaction() as run:
            rows = run(query, (before, before, limit + 1)).fetchall()
        following = rows[limit - 1]["number"] if len(rows) > limit else None
        return [_document(row) for row in rows[:limit]], following


def insert_training(run: Run, order: Order, now_ms: int) -> str:
    """Keep a training that is asked for within a transaction; return its id.

    Raises:
        RequestRefused: ``trainings_full`` (503).
    """
    (waiting,) = run("SELECT count(*) FROM trainings WHERE state = 'queued'").fetchone()
    if waiting >= TRAININGS_WAITING_MAX:
        detail = f"{TRAININGS_WAITING_MAX} trainings wait already"
        raise RequestRefused(503, "trainings_full", detail)
    training = f"training-{secrets.token_hex(ID_BYTES)}"
    features = None if order.features is None else json.dumps(order.features)
    run(
        "INSERT INTO trainings"
        " (id, series, method, seed, height, features, by, proposal, state, asked_ms, progress)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '')",
        (
            *(training, order.series, order.method, order.seed, order.height, features),
            *(order.by, order.proposal, TrainingState.QUEUED, now_ms),
        ),
    )
    return training


def _required(run: Run, training: str) -> sqlite3.Row:
    row: sqlite3.Row | None = run("SELECT * FROM trainings WHERE id = ?", (training,)).fetchone()
    if row is None:
        raise RequestRefused(404, "unknown_training", f"no training {training}", id=training)
    return row


def _document(row: sqlite3.Row) -> Json:
    document = {name: row[name] for name in row.keys() if name != "number"}  # noqa: SIM118
    features = document["features"]
    return document | {"features": None if features is None else json.loads(features)}
