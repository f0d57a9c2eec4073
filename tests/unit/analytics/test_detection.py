"""What holds for the alerts of every typology."""

from __future__ import annotations

import math

from analytics.alerts import Severity
from tests.unit.analytics.story import CROWD, settled


def test_an_account_is_warned_of_once_in_a_window_unless_it_gets_worse() -> None:
    """Further payments of the pattern repeat no alert; a higher severity does."""
    story = settled("anna")
    for _ in range(12):
        story.pay("anna", "user9", 9_800)
        story.wait(minutes=30)
    severities = [alert.severity for alert in story.alerts if alert.typology == "structuring"]
    assert len(severities) == len(set(severities))
    assert severities == sorted(severities, key=list(Severity).index)


def test_reasons_add_up_to_every_score() -> None:
    """Each alert says why, in sentences, and its shares are the score."""
    story = settled("anna", "mule")
    story.pay("user20", "mule", 20_000)
    story.pay("mule", "user21", 20_000)
    for _ in range(5):
        story.pay("anna", "user9", 9_800)
    assert len(story.alerts) >= 2
    for alert in story.alerts:
        assert math.isclose(sum(reason.contribution for reason in alert.reasons), alert.score)
        assert all(reason.text for reason in alert.reasons)
        assert alert.transactions


def test_a_replay_gives_the_same_alerts() -> None:
    """Ids and all: detection follows from the blocks alone."""

    def tell() -> list[object]:
        story = settled("anna", "mule")
        for payer in CROWD[:12]:
            story.pay(payer, "mule", 300)
        return list(story.alerts)

    assert tell() == tell() != []
