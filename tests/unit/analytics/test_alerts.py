"""Alerts: what every one of them must be."""

from __future__ import annotations

import pytest

from analytics.alerts import ALERT_ID_HEX, Alert, Reason, Severity, alert_id


def alert(score: float, *contributions: float) -> Alert:
    """Return an alert of that score whose reasons contribute those shares."""
    return Alert(
        id=alert_id("fan_in", "sun1a", 7, "00"),
        typology="fan_in",
        severity=Severity.LOW,
        account="sun1a",
        score=score,
        reasons=tuple(
            Reason(feature="payers", value=9, contribution=share, text="9 payers")
            for share in contributions
        ),
        transactions=("00",),
        height=7,
        time_ms=0,
        model="fan_in/1",
    )


def test_contributions_add_up_to_the_score() -> None:
    """Shares that add up pass, by rounding too; others are our own mistake."""
    assert alert(0.3, 0.1, 0.2).score == 0.3
    with pytest.raises(ValueError, match="add up"):
        alert(0.5, 0.1, 0.2)


@pytest.mark.parametrize("score", [-0.1, 1.1, float("nan")])
def test_a_score_is_a_share(score: float) -> None:
    """Scores lie from 0 to 1."""
    with pytest.raises(ValueError, match="score"):
        alert(score, score)


def test_an_id_follows_from_what_the_alert_is_about() -> None:
    """The same facts give the same id; another account, height or transaction another."""
    known = alert_id("fan_in", "sun1a", 7, "00")
    assert len(known) == ALERT_ID_HEX
    assert known == alert_id("fan_in", "sun1a", 7, "00")
    others = {
        alert_id("fan_out", "sun1a", 7, "00"),
        alert_id("fan_in", "sun1b", 7, "00"),
        alert_id("fan_in", "sun1a", 8, "00"),
        alert_id("fan_in", "sun1a", 7, "01"),
        alert_id("fan_in", None, 7, "00"),
    }
    assert len(others | {known}) == 6
