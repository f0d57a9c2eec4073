"""All typologies, in the order in which they look at an account. A new rule is entered here."""

from __future__ import annotations

from collections.abc import Iterator

from analytics.typologies.dormant import Dormant
from analytics.typologies.fans import FanIn, FanOut
from analytics.typologies.finding import Typology
from analytics.typologies.parameters import RuleParameters, TypologyParameters
from analytics.typologies.pass_through import PassThrough
from analytics.typologies.round_amounts import RoundAmounts
from analytics.typologies.round_trip import RoundTrip
from analytics.typologies.sanctioned import Sanctioned
from analytics.typologies.sanctions import SanctionsList
from analytics.typologies.structuring import Structuring
from analytics.typologies.velocity import Velocity


def typologies(
    parameters: TypologyParameters, listed: SanctionsList
) -> Iterator[tuple[Typology, RuleParameters]]:
    """Yield every enabled rule with its parameters; those that yield to others come last."""
    rules: list[tuple[Typology, RuleParameters]] = [
        (Sanctioned(parameters.sanctioned, listed), parameters.sanctioned),
        (Structuring(parameters.structuring), parameters.structuring),
        (FanIn(parameters.fan_in), parameters.fan_in),
        (FanOut(parameters.fan_out), parameters.fan_out),
        (RoundTrip(parameters.round_trip), parameters.round_trip),
        (PassThrough(parameters.pass_through), parameters.pass_through),
        (Dormant(parameters.dormant), parameters.dormant),
        (RoundAmounts(parameters.round_amounts), parameters.round_amounts),
        (Velocity(parameters.velocity), parameters.velocity),
    ]
    return (rule for rule in rules if rule[1].enabled)
