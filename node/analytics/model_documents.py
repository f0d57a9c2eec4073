"""The JSON documents of the regulator's models: versions, trainings, proposals to train again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, with_config
from typing_extensions import TypedDict

from analytics.registry.plots import Form
from analytics.registry.records import (
    ID_BYTES,
    MODEL_ID_HEX,
    ProposalState,
    Standing,
    TrainingState,
)
from analytics.registry.series import METHODS, SERIES
from ledger.transactions import HEIGHT_MAX
from node.api.attestation_documents import DocumentKindName

_DESCRIBED = ConfigDict(use_attribute_docstrings=True, extra="forbid")

MODEL_PATTERN: Final = f"^[0-9a-f]{{{MODEL_ID_HEX}}}$"
TRAINING_PATTERN: Final = f"^training-[0-9a-f]{{{2 * ID_BYTES}}}$"
PROPOSAL_PATTERN: Final = f"^proposal-[0-9a-f]{{{2 * ID_BYTES}}}$"
NAME_PATTERN: Final = "^[a-z][a-z0-9_-]{0,39}$"
REASON_CHARACTERS_MAX: Final = 1_000
SEED_MAX: Final = 2**32 - 1
FEATURES_MAX: Final = 100
"""Most features that a training may name."""

if TYPE_CHECKING:
    StandingName = str
    PromotedName = str
    SeriesName = str
    MethodName = str
    TrainingStateName = str
    ProposalStateName = str
    DecisionName = str
    FormName = str
else:  # mypy reads no computed literals, and what there is must stand in one place
    StandingName = Literal[tuple(map(str, Standing))]
    PromotedName = Literal[tuple(str(one) for one in Standing if one is not Standing.CANDIDATE)]
    SeriesName = Literal[tuple(SERIES)]
    MethodName = Literal[METHODS]
    TrainingStateName = Literal[tuple(map(str, TrainingState))]
    ProposalStateName = Literal[tuple(map(str, ProposalState))]
    DecisionName = Literal[
        tuple(str(one) for one in ProposalState if one is not ProposalState.OPEN)
    ]
    FormName = Literal[tuple(map(str, Form))]
NameText = Annotated[str, Field(pattern=NAME_PATTERN)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class TrainingBody(_Body):
    """A model to train on the ledger's features."""

    series: SeriesName
    """The question that it is to answer."""
    method: MethodName | None = None
    """The model that is to answer it; the usual one of the series unless told."""
    seed: Annotated[int, Field(ge=0, le=SEED_MAX)] = 0
    """Where all chance comes from: the same blocks and seed give the same model."""
    height: Annotated[int, Field(ge=0, le=HEIGHT_MAX)] | None = None
    """Last block to learn from; the last one that detection has done unless told."""
    features: Annotated[list[NameText], Field(min_length=1, max_length=FEATURES_MAX)] | None = None
    """Features to learn from; all that say something unless told."""


class PromotionBody(_Body):
    """What a version is to be to its series."""

    state: PromotedName = Standing.CHAMPION.value
    reason: Annotated[str, Field(max_length=REASON_CHARACTERS_MAX)] = ""
    """Why; it stays in the version's history."""


class DecisionBody(_Body):
    """What an officer decides about a proposal to train again."""

    decision: DecisionName
    note: Annotated[str, Field(max_length=REASON_CHARACTERS_MAX)] = ""
    """Why; it stays with the proposal."""


@with_config(_DESCRIBED)
class DataRangeDocument(TypedDict):
    """Blocks that a model learned from."""

    from_height: int
    """The first block whose payments are in its features."""
    to_height: int
    """The last block that it learned from."""
    block_hash: str
    """Hash of that block."""


@with_config(_DESCRIBED)
class ComparedDocument(TypedDict):
    """A champion, measured on the rows of a later version's training."""

    champion: str
    """Its id."""
    metrics: dict[str, float]
    """Its measures on all of those rows; blocks after its own it has not seen."""


@with_config(_DESCRIBED)
class ModelAttestationDocument(TypedDict):
    """An attestation on the chain of a model's card or manifest, under the model's id."""

    kind: DocumentKindName
    """``model_card`` for the card, ``model`` for the manifest."""
    member: str
    revision: int
    sha256: str
    height: int
    txid: str


@with_config(_DESCRIBED)
class ModelEntryDocument(TypedDict):
    """A version of a model."""

    id: str
    """First 16 hex digits of the manifest's SHA-256."""
    series: str
    """The question that it answers; of a rule its name."""
    version: int
    """Number within the series, from 1."""
    method: str
    """The model in the catalog; ``rules`` for what nobody trained."""
    state: StandingName
    """``champion``: the one that answers for its series."""
    data: DataRangeDocument | None
    """Null of rules."""
    seed: int | None
    rows: int | None
    """Rows that it learned from."""
    metrics: dict[str, float]
    """Measures on rows that it did not learn from."""
    compared: ComparedDocument | None
    """How the champion of its day did on the same rows; null where there was none."""
    card_hash: str
    """SHA-256 of the card."""
    manifest_hash: str
    """SHA-256 of the manifest, which names the hash of every file, the card's among them."""
    created: str
    by: str | None
    """Key of the officer who asked for the training, hex; null for the process itself."""
    training: str | None
    attestations: list[ModelAttestationDocument]
    """What says on the chain that these bytes are stood by."""


@with_config(_DESCRIBED)
class ModelStepDocument(TypedDict):
    """A step of a version's history; it is never changed."""

    time: str
    by: str | None
    """Key of the officer who took it, hex; null for the process itself."""
    state: StandingName
    reason: str


@with_config(_DESCRIBED)
class ModelDocument(ModelEntryDocument):
    """A version of a model with its card and history."""

    card: str
    """Markdown; its bytes in UTF-8 have the card's hash."""
    history: list[ModelStepDocument]


@with_config(_DESCRIBED)
class TraceDocument(TypedDict):
    """Pairs of a plot that belong together."""

    name: str
    """What they are; empty where the plot has no other trace."""
    form: FormName
    """How they are drawn: a bar for each pair, a line through them, a point each."""
    across: list[float] | list[str]
    """Where each stands: numbers, or names in their order."""
    up: list[float]
    """How high each is."""


@with_config(_DESCRIBED)
class PlotDocument(TypedDict):
    """A plot of a model, as figures."""

    name: str
    """Which one (docs/models.md); a model has each once."""
    title: str
    note: str
    """How to read it."""
    across: str
    """Title of the axis of `across`."""
    up: str
    """Title of the axis of `up`."""
    traces: list[TraceDocument]
    """Drawn one over the other."""


@with_config(_DESCRIBED)
class PlotsDocument(TypedDict):
    """The figures of a model's plots, out of what it kept of its training."""

    id: str
    plots: list[PlotDocument]
    """The most telling first; none of a rule."""


@with_config(_DESCRIBED)
class TrainingDocument(TypedDict):
    """A training."""

    id: str
    series: str
    method: str
    seed: int
    height: int | None
    """Last block that was asked for; null for the last one there is."""
    features: list[str] | None
    by: str | None
    """Key of the officer who asked for it, hex; null for the process itself."""
    proposal: str | None
    """The proposal that it follows."""
    state: TrainingStateName
    asked: str
    started: str | None
    ended: str | None
    progress: str
    """The latest line of how far it is."""
    model: str | None
    """Id of the version that it made."""
    code: str | None
    """Why it failed; stable."""
    detail: str | None


@with_config(_DESCRIBED)
class RetrainReasonDocument(TypedDict):
    """Why to train again."""

    kind: Literal["drift_alert", "feature_shift"]
    name: str
    """Id of the alert, or name of the feature."""
    value: float
    """Score of the alert, or the feature's population stability index since the training."""
    text: str


@with_config(_DESCRIBED)
class RetrainProposalDocument(TypedDict):
    """A proposal to train a series again; nothing trains again without an officer."""

    id: str
    series: str
    model: str
    """Id of the champion that it is about."""
    height: int
    """Block at which it was made."""
    time: str
    reasons: list[RetrainReasonDocument]
    state: ProposalStateName
    decided_by: str | None
    """Key of the officer who decided, hex."""
    decided: str | None
    note: str | None
    training: str | None
    """The training that follows from it."""
