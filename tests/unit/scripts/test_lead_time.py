"""How early patterns were told of, on a hand-made market whose leads are known by hand."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from scripts.market import main
from scripts.markets.judge import Verdict, verdict_of
from scripts.markets.lead_time import (
    DAY_MS,
    HOUR_MS,
    Episode,
    Lead,
    Leads,
    Moment,
    lead_summary,
    lead_table,
    leads_of,
    risks_by_alerts,
)
from scripts.markets.payments import Label

FAN = Label(0, "fan_in", "mule", ("one", "two"))
RING = Label(1, "round_trip", "ringer", ("friend",))
MARKET = Label(2, "drift", None, ())


class Told(NamedTuple):
    """An alert, as far as it is judged."""

    typology: str
    account: str | None
    transactions: tuple[str, ...]
    score: float
    height: int

    @property
    def time_ms(self) -> int:
        """An hour a block."""
        return self.height * HOUR_MS


def episode(label: Label, *payments: tuple[int, int]) -> Episode:
    """Return a pattern with payments (height, amount)."""
    return Episode(label, tuple((Moment(h * HOUR_MS, h), amount) for h, amount in payments))


def judged(alerts: list[Told]) -> tuple[Leads, Verdict]:
    """Return the leads of a fan in blocks 10 to 14 and a ring in blocks 20 and 22."""
    episodes = [
        episode(FAN, (10, 100), (11, 100), (14, 200)),
        episode(RING, (20, 50), (22, 50)),
        episode(MARKET, (30, 1)),
    ]
    pattern_of = {"f1": 0, "f2": 0, "f3": 0, "r1": 1, "r2": 1, "d1": 2}
    verdict = verdict_of([FAN, RING, MARKET], alerts, pattern_of)
    risks = risks_by_alerts(alerts)
    return leads_of(
        episodes, alerts, pattern_of, verdict, risks=risks, account_days=2_000.0
    ), verdict


def test_leads_are_from_the_first_alert_to_the_last_payment() -> None:
    """An alert in block 11 leaves three hours and half of the money; one at the end leaves nothing."""
    leads, _ = judged(
        [
            Told("fan_in", "stranger", ("x",), 0.9, 3),
            Told("velocity", "one", ("f1", "f2"), 0.5, 11),
            Told("fan_in", "mule", ("f1", "f2"), 0.9, 12),
            Told("round_trip", "ringer", ("r1", "r2"), 0.9, 22),
        ]
    )
    assert leads.by_alert == (("fan_in", Lead(3.0, 3, 0.5)), ("round_trip", Lead(0.0, 0, 0.0)))
    assert leads.by_risk == (("fan_in", Lead(2.0, 2, 0.5)), ("round_trip", Lead(0.0, 0, 0.0)))
    assert (leads.false_alerts, leads.false_risks) == (1, 1)


def test_what_nobody_told_counts_as_no_lead() -> None:
    """A pattern without an alert is neither told nor early; shares are of all that were planted."""
    leads, _ = judged([Told("velocity", "mule", ("f1",), 0.5, 10)])
    assert leads.by_alert == (("fan_in", Lead(4.0, 4, 0.75)), ("round_trip", None))
    assert leads.by_risk == (("fan_in", None), ("round_trip", None))
    figures = lead_summary([leads, judged([Told("fan_in", "nobody", ("f1",), 0.9, 10)])[0]])
    fan, ring = figures["typologies"]
    assert (fan["alert"]["planted"], fan["alert"]["told"], fan["alert"]["early"]) == (2, 1, 1)
    assert (fan["alert"]["hours"], fan["alert"]["ahead"]) == (2.0, 0.375)
    assert ring["alert"]["told"] == 0
    assert (figures["false_alerts"], figures["false_risks"]) == (0.25, 0.25)
    assert "| fan_in | 2 | 1 | 1 | 2.0 | 2 | 0.38 |" in lead_table(figures)


def test_risk_rises_with_alerts_and_fades() -> None:
    """Two weak warnings together are a high risk; a month apart neither is, and a band warns once."""
    apart = 30 * DAY_MS // HOUR_MS
    weak = [Told("velocity", "a", (), 0.5, 1), Told("fan_out", "a", (), 0.5, 2)]
    assert risks_by_alerts(weak) == {"a": [Moment(2 * HOUR_MS, 2)]}
    assert risks_by_alerts([*weak, Told("fan_out", "a", (), 0.6, 3)]) == risks_by_alerts(weak)
    assert risks_by_alerts([weak[0], weak[1]._replace(height=2 + apart)]) == {}
    assert risks_by_alerts([Told("drift", None, (), 1.0, 1)]) == {}


def test_lead_times_are_of_markets_in_memory(capsys: pytest.CaptureFixture[str]) -> None:
    """A market on a chain is judged by what its node said; the option would say nothing of it."""
    with pytest.raises(SystemExit):
        main(["--judge", "nowhere", "--lead-time"])
    assert "in memory" in capsys.readouterr().err
