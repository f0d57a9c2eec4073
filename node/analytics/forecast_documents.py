"""The JSON documents of forecasts."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

_DESCRIBED = ConfigDict(use_attribute_docstrings=True, extra="forbid")
SpanName: TypeAlias = Literal["second", "minute", "hour", "day"]
Unit: TypeAlias = Literal["payments", "accounts", "smallest units"]


@with_config(_DESCRIBED)
class SeriesDocument(TypedDict):
    """A series of the ledger that can be forecast."""

    series: str
    """Its name: ``payments``, ``active-accounts``, ``volume:ASSET``, ``outflow:MEMBER:ASSET``,
    ``inflow:MEMBER:ASSET``."""
    about: str
    """What each of its values is."""
    unit: Unit


@with_config(_DESCRIBED)
class SeriesListDocument(TypedDict):
    """The series that there are; the answer where ``series`` is left out."""

    items: list[SeriesDocument]
    spans: list[SpanName]
    """What a step may be, the shortest first."""
    horizon_max: int
    """Most steps of a forecast."""
    truncated: bool
    """Whether there are more series than a list has."""


@with_config(_DESCRIBED)
class SpanValueDocument(TypedDict):
    """What a series was in a span."""

    time: str
    """When the span began."""
    value: int


@with_config(_DESCRIBED)
class ForecastStepDocument(TypedDict):
    """What a series will be in a span."""

    step: int
    """Spans after the last whole one, from 1."""
    time: str
    """When the span begins."""
    value: float
    """The median."""
    lower: float
    """Lower end of the interval that should hold 80 of 100 values; nothing is below 0."""
    upper: float
    """Upper end of it."""
    naive: float
    """What the last span, or the last season, says: the line to beat."""


@with_config(_DESCRIBED)
class ForecastModelDocument(TypedDict):
    """What a forecast was made with (docs/models.md)."""

    name: str
    version: int
    order: str
    """(p,d,q)(P,D,Q)[season] of the ARIMA model."""
    season: int
    """Spans of its season; 1 without one."""
    coverage: float
    """Share of the values that an interval should hold."""


@with_config(_DESCRIBED)
class BacktestDocument(TypedDict):
    """Forecasts from the series' own past, beside what came then."""

    origins: float
    """How many forecasts were judged, each made from what was known before it alone."""
    mae: float
    """Mean absolute error."""
    naive_mae: float
    """The same of the last value."""
    seasonal_naive_mae: float
    """The same of the last season."""
    rmse: float
    """Root of the mean squared error."""
    coverage: float
    """Share of the values that the intervals held."""
    skill: float
    """1 - mae / the better of the two lines; below 0 where the model is worse."""


@with_config(_DESCRIBED)
class ForecastDataDocument(TypedDict):
    """What a forecast was made from."""

    spans: int
    since: str
    """Begin of the first span."""
    until: str
    """End of the last whole span."""
    first_height: int | None
    """First block within them; null where the chain stood still."""
    last_height: int | None
    """Last block within them."""


@with_config(_DESCRIBED)
class ForecastDocument(TypedDict):
    """A forecast. Its values are numbers, for an estimate is no amount."""

    series: str
    about: str
    unit: Unit
    span: SpanName
    """What a step is."""
    horizon: int
    """How many there are."""
    history: list[SpanValueDocument]
    """The latest whole spans, the oldest first."""
    steps: list[ForecastStepDocument]
    model: ForecastModelDocument
    backtest: BacktestDocument
    beats_naive: bool
    """Whether the model's error in the back-test is below both lines'; where it is not, go by
    ``naive``."""
    data: ForecastDataDocument


ForecastsAnswerDocument: TypeAlias = ForecastDocument | SeriesListDocument
