"""The regulator's parameters of the typologies: one TOML file, checked in full before it is used.

Every key may be left out; keys that are not there are refused, because a mistyped limit is no limit.
Amounts are decimals of the asset, ``"*"`` stands for every asset that is not named.
"""

from __future__ import annotations

import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from analytics.errors import ParametersInvalid

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
EVERY_ASSET: Final = "*"

Share = Annotated[float, Field(ge=0, le=1)]
Hours = Annotated[float, Field(gt=0, le=90 * 24)]
Count = Annotated[int, Field(ge=1, le=10_000)]
Ratio = Annotated[float, Field(ge=1)]
PositiveShare = Annotated[float, Field(gt=0, le=1)]
Amount = Annotated[Decimal, Field(gt=0)]
AmountByAsset = dict[str, Amount]
CountByKind = dict[str, Count]


class RuleParameters(BaseModel):
    """What every rule has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = True
    """Whether the rule runs."""
    alert_at: PositiveShare = 0.5
    """Score from which a finding becomes an alert."""
    window_hours: Hours = 72
    """How far back the rule looks. An account is warned of once in this time."""
    yields_to: tuple[str, ...] = ()
    """Patterns that explain this one: it is silent where one of them was found at the account among
    the same payments, or shortly before."""

    @property
    def window_ms(self) -> int:
        """The window in milliseconds."""
        return int(self.window_hours * HOUR_MS)

    @property
    def quiet_ms(self) -> int:
        """How long the same is not warned of again unless it grew, milliseconds."""
        return self.window_ms


class StructuringParameters(RuleParameters):
    """Payments kept just under a reporting threshold."""

    thresholds: dict[str, tuple[Amount, ...]] = {EVERY_ASSET: (Decimal(10_000), Decimal(50_000))}
    """Reporting thresholds by asset."""
    band: Share = 0.15
    """How far under a threshold an amount counts as just under it, share of the threshold."""
    payments_min: Count = 3
    """Fewest payments."""
    bunching_min: Share = 0.7
    """Least share of payments just under the threshold among all that are near it."""


class FanParameters(RuleParameters):
    """Many counterparties at once."""

    alert_at: PositiveShare = 0.55
    """As few as ``counterparties_min`` must be a clear burst, or all new."""
    counterparties_min: CountByKind = {
        "user": 8, "innovator": 16, "institution": 50, "treasury": 100
    }  # fmt: skip
    """Fewest counterparties, by kind of account."""
    new_min: Share = 0.5
    """Least share of counterparties that the account never had before."""
    burst_min: Ratio = 5
    """How many times faster than ever before they must come."""
    chance_max: Annotated[float, Field(gt=0)] = 0.3
    """Most cases like it that the market would be expected to have by chance."""
    past_hours_min: Annotated[float, Field(ge=0, le=90 * 24)] = 0
    """Least past of an account, or of the market before it was opened, hours. In a market of days a
    week keeps the first rents of its first month out; in one of minutes there is nothing to wait for."""

    @property
    def past_ms_min(self) -> int:
        """The least past in milliseconds."""
        return int(self.past_hours_min * HOUR_MS)


class FanInParameters(FanParameters):
    """Many payers, one payee."""


class FanOutParameters(FanParameters):
    """One payer, many payees."""


class RoundTripParameters(RuleParameters):
    """Money that comes back through others."""

    window_hours: Hours = 7 * 24
    accounts_min: Annotated[int, Field(ge=2, le=6)] = 2
    accounts_max: Annotated[int, Field(ge=2, le=6)] = 6
    """Length of the cycle, accounts."""
    amount_min: AmountByAsset = {EVERY_ASSET: Decimal(1_000)}
    """Smallest amount of the payment that closes it."""
    spread_max: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    """How much of what came in each account on the way may keep, share of it."""
    repeats_of_two_min: Count = 2
    """How often a sum must have gone to a shop and back; once is a refund."""
    chance_max: Annotated[float, Field(gt=0)] = 0.1
    """Most cases like it that the market would be expected to have by chance within the window."""


class PassThroughParameters(RuleParameters):
    """Money that leaves as soon as it came."""

    window_hours: Hours = 24
    amount_min: AmountByAsset = {EVERY_ASSET: Decimal(3_000)}
    """Smallest inflow within the window."""
    passed_min: Share = 0.85
    """Least share of the inflow that left again."""
    passed_max: Ratio = 1.05
    """Largest share of it: who pays far more than came in pays out of what he has."""
    burst_min: Ratio = 4
    """How many times faster than usual money must come, and leave."""
    new_min: Share = 0.5
    """Least share of the amounts that came from, or went to, new counterparties."""
    users_min: Share = 0.5
    """Least share of the amounts that came from, or went to, accounts of the kind ``user``; at an
    account of another kind both. What firms pay and are paid is their trade, or a wage that is spent."""
    chance_max: Annotated[float, Field(gt=0)] = 0.1
    """Most cases like it that the market would be expected to have by chance within the window."""


class DormantParameters(RuleParameters):
    """An account that slept and suddenly pays."""

    window_hours: Hours = 7 * 24
    idle_days: Annotated[float, Field(gt=0)] = 30
    """A time without a payment in or out that is a sleep whatever the account did before."""
    idle_share: Share = 0.5
    """Least share of an account's whole life that a shorter sleep took."""
    chance_max: Annotated[float, Field(gt=0)] = 0.05
    """Most accounts of the market that may be expected to have such a shorter sleep by chance, and then
    to pay as much."""
    rare_max: Share = 0.05
    """Largest share of the market's payments that are as large as one that is large whatever the
    account held."""
    amount_min: AmountByAsset = {EVERY_ASSET: Decimal(1_000)}
    """Smallest sum paid after waking."""
    spent_min: Share = 0.2
    """Least share of what it held or received that is much after a sleep of ``idle_days``."""


class VelocityParameters(RuleParameters):
    """Far more payments than ever before."""

    window_hours: Hours = 24
    payments_min: CountByKind = {"user": 15, "innovator": 30, "institution": 100, "treasury": 200}
    """Fewest payments, by kind of account."""
    burst_min: Ratio = 8
    """How many times more than usual."""
    yields_to: tuple[str, ...] = ("structuring", "round_amounts")


class RoundAmountsParameters(RuleParameters):
    """Payments of round amounts by an account that used not to."""

    multiple: AmountByAsset = {EVERY_ASSET: Decimal(1_000)}
    """An amount is round when it is a multiple of this."""
    payments_min: CountByKind = {"user": 5, "innovator": 5, "institution": 6, "treasury": 24}
    """Fewest round payments, by kind of account."""
    round_min: Share = 0.5
    """Least share of round payments among all in the window."""
    usual_max: Share = 0.3
    """Largest share of round payments before the window that still makes them unusual."""


class SanctionedParameters(RuleParameters):
    """A counterparty on the sanctions list."""

    window_hours: Hours = 24
    similarity_min: Annotated[float, Field(ge=50, le=100)] = 88
    """How alike a name in a payment text must be, 0 to 100 (normalised edit distance)."""


class AnomalyParameters(RuleParameters):
    """An account that behaves as neither it nor its like ever did, in a way that no rule names."""

    window_hours: Hours = 24
    """Length of the windows that are compared, from midnight UTC on where it is a day."""
    quiet_hours: Hours = 7 * 24
    """An account is warned of once in this time."""
    past_windows: Count = 31
    """Least age of an account, windows: what comes once a month came once."""
    active_windows_min: Count = 8
    """Fewest windows in which it moved."""
    payments_min: Count = 4
    """Fewest payments of a window: one is no behaviour."""
    sample_min: Annotated[int, Field(ge=100, le=20_000)] = 1_000
    """Fewest windows of accounts to learn from."""
    false_alarms: Annotated[float, Field(gt=0, le=0.01)] = 0.0002
    """Share of windows of accounts that may reach a score of 0.5 by chance."""
    distance_min: Annotated[float, Field(gt=0)] = 40
    """Least squared distance from what is usual that a score of 0.5 stands for."""
    share_max: Share = 0.01
    """Most incidents of a window, as a share of its accounts: of more, the market is the matter. Who
    dealt in the window with the account that an incident began with is another party of it."""
    accounts_min: Count = 3
    """How many incidents of a window are told of however few accounts there are."""
    yields_to: tuple[str, ...] = (
        "structuring", "fan_in", "fan_out", "round_trip", "pass_through", "dormant", "velocity",
        "round_amounts", "sanctioned",
    )  # fmt: skip

    @property
    def quiet_ms(self) -> int:
        """How long an account is not warned of again unless it is more unusual, milliseconds."""
        return int(self.quiet_hours * HOUR_MS)


class DriftParameters(RuleParameters):
    """A market that is no longer as it was."""

    window_hours: Hours = 2
    """Length of the spans of a week that are compared with those of earlier weeks."""
    quiet_hours: Hours = 7 * 24
    """The market is warned of once in this time."""
    alert_at: PositiveShare = 0.55
    """Size of a change: 1 is a doubling or halving, or a quarter more of all payments; 0.58 is
    half as much again."""
    weeks_min: Count = 2
    """Weeks that a span must have been seen in before."""
    payments_min: Count = 15
    """Fewest payments of a span; one with fewer tells nothing."""
    chance: Annotated[float, Field(gt=0, lt=1)] = 0.01
    """ADWIN's delta: how sure it must be that a change is none of chance."""

    @property
    def quiet_ms(self) -> int:
        """How long the market is not warned of again unless more severely, milliseconds."""
        return int(self.quiet_hours * HOUR_MS)


class TypologyParameters(BaseModel):
    """The whole file: a table a rule."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    structuring: StructuringParameters = StructuringParameters()
    fan_in: FanInParameters = FanInParameters()
    fan_out: FanOutParameters = FanOutParameters()
    round_trip: RoundTripParameters = RoundTripParameters()
    pass_through: PassThroughParameters = PassThroughParameters()
    dormant: DormantParameters = DormantParameters()
    velocity: VelocityParameters = VelocityParameters()
    round_amounts: RoundAmountsParameters = RoundAmountsParameters()
    sanctioned: SanctionedParameters = SanctionedParameters()
    anomaly: AnomalyParameters = AnomalyParameters()
    drift: DriftParameters = DriftParameters()

    @property
    def window_ms_max(self) -> int:
        """The longest window of all rules, milliseconds."""
        rules: list[RuleParameters] = [getattr(self, name) for name in type(self).model_fields]
        return max(rule.window_ms for rule in rules)


def load_parameters(path: Path) -> TypologyParameters:
    """Return the parameters in a TOML file.

    Raises:
        ParametersInvalid: it cannot be read, is not TOML, or has a key or value that is not one.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        raise ParametersInvalid("parameters_unreadable", f"{path}: {error.strerror}") from None
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError
        raise ParametersInvalid("parameters_syntax", f"{path} is not TOML: {error}") from None
    try:
        return TypologyParameters.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ParametersInvalid("parameters_invalid", f"{path}: {key}: {first['msg']}") from None
