"""What risk scores are made of: contributions that add up, and that rise with what they measure."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.features.accounts import NAMES
from analytics.risk.bands import LEVELS, Band, band_after
from analytics.risk.model import (
    HALF_LIFE_DAYS,
    SIGNS,
    Weighed,
    account_risk,
    decayed,
    market_risk,
    member_risk,
)
from analytics.risk.segments import SEGMENTS, segment_of
from analytics.risk.standing import Account, Group

TYPOLOGIES = ("fan_in", "structuring", "round_trip", "sanctioned", "velocity")
SHARES = (
    "round_share",
    "night_share",
    "concentration",
    "new_payees",
    "returning",
    "passed_through",
)

share = st.floats(0, 1)
rows = st.fixed_dictionaries(
    {name: share if name in SHARES else st.floats(0, 10_000) for name in NAMES}
)
alerts = st.dictionaries(st.sampled_from(TYPOLOGIES), st.floats(0, 0.99))


def nothing(**measured: float) -> dict[str, float]:
    """Return the features of an account that does nothing but what is said."""
    return dict.fromkeys(NAMES, 0.0) | measured


def assert_adds_up(risk: Weighed) -> None:
    """Assert that a score is what its reasons say."""
    assert 0 <= risk.score <= 1 + 1e-12
    assert math.fsum(reason.contribution for reason in risk.reasons) == pytest.approx(risk.score)
    assert all(reason.contribution > 0 and reason.text for reason in risk.reasons)


@given(rows, alerts)
def test_an_accounts_contributions_add_up(
    features: dict[str, float], strengths: dict[str, float]
) -> None:
    """For any features and alerts the parts make the score, which stays within 0 and 1."""
    assert_adds_up(account_risk(features, strengths))


@given(st.lists(st.tuples(share, st.sampled_from(Band)), max_size=30), st.lists(share, max_size=5))
def test_groups_contributions_add_up(
    accounts: list[tuple[float, Band]], members: list[float]
) -> None:
    """The same holds for members and the market, also when nobody is active."""
    group = Group()
    for score, band in accounts:
        group.add(Account("bank1", score, band))
    assert_adds_up(member_risk(group))
    assert_adds_up(market_risk(group, members))


@given(rows, alerts, st.sampled_from(TYPOLOGIES), st.floats(0.01, 0.99))
def test_an_alert_more_never_lowers_the_score(
    features: dict[str, float], strengths: dict[str, float], typology: str, strength: float
) -> None:
    """Alerts are warnings: another, or a stronger one, only adds."""
    more = strengths | {typology: max(strength, strengths.get(typology, 0))}
    assert account_risk(features, more).score >= account_risk(features, strengths).score - 1e-12


def test_one_fresh_alert_makes_an_account_high() -> None:
    """A strong alert is enough for the band high, two for critical; none is low."""
    quiet = nothing()
    one = account_risk(quiet, {"fan_in": decayed(0.8, 0)})
    two = account_risk(quiet, {"fan_in": decayed(0.8, 0), "round_trip": decayed(0.8, 0)})
    assert band_after(account_risk(quiet, {}).score, Band.LOW) is Band.LOW
    assert band_after(one.score, Band.LOW) is Band.HIGH
    assert band_after(two.score, Band.LOW) is Band.CRITICAL
    assert one.reasons[0].feature == "alert:fan_in"


def test_alerts_fade() -> None:
    """After each half-life an alert counts half."""
    assert decayed(0.8, 0) == 0.8
    assert decayed(0.8, HALF_LIFE_DAYS) == pytest.approx(0.4)
    assert decayed(1.0, 0) < 1


def test_the_signs_weigh_1_together() -> None:
    """So that behaviour alone never passes its part."""
    assert math.fsum(sign.weight for sign in SIGNS) == pytest.approx(1)


def test_bands_have_hysteresis() -> None:
    """A band is kept between the level that enters it and the lower one that leaves it."""
    for band, levels in LEVELS.items():
        between = (levels.enter + levels.leave) / 2
        assert levels.leave < levels.enter
        assert band_after(levels.enter, Band.LOW) is band
        assert band_after(between, Band.LOW) is not band
        assert band_after(between, band) is band
        assert band_after(levels.leave - 1e-9, band) is not band
    assert band_after(0.0, Band.CRITICAL) is Band.LOW
    assert band_after(1.0, Band.LOW) is Band.CRITICAL


@pytest.mark.parametrize(
    ("segment", "features"),
    [
        ("quiet", nothing()),
        ("hub", nothing(paid_count=30, received_count=30, payees=25, payers=25)),
        ("collector", nothing(paid_count=1, received_count=30, payees=1, payers=25)),
        ("distributor", nothing(paid_count=30, received_count=1, payees=25, payers=1)),
        ("conduit", nothing(paid_count=2, received_count=2, passed_through=0.95, dwell_hours=2)),
        ("payer", nothing(paid_count=2)),
        ("payee", nothing(received_count=2)),
        ("everyday", nothing(paid_count=2, received_count=2, passed_through=0.4)),
    ],
)
def test_segments_are_what_their_names_say(segment: str, features: dict[str, float]) -> None:
    """One account for each rule."""
    assert segment_of(features) == segment


@given(rows)
def test_every_account_has_a_segment(features: dict[str, float]) -> None:
    """The rules leave nobody out."""
    assert segment_of(features) in {segment.name for segment in SEGMENTS}
