"""Rules in the registry: each that runs has a card with its parameters, and a hash that tells them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from analytics.registry.records import RULES, Standing, Version
from analytics.registry.rules import register_rules
from analytics.registry.store import Registry
from analytics.typologies.fans import FanIn
from analytics.typologies.parameters import TypologyParameters
from analytics.typologies.sanctions import SanctionsList
from tests.unit.analytics.registry.folders import GENESIS

NOBODY = SanctionsList([], [])
SPEAKERS = {
    "structuring", "fan_in", "fan_out", "round_trip", "pass_through", "dormant", "velocity",
    "round_amounts", "sanctioned", "anomaly", "drift", "account_risk", "member_risk", "market_risk",
}  # fmt: skip


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """Return a registry in which the rules with their defaults are entered."""
    made = Registry.open_directory(tmp_path, GENESIS)
    register_rules(made, TypologyParameters(), NOBODY)
    yield made
    made.close()


def in_force(registry: Registry) -> dict[str, Version]:
    """Return the rules that run, by name."""
    filters = {"method": RULES, "state": Standing.CHAMPION}
    found, _ = registry.versions(filters, limit=100, before=None)
    return {one.series: one for one in found}


def test_everything_that_speaks_by_a_rule_is_listed(registry: Registry) -> None:
    """All that alerts and scores name as their model, with a card that says what it runs with."""
    found = in_force(registry)
    assert set(found) == SPEAKERS
    card = registry.card(found["fan_in"])
    assert card.startswith("# fan_in\n")
    assert f"`fan_in/{FanIn.version}`" in card
    assert f"| alert_at | {TypologyParameters().fan_in.alert_at} |" in card
    assert "| alerts_weight | 0.7 |" in registry.card(found["account_risk"])
    assert (found["fan_in"].data, found["fan_in"].metrics) == (None, {})


def test_a_start_with_the_same_parameters_changes_nothing(registry: Registry) -> None:
    """Ids and histories stay."""
    before = in_force(registry)
    register_rules(registry, TypologyParameters(), NOBODY)
    assert in_force(registry) == before
    assert [step["state"] for step in registry.history(before["drift"].id)] == [
        "candidate", "champion",
    ]  # fmt: skip


def test_other_parameters_are_another_version(registry: Registry) -> None:
    """Of that rule alone; a list with other entries is one too, and does not tell who is on it."""
    before = in_force(registry)
    parameters = TypologyParameters.model_validate({"fan_in": {"alert_at": 0.9}})
    register_rules(registry, parameters, SanctionsList(["Ivan Orlov"], ["sun1x"]))
    after = in_force(registry)
    changed = {name for name in SPEAKERS if before[name].id != after[name].id}
    assert changed == {"fan_in", "sanctioned"}
    assert (after["fan_in"].version, registry.find(before["fan_in"].id).state) == (
        2,
        Standing.RETIRED,
    )
    card = registry.card(after["sanctioned"])
    assert "Orlov" not in card
    assert "sun1x" not in card


def test_a_rule_that_is_switched_off_answers_no_more(registry: Registry) -> None:
    """It retires, and comes back as the version that it was."""
    before = in_force(registry)["velocity"]
    off = TypologyParameters.model_validate({"velocity": {"enabled": False}})
    register_rules(registry, off, NOBODY)
    assert set(in_force(registry)) == SPEAKERS - {"velocity"}
    register_rules(registry, TypologyParameters(), NOBODY)
    assert in_force(registry)["velocity"].id == before.id
