"""The registry: versions of models with their folders, what each is to its series, and since when.

    DIRECTORY/registry.sqlite        versions, history, trainings, proposals
    DIRECTORY/ID/model.json …        a version's folder, as `analytics.models.folder` writes it

A folder is moved in whole and never changed. Its manifest names the hash of every other file, and the
version's id is the beginning of the manifest's own hash, so what is loaded is what was entered.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Self

from analytics.errors import RequestRefused
from analytics.models.errors import ModelUnusable
from analytics.models.folder import CARD, MANIFEST, card_hash, load_manifest, manifest_hash
from analytics.registry.limits import MODELS_MAX
from analytics.registry.proposals import Proposals
from analytics.registry.records import (
    MODEL_ID_HEX,
    RULES,
    Compared,
    DataRange,
    NewVersion,
    Standing,
    Version,
)
from analytics.registry.schema import SCHEMA_VERSION, STATEMENTS
from analytics.registry.trainings import Trainings
from analytics.regulator_file import RegulatorFile, RegulatorFileKind, Run

Json = dict[str, Any]

FILE_NAME: Final = "registry.sqlite"
FILE: Final = RegulatorFileKind(
    name=FILE_NAME,
    holds="models",
    code={
        "unreadable": "models_unreadable",
        "other_chain": "models_other_chain",
        "other_version": "models_other_version",
    },
    version=SCHEMA_VERSION,
    statements=STATEMENTS,
    chain_row="INSERT INTO chain VALUES (?, -1, 0)",
)
_FILTERS: Final = {"series": "series = ?", "method": "method = ?", "state": "state = ?"}
_SEPARATOR: Final = "/"
"""Between a series and a version's number."""


class Registry:
    """All models of one regulator on one chain. Every method may be called from any thread."""

    def __init__(self, file: RegulatorFile, directory: Path) -> None:
        """Take over an open file, and the directory of the folders."""
        self._file = file
        self._directory = directory
        self.trainings = Trainings(file)
        """Trainings, those that wait among them."""
        self.proposals = Proposals(file)
        """Proposals to train again."""

    @classmethod
    def open_directory(
        cls, directory: Path, genesis_hash: str, *, clock_s: Callable[[], float] = time.time
    ) -> Self:
        """Return the registry of a directory, which is made when it is missing.

        Raises:
            RecordsUnusable: ``models_unreadable``, ``models_other_chain`` or ``models_other_version``.
        """
        file = RegulatorFile.open_in(directory, FILE, genesis_hash, clock_s=clock_s)
        for left in directory.glob(f"{_NEW}*"):  # of a training that its process did not survive
            shutil.rmtree(left, ignore_errors=True)
        return cls(file, directory)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @contextmanager
    def new_folder(self) -> Iterator[Path]:
        """Hold an empty folder beside the models, in which one is made; what is left in it goes."""
        folder = Path(tempfile.mkdtemp(prefix=_NEW, dir=self._directory))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def enter(self, folder: Path, new: NewVersion) -> Version:
        """Move a whole folder in as the next version of its series; return it, a candidate.

        Rules are champions at once: what runs is what the regulator's parameters say. The same bytes
        entered again are the version that they are already.

        Raises:
            ModelUnusable: the folder is not whole.
            RequestRefused: ``registry_full`` (409).
        """
        load_manifest(folder)
        card, manifest = card_hash(folder), manifest_hash(folder)
        model_id = manifest[:MODEL_ID_HEX]
        state = Standing.CHAMPION if new.method == RULES else Standing.CANDIDATE
        with self._file.transaction() as run:
            if (known := _row(run, model_id)) is not None:
                if new.method == RULES and known["state"] != Standing.CHAMPION:
                    self._stand(run, known, Standing.CHAMPION, new.by, _IN_FORCE)
                self._restore(folder, model_id)
                return _version(_required(run, model_id))
            (count,) = run("SELECT count(*) FROM models").fetchone()
            if count >= MODELS_MAX:
                detail = f"the registry holds {MODELS_MAX} models; begin another directory"
                raise RequestRefused(409, "registry_full", detail)
            self._move_in(folder, model_id)
            (last,) = run(
                "SELECT coalesce(max(version), 0) FROM models WHERE series = ?", (new.series,)
            ).fetchone()
            data = new.data
            entry = (
                *(model_id, new.series, last + 1, new.method),
                *((None,) * 3 if data is None else (data.from_height, data.to_height, data.block_hash)),
                *(new.seed, new.rows, _text(new.metrics), _text(new.reference)),
                None if new.compared is None else _text(asdict(new.compared)),
                *(card, manifest, Standing.CANDIDATE, self._file.now_ms(), new.by, new.training),
            )  # fmt: skip
            run(f"INSERT INTO models ({_COLUMNS}) VALUES ({_PLACES})", entry)  # noqa: S608
            self._keep_step(run, model_id, Standing.CANDIDATE, new.by, "entered")
            if state is Standing.CHAMPION:
                self._stand(run, _required(run, model_id), state, new.by, _IN_FORCE)
            return _version(_required(run, model_id))

    def find(self, name: str) -> Version:
        """Return a version by its id, by ``series/number``, or a series' champion by its name.

        Raises:
            RequestRefused: ``unknown_model`` (404).
        """
        series, _, number = name.rpartition(_SEPARATOR)
        with self._file.transaction() as run:
            found = _row(run, name)
            if found is None and series and number.isascii() and number.isdecimal():
                query = "SELECT * FROM models WHERE series = ? AND version = ?"
                found = run(query, (series, min(int(number), MODELS_MAX + 1))).fetchone()
            if found is None:
                query = "SELECT * FROM models WHERE series = ? AND state = 'champion'"
                found = run(query, (name,)).fetchone()
        if found is None:
            detail = f"no model {name!r}, and no series of that name with a champion"
            raise RequestRefused(404, "unknown_model", detail, id=name)
        return _version(found)

    def champions(self) -> list[Version]:
        """Return the champion of every series that was trained, by series."""
        query = "SELECT * FROM models WHERE state = 'champion' AND method <> ? ORDER BY series"
        with self._file.transaction() as run:
            return [_version(row) for row in run(query, (RULES,)).fetchall()]

    def has_series(self, series: str) -> bool:
        """Tell whether a series has any version."""
        with self._file.transaction() as run:
            row = run("SELECT 1 FROM models WHERE series = ? LIMIT 1", (series,)).fetchone()
        return row is not None

    def versions(
        self, filters: Mapping[str, str], *, limit: int, before: int | None
    ) -> tuple[list[Version], int | None]:
        """Return versions, the newest first, and the number to go on before; None at the end."""
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
            f"SELECT * FROM models WHERE {' AND '.join(conditions)} "  # noqa: S608
            "ORDER BY number DESC LIMIT ?"
        )
        with self._file.transaction() as run:
            rows = run(query, (*values, limit + 1)).fetchall()
        following = rows[limit - 1]["number"] if len(rows) > limit else None
        return [_version(row) for row in rows[:limit]], following

    def history(self, model_id: str) -> list[Json]:
        """Return what a version has been to its series: ``time_ms``, ``by``, ``state``, ``reason``."""
        query = (
            "SELECT steps.time_ms, steps.by, steps.state, steps.reason FROM steps"
            " JOIN models USING (number) WHERE models.id = ? ORDER BY step"
        )
        with self._file.transaction() as run:
            return [dict(row) for row in run(query, (model_id,)).fetchall()]

    def folder(self, version: Version) -> Path:
        """Return a version's folder, once its manifest is the one that was entered.

        `analytics.models.folder.load_model` then checks every file that the manifest names.

        Raises:
            RequestRefused: ``model_damaged`` (409): it is not whole; restore it from a backup.
        """
        folder = self._directory / version.id
        try:
            load_manifest(folder)
            found = manifest_hash(folder)
        except (ModelUnusable, OSError) as error:
            raise _damaged(version, str(error)) from None
        if found != version.manifest_hash:
            raise _damaged(version, f"{MANIFEST} is another one")
        return folder

    def card(self, version: Version) -> str:
        """Return a version's card, Markdown, whose SHA-256 is `Version.card_hash`.

        Raises:
            RequestRefused: ``model_damaged`` (409).
        """
        return (self.folder(version) / CARD).read_bytes().decode()

    def manifest(self, version: Version) -> Mapping[str, Any]:
        """Return a version's manifest, whose SHA-256 is `Version.manifest_hash`.

        Raises:
            RequestRefused: ``model_damaged`` (409).
        """
        return load_manifest(self.folder(version))

    def stand(self, model_id: str, state: Standing, *, by: str, reason: str) -> Version:
        """Make a version champion, challenger or retired; the champion before it retires.

        A version becomes champion by another officer than the one who asked for its training, unless
        it was champion before: going back must take one person. Where it is so already nothing
        changes: the request was sent twice.

        Raises:
            RequestRefused: ``unknown_model`` (404), ``rules_in_force``, ``same_officer`` or
                ``model_damaged`` (409).
        """
        version = self.find(model_id)
        if version.method == RULES:
            detail = "what rules run the regulator's parameters say, and the start of the process"
            raise RequestRefused(409, "rules_in_force", detail, id=model_id)
        if version.state is state:
            return version
        if state is Standing.CHAMPION:
            self.folder(version)
        with self._file.transaction() as run:
            row = _required(run, version.id)
            if state is Standing.CHAMPION and row["by"] == by and not _was_champion(run, row):
                detail = "another officer than the one who asked for the training puts it in place"
                raise RequestRefused(409, "same_officer", detail, id=version.id)
            self._stand(run, row, state, by, reason)
            return _version(_required(run, version.id))

    def retire_rules(self, in_force: Collection[str]) -> None:
        """Retire the rules that run no more: all but those with these ids."""
        query = "SELECT * FROM models WHERE state = 'champion' AND method = ?"
        with self._file.transaction() as run:
            for row in run(query, (RULES,)).fetchall():
                if row["id"] not in in_force:
                    self._stand(run, row, Standing.RETIRED, None, "not in force any more")

    def _stand(
        self, run: Run, row: sqlite3.Row, state: Standing, by: str | None, reason: str
    ) -> None:
        if state is Standing.CHAMPION:
            query = "SELECT * FROM models WHERE series = ? AND state = 'champion'"
            for before in run(query, (row["series"],)).fetchall():
                replaced = f"replaced by version {row['version']}"
                self._stand(run, before, Standing.RETIRED, by, replaced)
        run("UPDATE models SET state = ? WHERE id = ?", (state, row["id"]))
        self._keep_step(run, row["id"], state, by, reason)

    def _keep_step(
        self, run: Run, model_id: str, state: Standing, by: str | None, reason: str
    ) -> None:
        statement = (
            "INSERT INTO steps (number, time_ms, by, state, reason)"
            " SELECT number, ?, ?, ?, ? FROM models WHERE id = ?"
        )
        run(statement, (self._file.now_ms(), by, state, reason, model_id))

    def _restore(self, folder: Path, model_id: str) -> None:
        """Put the same bytes where a version's folder is lost or damaged."""
        try:
            load_manifest(self._directory / model_id)
        except (ModelUnusable, OSError):
            self._move_in(folder, model_id)

    def _move_in(self, folder: Path, model_id: str) -> None:
        target = self._directory / model_id
        shutil.rmtree(target, ignore_errors=True)  # an entry that was not finished, or damaged
        for path in (*(each for each in folder.rglob("*")), folder):
            _sync(path)
        folder.replace(target)
        _sync(self._directory)


_NEW: Final = ".new-"
"""Beginning of the names of folders that are being made."""
_IN_FORCE: Final = "in force"
_NAMES: Final = (
    "id", "series", "version", "method", "from_height", "to_height", "block_hash", "seed", "rows",
    "metrics", "reference", "compared", "card_hash", "manifest_hash", "state", "created_ms", "by", "training",
)  # fmt: skip
_COLUMNS: Final = ", ".join(_NAMES)
_PLACES: Final = ", ".join("?" * len(_NAMES))


def _damaged(version: Version, reason: str) -> RequestRefused:
    detail = f"the folder of model {version.id} is damaged: {reason}"
    return RequestRefused(409, "model_damaged", detail, id=version.id)


def _row(run: Run, model_id: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = run("SELECT * FROM models WHERE id = ?", (model_id,)).fetchone()
    return row


def _required(run: Run, model_id: str) -> sqlite3.Row:
    if (row := _row(run, model_id)) is None:
        raise RequestRefused(404, "unknown_model", f"no model {model_id}", id=model_id)
    return row


def _was_champion(run: Run, row: sqlite3.Row) -> bool:
    query = "SELECT 1 FROM steps WHERE number = ? AND state = 'champion'"
    return run(query, (row["number"],)).fetchone() is not None


def _version(row: sqlite3.Row) -> Version:
    data = None
    if row["to_height"] is not None:
        data = DataRange(
            from_height=row["from_height"],
            to_height=row["to_height"],
            block_hash=row["block_hash"],
        )
    kept = ("id", "series", "version", "method", "seed", "rows", "card_hash", "manifest_hash",
            "created_ms", "by", "training")  # fmt: skip
    return Version(
        **{name: row[name] for name in kept},
        data=data,
        metrics=json.loads(row["metrics"]),
        reference=json.loads(row["reference"]),
        compared=None if row["compared"] is None else Compared(**json.loads(row["compared"])),
        state=Standing(row["state"]),
    )


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(dict(document), allow_nan=False)


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
