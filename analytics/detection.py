"""Detection: one final block's facts in, the alerts that it gives out; a replay gives the same.

An account is warned of once for each pattern within the rule's window, and again when the pattern
has become more severe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from analytics.activity import Market, Moves
from analytics.alerts import Alert, Severity, alert_id
from analytics.movements import BlockFacts
from analytics.typologies.finding import Finding, Typology
from analytics.typologies.parameters import RuleParameters, TypologyParameters
from analytics.typologies.registry import typologies
from analytics.typologies.sanctions import SanctionsList

SEVERITIES: Final = (
    (0.9, Severity.CRITICAL),
    (0.75, Severity.HIGH),
    (0.6, Severity.MEDIUM),
    (0.0, Severity.LOW),
)
"""Least score of each severity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Warned:
    """The last alert about an account and a pattern."""

    time_ms: int
    severity: Severity


class Detector:
    """The market's activities and all rules over them.

    ``decimals`` are each asset's decimal places. Blocks come in order from genesis on, each once.
    """

    def __init__(
        self, parameters: TypologyParameters, listed: SanctionsList, decimals: Mapping[str, int]
    ) -> None:
        self._rules = tuple(typologies(parameters, listed))
        # Habits are told from what came before a window, so payments are kept longer than it.
        self.market = Market(2 * parameters.window_ms_max, decimals)
        self._warned: dict[tuple[str, str], _Warned] = {}

    def detect(self, facts: BlockFacts) -> tuple[Alert, ...]:
        """Take a block in and return its alerts, account by account in the order of the block."""
        alerts = []
        for moves in self.market.observe(facts):
            for typology, parameters in self._rules:
                alert = self._examine(typology, parameters, moves, facts)
                if alert is not None:
                    alerts.append(alert)
        return tuple(alerts)

    def _examine(
        self, typology: Typology, parameters: RuleParameters, moves: Moves, facts: BlockFacts
    ) -> Alert | None:
        finding = typology.examine(moves, self.market, facts.time_ms)
        if finding is None or finding.score < parameters.alert_at:
            return None
        account, severity = moves.activity.account, severity_of(finding.score)
        if self._is_explained(account, finding, parameters, facts.time_ms):
            return None
        if self._is_told(typology.name, account, severity, parameters, facts.time_ms):
            return None
        self._warned[account, typology.name] = _Warned(time_ms=facts.time_ms, severity=severity)
        return _alert(typology, account, finding, severity, facts)

    def _is_explained(
        self, account: str, finding: Finding, parameters: RuleParameters, time_ms: int
    ) -> bool:
        """Tell whether the account was warned of what explains a finding better.

        That was since the finding's payments began, or shortly before: as long before as they took.
        An earlier warning is about something else.
        """
        since_ms = max(2 * finding.since_ms - time_ms, time_ms - parameters.window_ms)
        warned = (self._warned.get((account, other)) for other in parameters.yields_to)
        return any(one is not None and one.time_ms >= since_ms for one in warned)

    def _is_told(
        self,
        name: str,
        account: str,
        severity: Severity,
        parameters: RuleParameters,
        time_ms: int,
    ) -> bool:
        """Tell whether the account was warned of this not long ago, and no less severely."""
        warned = self._warned.get((account, name))
        return (
            warned is not None
            and warned.time_ms >= time_ms - parameters.window_ms
            and _rank(severity) <= _rank(warned.severity)
        )


def severity_of(score: float) -> Severity:
    """Return the severity of an alert with a score from 0 to 1."""
    return next(severity for least, severity in SEVERITIES if score >= least)


def _rank(severity: Severity) -> int:
    return list(Severity).index(severity)


def _alert(
    typology: Typology, account: str, finding: Finding, severity: Severity, facts: BlockFacts
) -> Alert:
    first = finding.transactions[0] if finding.transactions else None
    return Alert(
        id=alert_id(typology.name, account, facts.height, first),
        typology=typology.name,
        severity=severity,
        account=account,
        score=finding.score,
        reasons=finding.reasons,
        transactions=finding.transactions,
        height=facts.height,
        time_ms=facts.time_ms,
        model=f"{typology.name}/{typology.version}",
    )
