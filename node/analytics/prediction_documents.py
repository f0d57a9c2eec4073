"""The JSON documents of predictions."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from analytics.serving.limits import PREDICT_ROWS_MAX
from node.analytics.model_documents import StandingName
from node.api.queries import ACCOUNT_PATTERN

MODEL_PATTERN = "^[a-z0-9][a-z0-9_-]{0,63}(/[0-9]{1,9})?$"
"""A version's id, a series with a version's number, or a series."""

_DESCRIBED = ConfigDict(use_attribute_docstrings=True, extra="forbid")
Value: TypeAlias = str | int | float | bool | None
ModelText: TypeAlias = Annotated[str, Field(pattern=MODEL_PATTERN)]


@with_config(_DESCRIBED)
class RowsDocument(TypedDict):
    """Rows to predict."""

    model: ModelText
    """A version's id, ``SERIES/NUMBER``, or a series, whose champion answers."""
    rows: Annotated[list[dict[str, Value]], Field(min_length=1, max_length=PREDICT_ROWS_MAX)]
    """Values by column: one for each that the model learned from, null where it is missing; other
    columns are passed over."""


@with_config(_DESCRIBED)
class AccountsDocument(TypedDict):
    """Accounts to predict, by the features of the week up to the last block in the warehouse."""

    model: ModelText
    accounts: Annotated[
        list[Annotated[str, Field(pattern=ACCOUNT_PATTERN)]],
        Field(min_length=1, max_length=PREDICT_ROWS_MAX),
    ]


PredictDocument: TypeAlias = RowsDocument | AccountsDocument


@with_config(_DESCRIBED)
class PredictionDocument(TypedDict):
    """What a model says of a row."""

    row: int
    """The row, from 1."""
    prediction: str | int | float | bool
    """The class, the group, or whether it is an outlier."""
    score: float | list[float]
    """Probability of the event where there is one; else what the model says (docs/models.md)."""


@with_config(_DESCRIBED)
class PredictionReasonDocument(TypedDict):
    """What a feature did to a score."""

    feature: str
    """The column; in parentheses what is none: ``(baseline)``, ``(others)``."""
    value: Value
    """Its value in the row."""
    contribution: float
    """What it adds to the score; of a probability all of them add up to it."""
    text: str


@with_config(_DESCRIBED)
class UnlikeDocument(TypedDict):
    """A column in which some rows are unlike what the model learned from."""

    column: str
    check: Literal["range", "category", "gaps"]
    """``range``: below the least or above the largest number; ``category``: a word that training
    did not have; ``gaps``: no value, where training had none missing."""
    rows: int
    """How many rows."""
    share: float
    """Their share of all rows, 0 to 1."""
    first_rows: list[int]
    """The first of them, from 1."""
    text: str
    """The same in words."""


@with_config(_DESCRIBED)
class AnsweringModelDocument(TypedDict):
    """The version that answered."""

    id: str
    version: int
    """Number within its series."""
    card_hash: str
    """SHA-256 of its card, which is attested on the chain."""
    series: str
    method: str
    """Name of the model (docs/models.md)."""
    state: StandingName
    """What it is to its series."""


@with_config(_DESCRIBED)
class PredictionsDocument(TypedDict):
    """Predictions and their reasons, in the order of the rows."""

    predictions: list[PredictionDocument]
    reasons: list[list[PredictionReasonDocument]]
    """For each row, the largest first, after the baseline if there is one."""
    quality: list[UnlikeDocument]
    """Where rows are unlike what the model learned from: it has never seen the like of them, and
    predicts them all the same. Empty where all are like it."""
    model: AnsweringModelDocument
    height: int | None
    """Last block of the accounts' features; null where rows were given."""
