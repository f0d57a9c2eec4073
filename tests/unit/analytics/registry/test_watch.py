"""What asks for a training: enough accounts, drift; and that nothing else does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analytics.errors import RequestRefused
from analytics.models.measures import Reference
from analytics.registry import watch
from analytics.registry.datasets import active_features
from analytics.registry.limits import TRAININGS_WAITING_MAX
from analytics.registry.records import DataRange, Order, ProposalState, Standing, Version
from analytics.registry.store import Registry
from analytics.registry.watch import Watching
from analytics.warehouse.store import Warehouse
from tests.unit.analytics.registry import markets
from tests.unit.analytics.registry.folders import CHECKER, GENESIS, MAKER, filled, new
from tests.unit.analytics.registry.markets import BLOCKS, progress_of


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    """Return a warehouse of some weeks."""
    made = markets.filled(tmp_path)
    yield made
    made.close()


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """Return an empty registry."""
    made = Registry.open_directory(tmp_path / "models", GENESIS)
    yield made
    made.close()


class Watched:
    """A watch, and how often it asked for a look at the trainings."""

    def __init__(self, warehouse: Warehouse, registry: Registry) -> None:
        self.wakes = 0
        self._watching = Watching(warehouse, progress_of(warehouse), registry, self._wake)

    def look(self, height: int = BLOCKS) -> None:
        """Look after a block."""
        self._watching.look(height)

    def _wake(self) -> None:
        self.wakes += 1


def champion(registry: Registry, *, shift: float, to_height: int = BLOCKS - 48) -> Version:
    """Enter a champion whose ``payees`` lay this far from where they lie now."""
    with registry.new_folder() as folder:
        reference = Reference.of(np.arange(1.0, 11.0) + shift)
        said = replace(
            new("account-groups"),
            reference={"payees": asdict(reference)},
            data=DataRange(from_height=1, to_height=to_height, block_hash="cd" * 32),
        )
        version = registry.enter(filled(folder, "card"), said)
    return registry.stand(version.id, Standing.CHAMPION, by=CHECKER, reason="")


def proposals(registry: Registry) -> list[dict[str, Any]]:
    """Return all proposals, the newest first."""
    return registry.proposals.page(None, limit=100, before=None)[0]


def trainings(registry: Registry) -> list[tuple[str, str, str | None]]:
    """Return series, method and who asked of all trainings, the newest first."""
    found = registry.trainings.page(limit=100, before=None)[0]
    return [(one["series"], one["method"], one["by"]) for one in found]


def test_first_models_are_trained_once(
    warehouse: Warehouse, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that need no outcomes, once there are enough accounts, whatever became of them."""
    watched = Watched(warehouse, registry)
    monkeypatch.setattr(watch, "FIRST_ACCOUNTS_MIN", 1_000)
    watched.look(BLOCKS - 2)
    assert trainings(registry) == []
    monkeypatch.undo()
    watched.look(BLOCKS - 1)
    watched.look(BLOCKS)
    expected = [("account-outliers", "pca", None), ("account-groups", "kmeans", None)]
    assert (trainings(registry), watched.wakes) == (expected, 2)
    assert registry.champions() == []


def test_a_drift_alert_proposes_and_trains_nothing(
    warehouse: Warehouse, registry: Registry
) -> None:
    """Of a champion whose blocks end before it; one proposal while it is open."""
    version = champion(registry, shift=0, to_height=BLOCKS - 5)
    registry.proposals.watch(BLOCKS - 20, markets.time_ms(BLOCKS))
    markets.warn(warehouse, None, height=BLOCKS - 10, typology="drift")
    Watched(warehouse, registry).look(BLOCKS - 8)
    assert proposals(registry) == []
    alert = markets.warn(warehouse, None, height=BLOCKS - 1, typology="drift")
    watched = Watched(warehouse, registry)
    watched.look()
    watched.look()
    (proposal,) = proposals(registry)
    assert (proposal["model"], proposal["state"]) == (version.id, ProposalState.OPEN)
    assert [reason["name"] for reason in proposal["reasons"]] == [alert]
    assert (trainings(registry), watched.wakes) == ([], 0)
    assert registry.find(version.id).state is Standing.CHAMPION


@pytest.mark.parametrize(("shift", "is_proposed"), [(0.0, False), (500.0, True)])
def test_a_shifted_feature_proposes(
    warehouse: Warehouse, registry: Registry, shift: float, *, is_proposed: bool
) -> None:
    """By its stability index against the training; the same distribution gives none."""
    with warehouse.reading() as cursor:
        payees = active_features(cursor, BLOCKS)["payees"].to_numpy()
    with registry.new_folder() as folder:
        kept = asdict(Reference.of(payees + shift))
        said = replace(new("account-groups"), reference={"payees": kept})
        version = registry.enter(filled(folder, "card"), said)
    registry.stand(version.id, Standing.CHAMPION, by=CHECKER, reason="")
    Watched(warehouse, registry).look()
    found = proposals(registry)
    assert len(found) == int(is_proposed)
    for proposal in found:
        (reason,) = proposal["reasons"]
        assert (reason["kind"], reason["name"]) == ("feature_shift", "payees")
        assert reason["value"] > 0.25


def test_an_accepted_proposal_trains_and_a_dismissed_one_does_not(
    warehouse: Warehouse, registry: Registry
) -> None:
    """Each decided once; the same decision again is the same request."""
    version = champion(registry, shift=500)
    for decide in (registry.proposals.dismiss, registry.proposals.accept):
        assert registry.proposals.open_one(version, height=BLOCKS, reasons=[])
        assert not registry.proposals.open_one(version, height=BLOCKS, reasons=[])
        proposal = proposals(registry)[0]["id"]
        done = decide(proposal, by=MAKER, note="n")
        assert decide(proposal, by=MAKER, note="n") == done
        assert (done["decided_by"], done["note"]) == (MAKER, "n")
    accepted, dismissed = proposals(registry)
    assert trainings(registry) == [("account-groups", "kmeans", MAKER)]
    training = registry.trainings.show(accepted["training"])
    assert (training["proposal"], training["seed"]) == (accepted["id"], 1)
    for decide, decided in (
        (registry.proposals.accept, dismissed),
        (registry.proposals.dismiss, accepted),
    ):
        with pytest.raises(RequestRefused) as refused:
            decide(decided["id"], by=MAKER, note="")
        assert (refused.value.status, refused.value.code) == (409, "proposal_decided")


def test_trainings_that_wait_are_bounded(registry: Registry) -> None:
    """One too many is refused, and an accepted proposal then stays open."""
    version = champion(registry, shift=0)
    registry.proposals.open_one(version, height=1, reasons=[])
    proposal = proposals(registry)[0]["id"]
    order = Order(
        series="account-groups", method="kmeans", seed=0, height=None, features=None, by=MAKER
    )
    for _ in range(TRAININGS_WAITING_MAX):
        registry.trainings.ask(order)
    with pytest.raises(RequestRefused) as refused:
        registry.trainings.ask(order)
    assert (refused.value.status, refused.value.code) == (503, "trainings_full")
    with pytest.raises(RequestRefused) as refused:
        registry.proposals.accept(proposal, by=MAKER, note="")
    assert refused.value.code == "trainings_full"
    assert registry.proposals.show(proposal)["state"] == "open"
