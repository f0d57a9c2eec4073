"""Detection: one final block's facts in, the alerts that it gives out; a replay gives the same.

An account is warned of once for each pattern within the rule's window, and again when the pattern
has become more severe.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from analytics.activity import Market
from analytics.alerts import Alert, Severity, alert_id
from analytics.anomaly.accounts import AccountScore, Anomalies
from analytics.anomaly.drift import Drift
from analytics.movements import BlockFacts
from analytics.typologies.finding import Finding
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


class Told(NamedTuple):
    """An alert that was raised when its block was searched, as far as later ones depend on it."""

    typology: str
    account: str | None
    severity: Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class _Warned:
    """The last alert about an account and a pattern."""

    time_ms: int
    severity: Severity


class _Source(Protocol):
    """What finds something."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> int: ...


class Detector:
    """The market's activities, all rules over them, and what looks for what no rule names.

    ``decimals`` are each asset's decimal places. Blocks come in order from genesis on, each once.
    """

    def __init__(
        self, parameters: TypologyParameters, listed: SanctionsList, decimals: Mapping[str, int]
    ) -> None:
        self._rules = tuple(typologies(parameters, listed))
        # Habits are told from what came before a window, so payments are kept longer than it.
        self.market = Market(2 * parameters.window_ms_max, decimals)
        self._parameters = parameters
        self._anomalies = Anomalies(parameters.anomaly) if parameters.anomaly.enabled else None
        self._drift = Drift(parameters.drift) if parameters.drift.enabled else None
        self._warned: dict[tuple[str | None, str], _Warned] = {}
        self._recalled: frozenset[tuple[str | None, str]] | None = None
        """What was told of the block at hand when it was searched; None while it is searched."""

    @property
    def anomaly_scores(self) -> tuple[AccountScore, ...]:
        """Scores of anomalies to keep of the block that was taken in last."""
        return () if self._anomalies is None else self._anomalies.scores

    @property
    def anomaly_model(self) -> str:
        """Name and version of what makes them."""
        return f"{Anomalies.name}/{Anomalies.version}"

    def recall(self, facts: BlockFacts, told: Iterable[Told]) -> None:
        """Take a block in that was searched before, with the alerts that it gave then.

        Parameters and lists may have changed since. What they find in it now was told to nobody, and
        so must not keep silent what comes after it.
        """
        warned = {
            (one.account, one.typology): _Warned(time_ms=facts.time_ms, severity=one.severity)
            for one in told
        }
        self._recalled = frozenset(warned)
        self.detect(facts)
        self._recalled = None
        self._warned |= warned

    def detect(self, facts: BlockFacts) -> tuple[Alert, ...]:
        """Take a block in and return its alerts.

        Those of the rules come first, account by account in the order of the block; then anomalies,
        and drift, which is about no account.
        """
        moved = self.market.observe(facts)
        alerts = [
            self._judge(typology, parameters, moves.activity.account, finding, facts)
            for moves in moved
            for typology, parameters in self._rules
            if (finding := typology.examine(moves, self.market, facts.time_ms)) is not None
        ]
        if self._anomalies is not None:
            explained = {alert.account for alert in alerts if alert is not None}
            findings = self._anomalies.examine(moved, explained, facts.time_ms)
            parameters = self._parameters.anomaly
            alerts += [
                self._judge(self._anomalies, parameters, account, finding, facts)
                for account, finding in findings.items()
            ]
        if self._drift is not None:
            finding = self._drift.examine(moved, self.market, facts.time_ms)
            if finding is not None:
                alerts.append(
                    self._judge(self._drift, self._parameters.drift, None, finding, facts)
                )
        return tuple(alert for alert in alerts if alert is not None)

    def _judge(
        self,
        source: _Source,
        parameters: RuleParameters,
        account: str | None,
        finding: Finding,
        facts: BlockFacts,
    ) -> Alert | None:
        """Return the alert that a finding makes, unless it is weak, explained or told."""
        if finding.score < parameters.alert_at:
            return None
        severity = severity_of(finding.score)
        if self._is_explained(account, finding, parameters, facts.time_ms):
            return None
        if self._is_told(source.name, account, severity, parameters, facts.time_ms):
            return None
        if self._recalled is not None and (account, source.name) not in self._recalled:
            return None
        self._warned[account, source.name] = _Warned(time_ms=facts.time_ms, severity=severity)
        return _alert(source, account, finding, severity, facts)

    def _is_explained(
        self,
        account: str | None,
        finding: Finding,
        parameters: RuleParameters,
        time_ms: int,
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
        account: str | None,
        severity: Severity,
        parameters: RuleParameters,
        time_ms: int,
    ) -> bool:
        """Tell whether the account was warned of this not long ago, and no less severely."""
        warned = self._warned.get((account, name))
        return (
            warned is not None
            and warned.time_ms >= time_ms - parameters.quiet_ms
            and _rank(severity) <= _rank(warned.severity)
        )


def severity_of(score: float) -> Severity:
    """Return the severity of an alert with a score from 0 to 1."""
    return next(severity for least, severity in SEVERITIES if score >= least)


def _rank(severity: Severity) -> int:
    return list(Severity).index(severity)


def _alert(
    source: _Source, account: str | None, finding: Finding, severity: Severity, facts: BlockFacts
) -> Alert:
    first = finding.transactions[0] if finding.transactions else None
    return Alert(
        id=alert_id(source.name, account, facts.height, first),
        typology=source.name,
        severity=severity,
        account=account,
        score=finding.score,
        reasons=finding.reasons,
        transactions=finding.transactions,
        height=facts.height,
        time_ms=facts.time_ms,
        model=f"{source.name}/{source.version}",
    )
