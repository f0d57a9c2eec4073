"""Trainings: a model from the ledger's features, in a process of its own with limits around it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pytest

from analytics.models.folder import load_model
from analytics.queries import Queries
from analytics.registry import limits, trainer
from analytics.registry.records import DataRange, Order, Standing
from analytics.registry.store import Registry
from analytics.registry.trainer import Trainer
from analytics.response.store import Cases
from analytics.warehouse.store import Warehouse
from tests.unit.analytics.registry.folders import CHECKER, GENESIS, MAKER
from tests.unit.analytics.registry.markets import (
    ACCOUNTS,
    BLOCKS,
    PAYERS_MANY,
    filled,
    progress_of,
)

HANG_S = 120


class Observed(Trainer):
    """A trainer that tells when it asks for the next training: the one before has ended."""

    def __init__(self, *services: Any) -> None:
        super().__init__(*services)
        self.moved = asyncio.Condition()
        self._asked = Waiting(self.moved)


class Waiting(asyncio.Event):
    """An event that tells a condition when it is waited for."""

    def __init__(self, moved: asyncio.Condition) -> None:
        super().__init__()
        self._moved = moved

    async def wait(self) -> Literal[True]:
        async with self._moved:
            self._moved.notify_all()
        return await super().wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A trainer at work."""

    registry: Registry
    trainer: Trainer
    warehouse: Warehouse
    moved: asyncio.Condition
    """Notified when a training has ended."""

    async def trained(self, **asked: Any) -> dict[str, Any]:
        """Ask for a training; return it once it has ended."""
        order = Order(
            series="account-outliers", method="pca", seed=7, height=None, features=None, by=MAKER
        )
        training = self.registry.trainings.ask(replace(order, **asked))
        self.trainer.wake()
        return await self.ended(training["id"])

    async def ended(self, training: str) -> dict[str, Any]:
        """Return a training once it has ended."""
        async with asyncio.timeout(HANG_S), self.moved:
            await self.moved.wait_for(lambda: self._show(training)["ended_ms"] is not None)
        return self._show(training)

    def _show(self, training: str) -> dict[str, Any]:
        return self.registry.trainings.show(training)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a warehouse of some weeks."""
    made = filled(tmp_path_factory.mktemp("warehouse"), warned=True)
    yield made
    made.close()


@asynccontextmanager
async def working(warehouse: Warehouse, directory: Path) -> AsyncIterator[Room]:
    """Hold a trainer at work on a warehouse."""
    registry = Registry.open_directory(directory / "models", GENESIS)
    cases = Cases.open_file(directory / "cases", GENESIS)
    queries = Queries(warehouse)
    made = Observed(registry, queries, cases, progress_of(warehouse))
    task = asyncio.create_task(made.run())
    yield Room(registry=registry, trainer=made, warehouse=warehouse, moved=made.moved)
    task.cancel()
    await asyncio.wait([task])
    queries.close()
    cases.close()
    registry.close()


@pytest.fixture
async def room(warehouse: Warehouse, tmp_path: Path) -> AsyncIterator[Room]:
    """Return a trainer at work on the warehouse of this module."""
    async with working(warehouse, tmp_path) as room:
        yield room


async def test_warnings_are_learned_from_what_followed(room: Room) -> None:
    """Features end a week before the outcomes do, and a dismissed alert is no outcome."""
    asked = {"series": "account-warnings", "method": "logistic"}
    done = await room.trained(**asked, features=("paid_count", "payees"))
    assert done["state"] == "done", done
    version = room.registry.find(done["model"])
    assert (version.metrics["auc"], version.data is not None) == (1.0, True)
    card = room.registry.card(version)
    until = BLOCKS - 7 * 24
    assert f"features of {ACCOUNTS} accounts at block {until}, outcomes to block {BLOCKS}" in card
    assert version.data is not None
    assert version.data.from_height == until - 7 * 24 + 1


async def test_a_model_is_learned_and_measured_beside_the_champion(room: Room) -> None:
    """It says what it learned from; later blocks make another version, which is compared."""
    done = await room.trained(height=BLOCKS - 24)
    assert (done["state"], done["code"]) == ("done", None), done
    assert done["progress"]
    first = room.registry.find(done["model"])
    room.registry.stand(first.id, Standing.CHAMPION, by=CHECKER, reason="first")
    second = room.registry.find((await room.trained())["model"])
    assert (second.version, second.state, second.rows) == (2, Standing.CANDIDATE, ACCOUNTS)
    assert (second.seed, second.by) == (7, MAKER)
    assert second.data == DataRange(
        from_height=BLOCKS - 7 * 24 + 1, to_height=BLOCKS, block_hash=f"{BLOCKS:064x}"
    )
    assert second.compared is not None
    assert second.compared.champion == first.id
    assert second.compared.metrics.keys() <= second.metrics.keys()
    card = room.registry.card(second)
    assert hashlib.sha256(card.encode()).hexdigest() == second.card_hash
    assert f"features of {ACCOUNTS} accounts at block {BLOCKS}" in card
    assert "sun1" not in card
    model = load_model(room.registry.folder(second))
    assert {column.name for column in model.features} == set(second.reference)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"height": BLOCKS + 1}, "unknown_height"),
        ({"height": 0}, "data_empty"),
        ({"series": "account-warnings", "method": "logistic", "height": 200}, "constant_target"),
        ({"series": "account-warnings"}, "conflicting_parameters"),
        ({"series": "weather"}, "unknown_series"),
        ({"features": ("height",)}, "missing_column"),
    ],
)
async def test_what_cannot_be_learned_is_told(room: Room, asked: Any, code: str) -> None:
    """A training ends with the code of what is wrong, leaves no model and no folder behind."""
    done = await room.trained(**asked)
    assert (done["state"], done["code"], done["model"]) == ("failed", code, None), done
    assert room.registry.versions({}, limit=1, before=None) == ([], None)
    assert [path for path in room.registry._directory.iterdir() if path.is_dir()] == []


async def test_a_training_ends_at_its_time_limit(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process is ended, and the next training has its turn."""
    monkeypatch.setattr(trainer, "TRAINING_SECONDS_MAX", 0.01)
    assert (await room.trained())["code"] == "training_timeout"
    monkeypatch.setattr(trainer, "TRAINING_SECONDS_MAX", limits.TRAINING_SECONDS_MAX)
    monkeypatch.setattr(trainer, "MODULE", "analytics.registry.nothing")
    assert (await room.trained())["code"] == "training_failed"


async def test_a_training_that_was_interrupted_says_so(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    """What ran when the process ended failed; what waited has its turn."""
    registry = Registry.open_directory(tmp_path / "models", GENESIS)
    order = Order(
        series="account-groups", method="kmeans", seed=1, height=0, features=None, by=MAKER
    )
    running, waiting = (registry.trainings.ask(order)["id"] for _ in range(2))
    assert registry.trainings.next_order() == (running, order)
    registry.close()
    async with working(warehouse, tmp_path) as room:
        assert (await room.ended(waiting))["code"] == "data_empty"
        assert room.registry.trainings.show(running)["code"] == "training_interrupted"
        (first, second), following = room.registry.trainings.page(limit=2, before=None)
        assert ((first["id"], second["id"]), following) == ((waiting, running), None)


def test_dismissed_alerts_are_no_outcome(warehouse: Warehouse) -> None:
    """What officers found to be false teaches nothing."""
    from analytics.registry.datasets import TARGET, WARNED, read_dataset  # noqa: PLC0415

    with warehouse.reading() as cursor:
        ids = [row[0] for row in cursor.execute("SELECT id FROM alerts").fetchall()]
        counts = []
        for dismissed in ([], ids[:5], ids):
            dataset = read_dataset(cursor, "account-warnings", BLOCKS, dismissed)
            counts.append(dataset.table[TARGET].to_pylist().count(WARNED))
    assert counts == [PAYERS_MANY, PAYERS_MANY - 5, 0]
