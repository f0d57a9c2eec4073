"""The JSON documents of published aggregates: what is asked, and what is given."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, with_config
from typing_extensions import TypedDict

from analytics.privacy.limits import BUDGET_EPSILON_MAX, EPSILON_MIN, GROUPS_MAX, PAYMENTS_MAX
from node.api.queries import ASSET_PATTERN, date_time_text

_DESCRIBED = ConfigDict(use_attribute_docstrings=True, extra="forbid")

AMOUNT_PATTERN: Final = "^[1-9][0-9]{0,14}$"
"""A bound in smallest units: with `GROUPS_MAX` groups its sums fit 64 bits."""

MeasureName = Literal["accounts", "payments", "volume"]
GroupingName = Literal["all", "member", "day", "amount"]
Instant = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(date_time_text)]


class AggregateBody(BaseModel):
    """An aggregate to release."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)

    measure: MeasureName
    """Accounts that paid, payments made, or the sum of an asset that was paid."""
    by: GroupingName = "all"
    """Of which groups: one, members of the payers, days (UTC), powers of ten of the amount."""
    epsilon: Annotated[float, Field(ge=EPSILON_MIN, le=BUDGET_EPSILON_MAX, allow_inf_nan=False)]
    """Privacy loss to spend of the year's budget."""
    asset: Annotated[str, Field(pattern=ASSET_PATTERN)] | None = None
    """Asset of the payments; a volume and groups by amount need one."""
    since: Instant | None = None
    """Earliest time of the block; else the beginning of the year of ``until``."""
    until: Instant | None = None
    """Latest time of the block, in the same calendar year; else that of the last block."""
    payments_max: Annotated[int, Field(ge=1, le=PAYMENTS_MAX)] | None = None
    """Payments of an account that count in a group; else 10. For payments alone."""
    amount_max: Annotated[str, Field(pattern=AMOUNT_PATTERN)] | None = None
    """What of an account counts in a group, smallest units. A volume needs it."""
    groups_max: Annotated[int, Field(ge=1, le=GROUPS_MAX)] | None = None
    """Groups that an account counts in; else 7 days, 2 powers of ten, 1 of what else there is."""


@with_config(_DESCRIBED)
class AggregateRowDocument(TypedDict):
    """A group's value."""

    key: str
    """The member, the day, the power of ten in smallest units, or ``all``."""
    value: str
    """Its bounded sum with noise, a whole number that may be below zero; a volume is in smallest
    units."""


@with_config(_DESCRIBED)
class AggregateBoundsDocument(TypedDict):
    """What one account can change at most."""

    contribution_max: str
    """In a group; a volume is in smallest units."""
    groups_max: int
    """Groups that it counts in."""
    sensitivity: str
    """In all values together: the product."""


@with_config(_DESCRIBED)
class AggregateMechanismDocument(TypedDict):
    """How the noise was made."""

    name: Literal["discrete_laplace"]
    scale: float
    """Of the noise: a value's noise is this far from 0 on average, or a little less."""
    unit: Literal["account_year"]
    """What is protected: all that an account paid in the calendar year."""


@with_config(_DESCRIBED)
class PrivacyBudgetDocument(TypedDict):
    """A calendar year's budget after a release."""

    year: int
    """Year of the payments (UTC), whenever they are asked for."""
    epsilon: float
    """The budget."""
    spent: float
    """Privacy loss of all releases of this year up to this one."""
    left: float


@with_config(_DESCRIBED)
class AggregateDocument(TypedDict):
    """An aggregate as it was released."""

    release: int
    """Number, in the order of releases."""
    time: str
    officer: str
    """Key of the officer who asked, hex."""
    measure: MeasureName
    by: GroupingName
    asset: str | None
    since: str
    until: str
    height: int
    """Last block that is in it."""
    rows: list[AggregateRowDocument]
    """All groups that there could be, whether anybody paid in them or not."""
    accuracy_95: str
    """How far a value is from the bounded sum at most, 95 times of 100. What the bounds cut off
    comes on top."""
    bounds: AggregateBoundsDocument
    mechanism: AggregateMechanismDocument
    epsilon: float
    """Privacy loss of this release."""
    budget: PrivacyBudgetDocument
