"""The registry: what answers, who decided it, what is damaged, and what outlives the process."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from analytics.errors import RecordsUnusable, RequestRefused
from analytics.models.errors import ModelUnusable
from analytics.registry import store
from analytics.registry.records import RULES, Standing, Version
from analytics.registry.schema import SCHEMA_VERSION
from analytics.registry.store import FILE_NAME, Registry
from tests.unit.analytics.registry.folders import CHECKER, GENESIS, MAKER, filled, new

S = Standing


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """Return an empty registry with a clock of its own."""
    ticks = count(1_000)
    made = Registry.open_directory(tmp_path / "m", GENESIS, clock_s=lambda: float(next(ticks)))
    yield made
    made.close()


def entered(registry: Registry, text: str = "a card", **said: str) -> Version:
    """Enter a model with a card and return its version."""
    with registry.new_folder() as folder:
        return registry.enter(filled(folder, text), new(**said))


def refusal(error: pytest.ExceptionInfo[RequestRefused]) -> tuple[int, str]:
    """Return the status and code of a refusal."""
    return error.value.status, error.value.code


def test_versions_are_numbered_and_found(registry: Registry) -> None:
    """By id, by series and number, and by the series alone once somebody answers for it."""
    first, second = entered(registry, "one"), entered(registry, "two")
    assert ((first.version, second.version), first.state) == ((1, 2), S.CANDIDATE)
    assert first.id == first.manifest_hash[:16]
    assert registry.find(first.id) == registry.find("groups/1") == first
    for name in ("groups", "groups/3", "0" * 16, "/1", "groups/" + "9" * 40):
        with pytest.raises(RequestRefused) as refused:
            registry.find(name)
        assert refusal(refused) == (404, "unknown_model")
    registry.stand(second.id, S.CHAMPION, by=CHECKER, reason="better")
    assert registry.find("groups").id == second.id
    assert [one.id for one in registry.champions()] == [second.id]


def test_one_champion_and_the_way_back(registry: Registry) -> None:
    """The one before retires; going back takes one officer, and the history keeps every step."""
    first, second = entered(registry, "one"), entered(registry, "two")
    registry.stand(first.id, S.CHAMPION, by=CHECKER, reason="first")
    registry.stand(second.id, S.CHALLENGER, by=MAKER, reason="compare")
    registry.stand(second.id, S.CHAMPION, by=CHECKER, reason="better")
    assert registry.find(first.id).state is S.RETIRED
    registry.stand(first.id, S.CHAMPION, by=MAKER, reason="the second is wrong")
    assert (registry.find("groups").id, registry.find(second.id).state) == (first.id, S.RETIRED)
    told = [(step["state"], step["by"], step["reason"]) for step in registry.history(first.id)]
    assert told == [
        ("candidate", MAKER, "entered"),
        ("champion", CHECKER, "first"),
        ("retired", CHECKER, "replaced by version 2"),
        ("champion", MAKER, "the second is wrong"),
    ]
    again = registry.stand(first.id, S.CHAMPION, by=MAKER, reason="sent twice")
    assert (again.state, len(registry.history(first.id))) == (S.CHAMPION, 4)


def test_nobody_puts_what_he_trained_in_place(registry: Registry) -> None:
    """The officer who asked for a training does not decide that it answers; others may."""
    version = entered(registry)
    with pytest.raises(RequestRefused) as refused:
        registry.stand(version.id, S.CHAMPION, by=MAKER, reason="mine")
    assert refusal(refused) == (409, "same_officer")
    assert registry.find(version.id).state is S.CANDIDATE
    assert registry.stand(version.id, S.CHAMPION, by=CHECKER, reason="ok").state is S.CHAMPION


def test_rules_answer_at_once_and_are_nobodys_to_move(registry: Registry) -> None:
    """What runs is what the parameters say: the latest rules entered, also when they come back."""
    strict = entered(registry, "strict", series="fan_in", method=RULES)
    mild = entered(registry, "mild", series="fan_in", method=RULES)
    assert (mild.state, registry.find(strict.id).state) == (S.CHAMPION, S.RETIRED)
    assert entered(registry, "strict", series="fan_in", method=RULES).version == 1
    assert (registry.find("fan_in").id, registry.champions()) == (strict.id, [])
    with pytest.raises(RequestRefused) as refused:
        registry.stand(mild.id, S.CHAMPION, by=CHECKER, reason="")
    assert refusal(refused) == (409, "rules_in_force")


def test_the_same_bytes_are_the_same_version(registry: Registry, tmp_path: Path) -> None:
    """Entered again they make no second version, and mend a folder that was lost."""
    version = entered(registry)
    shutil.rmtree(tmp_path / "m" / version.id)
    assert entered(registry) == version
    assert registry.card(version) == "a card"


@pytest.mark.parametrize("harm", ["gone", "card", "manifest", "whole"])
def test_a_damaged_folder_answers_nothing(registry: Registry, tmp_path: Path, harm: str) -> None:
    """A lost folder, a changed card, a broken manifest, or another whole model in its place."""
    version = entered(registry)
    folder = tmp_path / "m" / version.id
    if harm == "gone":
        shutil.rmtree(folder)
    elif harm == "whole":
        filled(folder, "another model")
    else:
        (folder / {"card": "card.md", "manifest": "model.json"}[harm]).write_text("{}")
    with pytest.raises(RequestRefused) as refused:
        registry.folder(version)
    assert refusal(refused) == (409, "model_damaged")
    with pytest.raises(RequestRefused) as refused:
        registry.stand(version.id, S.CHAMPION, by=CHECKER, reason="")
    assert refusal(refused) == (409, "model_damaged")


def test_a_folder_that_is_not_whole_is_not_entered(registry: Registry) -> None:
    """Nothing of it stays."""
    with registry.new_folder() as folder, pytest.raises(ModelUnusable):
        registry.enter(folder, new())
    assert registry.versions({}, limit=9, before=None) == ([], None)


def test_what_was_told_outlives_the_process(tmp_path: Path) -> None:
    """Versions and history are there again; folders that were being made are not."""
    first = Registry.open_directory(tmp_path, GENESIS)
    version = entered(first)
    first.stand(version.id, S.CHAMPION, by=CHECKER, reason="ok")
    before = first.history(version.id)
    first.close()
    (tmp_path / ".new-left").mkdir()
    second = Registry.open_directory(tmp_path, GENESIS)
    assert (second.find("groups").id, second.history(version.id)) == (version.id, before)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == [version.id]
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600
    second.close()


def test_pages_come_newest_first(registry: Registry) -> None:
    """Every version once, filtered by series, method and state."""
    ids = [entered(registry, f"card {number}").id for number in range(5)]
    entered(registry, "other", series="risk", method="logistic")
    found: list[str] = []
    before: int | None = None
    while True:
        page, before = registry.versions({"series": "groups"}, limit=2, before=before)
        found += [one.id for one in page]
        if before is None:
            break
    assert found == ids[::-1]
    page, _ = registry.versions({"method": "logistic", "state": "candidate"}, limit=9, before=None)
    assert [one.series for one in page] == ["risk"]


def test_a_full_registry_takes_no_more(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so, and keeps what it has."""
    monkeypatch.setattr(store, "MODELS_MAX", 1)
    version = entered(registry, "one")
    with pytest.raises(RequestRefused) as refused:
        entered(registry, "two")
    assert refusal(refused) == (409, "registry_full")
    assert entered(registry, "one") == version


@pytest.mark.parametrize(
    "statement",
    ["UPDATE models SET card_hash = ''", "DELETE FROM models", "UPDATE steps SET by = ''",
     "DELETE FROM steps"],
)  # fmt: skip
def test_the_history_cannot_be_rewritten(registry: Registry, statement: str) -> None:
    """The file itself refuses to change a model or a step of its history."""
    entered(registry)
    with pytest.raises(sqlite3.IntegrityError, match=r"append-only|never changes"):
        registry._file._connection.execute(statement)


@pytest.mark.parametrize(
    ("harm", "code"),
    [("chain", "models_other_chain"), ("version", "models_other_version"),
     ("bytes", "models_unreadable")],
)  # fmt: skip
def test_a_file_that_is_not_ours_is_refused(tmp_path: Path, harm: str, code: str) -> None:
    """Another chain's, another version's, or no database; it is left as it is."""
    Registry.open_directory(tmp_path, GENESIS).close()
    path = tmp_path / FILE_NAME
    if harm == "version":
        connection = sqlite3.connect(path)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
        connection.close()
    elif harm == "bytes":
        path.write_bytes(b"no database" * 1_000)
    before = path.read_bytes()
    with pytest.raises(RecordsUnusable) as refused:
        Registry.open_directory(tmp_path, "00" * 32 if harm == "chain" else GENESIS)
    assert (refused.value.code, path.read_bytes()) == (code, before)
