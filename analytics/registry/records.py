"""What the registry keeps, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

RULES: Final = "rules"
"""Method of what nobody trained: typologies, the anomaly detector, risk scores."""
MODEL_ID_HEX: Final = 16
"""Digits of a model's id: the beginning of its manifest's SHA-256."""
ID_BYTES: Final = 8
"""Random bytes of the ids of trainings and proposals."""


class Standing(StrEnum):
    """What a version is to its series."""

    CANDIDATE = "candidate"
    """Trained; nobody has decided about it."""
    CHALLENGER = "challenger"
    """Compared with the champion, without a say."""
    CHAMPION = "champion"
    """The one that answers for its series; there is one at most."""
    RETIRED = "retired"
    """Answered once, or was turned down; may be taken back."""


class TrainingState(StrEnum):
    """How far a training is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class ProposalState(StrEnum):
    """What became of a proposal to train again."""

    OPEN = "open"
    ACCEPTED = "accepted"
    DISMISSED = "dismissed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRange:
    """Blocks that a model learned from."""

    from_height: int
    """The first block whose payments are in its features."""
    to_height: int
    """The last block that it learned from: of features, or of what came of accounts."""
    block_hash: str
    """Hash of that last block, hex: which chain it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A champion, measured on the rows that a later version learned from and was judged on."""

    champion: str
    """Its id."""
    metrics: Mapping[str, float]
    """Its measures on all of those rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVersion:
    """A version to enter; its folder lies beside the registry's own."""

    series: str
    """What it is a version of: the question that it answers."""
    method: str
    """Name in the models' catalog, or ``rules``."""
    data: DataRange | None
    """Blocks that it learned from; None of rules, which learned from none."""
    seed: int | None
    """Where its chance came from; None of rules."""
    rows: int | None
    """Rows that it learned from; None of rules."""
    metrics: Mapping[str, float]
    """Measures on rows that it did not learn from; none of rules."""
    reference: Mapping[str, Any]
    """Where each feature lay in training (`analytics.models.measures.Reference`), by name."""
    compared: Compared | None
    """How the champion of its day did on the same blocks; None where there was none."""
    by: str | None
    """Key of the officer who asked for it, hex; None: the process by itself."""
    training: str | None
    """The training that made it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version of a model, as it stands now."""

    id: str
    """First 16 hex digits of the manifest's SHA-256."""
    series: str
    """What it is a version of."""
    version: int
    """Number within the series, from 1."""
    method: str
    """Name in the models' catalog, or ``rules``."""
    data: DataRange | None
    """Blocks that it learned from."""
    seed: int | None
    """Where its chance came from."""
    rows: int | None
    """Rows that it learned from."""
    metrics: Mapping[str, float]
    """Measures on rows that it did not learn from."""
    reference: Mapping[str, Any]
    """Where each feature lay in training, by name."""
    compared: Compared | None
    """How the champion of its day did on the same blocks."""
    card_hash: str
    """SHA-256 of ``card.md``, hex: what is attested as ``model_card``."""
    manifest_hash: str
    """SHA-256 of ``model.json``, which names every file's hash: what is attested as ``model``."""
    state: Standing
    """What it is to its series."""
    created_ms: int
    """When it was entered, milliseconds since 1970-01-01 UTC."""
    by: str | None
    """Key of the officer who asked for it; None: the process by itself."""
    training: str | None
    """The training that made it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A training that is asked for."""

    series: str
    """What it is to be a version of."""
    method: str
    """Name in the models' catalog."""
    seed: int
    """Where its chance comes from."""
    height: int | None
    """The last block to learn from; None: the last one there is."""
    features: tuple[str, ...] | None
    """Features to learn from; None: all that say something."""
    by: str | None
    """Key of the officer who asks; None: the process by itself."""
    proposal: str | None = None
    """The proposal that it follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a training ended."""

    model: str | None = None
    """Id of what it made; None when it failed."""
    code: str | None = None
    """Why it failed; stable."""
    detail: str | None = None
    """The same in words."""
