"""What speaks in alerts and scores without having been trained: rules, each with a card and a hash.

A rule's card tells its version and the parameters in force. Other parameters make another card, and
with it another version in the registry, so what ran when can be told and attested as of any model.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NamedTuple

from analytics.anomaly.accounts import Anomalies
from analytics.anomaly.drift import Drift
from analytics.models.folder import CARD, FORMAT, MANIFEST
from analytics.registry.records import RULES, NewVersion
from analytics.registry.store import Registry
from analytics.risk import model as risk
from analytics.typologies.parameters import RuleParameters, TypologyParameters
from analytics.typologies.registry import typologies
from analytics.typologies.sanctions import SanctionsList


class Rule(NamedTuple):
    """Something that speaks by a rule."""

    name: str
    """Its name, as in the ``model`` of alerts and scores before the stroke."""
    version: str
    """Its version, as after the stroke."""
    purpose: str
    """What it finds, in a sentence."""
    parameters: Mapping[str, Any]
    """What it runs with, as JSON values."""


_ACCOUNT: Final = "How much an account needs attention: its alerts, and signs in its behaviour."
_MEMBER: Final = "How much a member needs attention: its riskiest accounts, their share, the mean."
_MARKET: Final = "How much the market needs attention: its riskiest members, accounts, the mean."


def register_rules(
    registry: Registry, parameters: TypologyParameters, listed: SanctionsList
) -> None:
    """Enter every rule that runs as the champion of its series, and retire those that do not."""
    in_force = set()
    for rule in rules(parameters, listed):
        with registry.new_folder() as folder:
            _write(folder, rule)
            new = NewVersion(
                series=rule.name,
                method=RULES,
                data=None,
                seed=None,
                rows=None,
                metrics={},
                reference={},
                compared=None,
                by=None,
                training=None,
            )
            in_force.add(registry.enter(folder, new).id)
    registry.retire_rules(in_force)


def rules(parameters: TypologyParameters, listed: SanctionsList) -> Iterator[Rule]:
    """Yield every rule that runs with these parameters."""
    for typology, given in typologies(parameters, listed):
        shown = _shown(given)
        if typology.name == "sanctioned":
            shown["list"] = _hash(listed)
        yield Rule(typology.name, str(typology.version), _purpose(given), shown)
    if parameters.anomaly.enabled:
        given = parameters.anomaly
        yield Rule(Anomalies.name, str(Anomalies.version), _purpose(given), _shown(given))
    if parameters.drift.enabled:
        given = parameters.drift
        yield Rule(Drift.name, str(Drift.version), _purpose(given), _shown(given))
    account: dict[str, Any] = {
        "alerts_weight": risk.ALERTS_WEIGHT,
        "behaviour_weight": risk.BEHAVIOUR_WEIGHT,
        "half_life_days": risk.HALF_LIFE_DAYS,
    }
    account |= {f"sign {sign.feature}": sign.weight for sign in risk.SIGNS}
    for name, purpose, given_risk in (
        (risk.ACCOUNT_MODEL, _ACCOUNT, account),
        (risk.MEMBER_MODEL, _MEMBER, {"worst_accounts": risk.WORST_ACCOUNTS}),
        (risk.MARKET_MODEL, _MARKET, {"worst_members": risk.WORST_MEMBERS}),
    ):
        series, _, number = name.partition("/")
        yield Rule(series, number, purpose, given_risk)


def rule_card(rule: Rule) -> str:
    """Return the card of a rule, Markdown; the same rule and parameters give the same text."""
    lines = [
        f"# {rule.name}",
        "",
        rule.purpose,
        "",
        "## What it is",
        "",
        f"- Rule, version {rule.version}, of Sunlit {version('sunlit')}; nobody trained it",
        f"- In alerts and scores it is `{rule.name}/{rule.version}`",
        "",
        "## Parameters in force",
        "",
        "| parameter | value |",
        "| --- | --- |",
        *(f"| {name} | {_cell(value)} |" for name, value in rule.parameters.items()),
        "",
        "## Limits of its use",
        "",
        "It finds what it is told to look for; a score is a reason to look and no proof.",
    ]
    return "\n".join(lines) + "\n"


def _write(folder: Path, rule: Rule) -> None:
    card = rule_card(rule).encode()
    (folder / CARD).write_bytes(card)
    manifest = {
        "format": FORMAT,
        "model": RULES,
        "rule": rule.name,
        "rule_version": rule.version,
        "sunlit": version("sunlit"),
        "parameters": rule.parameters,
        "files": {CARD: hashlib.sha256(card).hexdigest()},
    }
    text = json.dumps(manifest, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
    (folder / MANIFEST).write_text(text + "\n", "utf-8")


def _purpose(parameters: RuleParameters) -> str:
    """Return what a rule finds: the first line that documents its parameters."""
    return (type(parameters).__doc__ or "").strip().splitlines()[0]


def _shown(parameters: RuleParameters) -> dict[str, Any]:
    return parameters.model_dump(mode="json", exclude={"enabled"})


def _hash(listed: SanctionsList) -> str:
    """Return the SHA-256 of a list's entries, hex: which list it was, and not what is on it."""
    return hashlib.sha256("\n".join(listed.entries()).encode()).hexdigest()


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
