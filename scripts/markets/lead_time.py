"""Early warning against the labels: how long before a pattern's end it was told, and how often for nothing.

A pattern is warned of by an alert with the first that is about a party of it and rests on one of its
payments; by risk when its account enters the band ``high`` at or after its first payment. The lead is
from there to the block of its last payment; what is ahead is the share of its amount that moves in
later blocks, which a freeze at once might have stopped. Not warned of counts as none of both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any, Final, NamedTuple, Protocol

from analytics.features.accounts import NAMES
from analytics.risk.bands import Band, band_after
from analytics.risk.model import account_risk, decayed
from scripts.markets.blocks import planned_blocks
from scripts.markets.judge import Verdict, Warned, is_right, stand_in
from scripts.markets.payments import Label
from scripts.markets.plan import MarketPlan

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
ACCOUNT_DAYS: Final = 1_000
"""False alarms are counted over so many days of an account."""


class Moment(NamedTuple):
    """A block."""

    time_ms: int
    """Its time, milliseconds since 1970-01-01 UTC."""
    height: int


class Episode(NamedTuple):
    """A planted pattern as it went."""

    label: Label
    payments: tuple[tuple[Moment, int], ...]
    """Block and amount of each payment, by time; at least one."""


class Told(Warned, Protocol):
    """What is asked of an alert."""

    @property
    def score(self) -> float:
        """0 to 1."""
        ...

    @property
    def height(self) -> int:
        """Its block."""
        ...

    @property
    def time_ms(self) -> int:
        """Time of that block, milliseconds since 1970-01-01 UTC."""
        ...


class Lead(NamedTuple):
    """How early a pattern was warned of."""

    hours: float
    blocks: int
    ahead: float
    """Share of its amount that moved in later blocks."""


NO_LEAD: Final = Lead(0.0, 0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leads:
    """How early one market's patterns were warned of."""

    by_alert: tuple[tuple[str, Lead | None], ...]
    """Typology and lead of each pattern; None where no alert came."""
    by_risk: tuple[tuple[str, Lead | None], ...]
    """The same of the band."""
    false_alerts: int
    """Alerts about no pattern."""
    false_risks: int
    """Times that an account of no pattern entered the band."""
    account_days: float
    """Accounts times days."""


def moment_of(alert: Told) -> Moment:
    """Return the block of an alert."""
    return Moment(alert.time_ms, alert.height)


def leads_in_memory(plan: MarketPlan, alerts: Sequence[Told], verdict: Verdict) -> Leads:
    """Return how early the alerts of a market in memory, in order, tell of its patterns."""
    moments = {
        placed.number: Moment(block.time_ms, block.height)
        for block in planned_blocks(plan.payments)
        for placed in block.payments
    }
    paid: dict[int, list[tuple[Moment, int]]] = {label.number: [] for label in plan.labels}
    for number, payment in enumerate(plan.payments):
        if payment.pattern >= 0:
            amount = sum(leg.amount for leg in payment.legs)
            paid[payment.pattern].append((moments[number], amount))
    return leads_of(
        [Episode(label, tuple(paid[label.number])) for label in plan.labels],
        alerts,
        {stand_in(number): p.pattern for number, p in enumerate(plan.payments)},
        verdict,
        risks=risks_by_alerts(alerts),
        account_days=float(len(plan.cast) * plan.days),
    )


def leads_of(
    episodes: Sequence[Episode],
    alerts: Sequence[Told],
    pattern_of: Mapping[str, int],
    verdict: Verdict,
    *,
    risks: Mapping[str, Sequence[Moment]],
    account_days: float,
) -> Leads:
    """Return how early alerts and risk tell of a market's patterns; those of no account are left out.

    ``risks`` are the moments at which accounts entered the band, in order.
    """
    labels = [episode.label for episode in episodes]
    episodes = [episode for episode in episodes if episode.label.account is not None]
    parties = {name for label in labels for name in (label.account, *label.accomplices)}
    return Leads(
        by_alert=tuple(
            (one.label.typology, _lead(one, _alerted(one, alerts, pattern_of, labels)))
            for one in episodes
        ),
        by_risk=tuple((one.label.typology, _lead(one, _at_risk(one, risks))) for one in episodes),
        false_alerts=len(verdict.wrong),
        false_risks=sum(len(moments) for name, moments in risks.items() if name not in parties),
        account_days=account_days,
    )


def risks_by_alerts(alerts: Iterable[Told]) -> dict[str, list[Moment]]:
    """Return when accounts enter the band ``high`` by the part of the score that alerts make alone.

    The rest of the score, from behaviour, is at least 0: with it nobody enters later.
    """
    behaviour = dict.fromkeys(NAMES, 0.0)
    seen: dict[str, list[Told]] = {}
    bands: dict[str, Band] = {}
    entered: dict[str, list[Moment]] = {}
    for alert in alerts:
        account = alert.account
        if account is None:
            continue
        seen.setdefault(account, []).append(alert)
        strengths: dict[str, float] = {}
        for one in seen[account]:
            age_days = (alert.time_ms - one.time_ms) / DAY_MS
            strength = decayed(one.score, age_days)
            strengths[one.typology] = max(strength, strengths.get(one.typology, 0.0))
        before = bands.get(account, Band.LOW)
        bands[account] = band_after(account_risk(behaviour, strengths).score, before)
        order = list(Band)
        if order.index(before) < order.index(Band.HIGH) <= order.index(bands[account]):
            entered.setdefault(account, []).append(moment_of(alert))
    return entered


def lead_summary(markets: Sequence[Leads]) -> dict[str, Any]:
    """Return the figures of markets together, by typology."""
    account_days = sum(one.account_days for one in markets)
    rates = {
        "false_alerts": sum(one.false_alerts for one in markets),
        "false_risks": sum(one.false_risks for one in markets),
    }
    by_alert = _by_typology(pair for one in markets for pair in one.by_alert)
    by_risk = _by_typology(pair for one in markets for pair in one.by_risk)
    return {
        "typologies": [
            {
                "typology": typology,
                "alert": _figures(leads),
                "risk": _figures(by_risk.get(typology, [])),
            }
            for typology, leads in sorted(by_alert.items())
        ],
        **{name: count * ACCOUNT_DAYS / account_days for name, count in rates.items()},
    }


def lead_table(figures: Mapping[str, Any]) -> str:
    """Return the figures as a Markdown table."""
    names = ("told", "early", "lead h", "blocks", "ahead")
    heads = [f"{source}: {name}" for source in ("alert", "risk") for name in names]
    lines = [
        f"| typology | planted | {' | '.join(heads)} |",
        f"| --- | ---: |{' ---: |' * len(heads)}",
    ]
    for row in figures["typologies"]:
        cells = [row["typology"], str(row["alert"]["planted"])]
        for one in (row["alert"], row["risk"]):
            cells += [str(one["told"]), str(one["early"])]
            cells += [f"{one['hours']:.1f}", f"{one['blocks']:.0f}", f"{one['ahead']:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    rates = f"{figures['false_alerts']:.2f} alerts and {figures['false_risks']:.2f} high risks"
    lines.append(f"\nFalse alarms in {ACCOUNT_DAYS:,} account days: {rates}.")
    return "\n".join(lines)


def _alerted(
    episode: Episode,
    alerts: Sequence[Told],
    pattern_of: Mapping[str, int],
    labels: Sequence[Label],
) -> Moment | None:
    number = episode.label.number
    only = {txid: found for txid, found in pattern_of.items() if found == number}
    return next((moment_of(one) for one in alerts if is_right(one, labels, only)), None)


def _at_risk(episode: Episode, risks: Mapping[str, Sequence[Moment]]) -> Moment | None:
    began = episode.payments[0][0]
    moments = risks.get(episode.label.account or "", ())
    return next((moment for moment in moments if moment >= began), None)


def _lead(episode: Episode, warned: Moment | None) -> Lead | None:
    if warned is None:
        return None
    last = episode.payments[-1][0]
    if warned >= last:
        return NO_LEAD
    total = sum(amount for _, amount in episode.payments)
    ahead = sum(amount for moment, amount in episode.payments if moment > warned)
    hours = (last.time_ms - warned.time_ms) / HOUR_MS
    return Lead(hours, last.height - warned.height, ahead / total)


def _by_typology(pairs: Iterable[tuple[str, Lead | None]]) -> dict[str, list[Lead | None]]:
    found: dict[str, list[Lead | None]] = {}
    for typology, lead in pairs:
        found.setdefault(typology, []).append(lead)
    return found


def _figures(leads: Sequence[Lead | None]) -> dict[str, float]:
    counted = [lead or NO_LEAD for lead in leads] or [NO_LEAD]
    return {
        "planted": len(leads),
        "told": sum(lead is not None for lead in leads),
        "early": sum(lead.blocks > 0 for lead in counted),
        "hours": median(lead.hours for lead in counted),
        "blocks": median(lead.blocks for lead in counted),
        "ahead": fmean(lead.ahead for lead in counted),
    }
