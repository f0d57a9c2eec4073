"""A convolutional network over rows as images (`images`): series of columns over time.

    learning part ──▶ FOLDS networks, each stopped by the fold it has not seen ──▶ cross-fitted
                      │ the middle one's course                                    probabilities
                      ▼                                                            ▼ calibration
    learning part, all rows ──▶ MEMBERS networks each that follow the course, their logits' mean

Reasons are integrated gradients from the training's mean row, summed over the values that a column
became. What the integration rule misses of the sum is shared among the columns in proportion to the
size of their parts, so that they add up to the score.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import numpy as np
import torch
from torch import Tensor, nn

from analytics.models.attribution import attribute
from analytics.models.calibration import Calibration
from analytics.models.classifier import Classifier
from analytics.models.encoding import by_column
from analytics.models.errors import DataRefused
from analytics.models.image_network import (
    ImageNetwork,
    Said,
    line_parts,
    new_network,
    rows_a_pass,
)
from analytics.models.images import Layout
from analytics.models.limits import IMAGE_CELLS_MAX
from analytics.models.linear import probabilities_of
from analytics.models.network_training import (
    Batch,
    Course,
    Schedule,
    follow,
    load_network,
    outputs,
    parameters_of,
    save_network,
    seeded,
    tensors,
    train,
)

if TYPE_CHECKING:
    from analytics.models.columns import Column
    from analytics.models.interface import Progress, Request
    from analytics.models.tabular import Table

FOLDS: Final = 3
"""Folds that stop trainings and give cross-fitted probabilities."""
MEMBERS: Final = 3
"""Networks whose mean log-odds are the model's."""
EPOCHS_MAX: Final = 60
"""Most epochs of a training."""
BATCH_ROWS_MIN: Final = 32
"""Fewest rows of a batch."""
BATCH_ROWS_MAX: Final = 256
"""Most rows of a batch."""
BATCHES: Final = 32
"""Batches of an epoch, as far as the bounds of their rows let them."""
_LOG_MIN: Final = 1e-6
"""Probability that a logarithm is taken of at least, as in calibration."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Rows:
    """Rows to learn from or to be stopped by."""

    table: Table
    codes: np.ndarray


class CNN(Classifier):
    """A calibrated convolutional network."""

    NAME: ClassVar[str] = "cnn"
    VERSION: ClassVar[int] = 1

    def __init__(
        self,
        layout: Layout,
        networks: Sequence[ImageNetwork],
        *,
        baseline: Sequence[np.ndarray],
        calibration: Calibration,
        course: Course,
        losses: Sequence[float],
    ) -> None:
        """Take networks and the mean row: arrays as `Layout.encode` gives, without rows."""
        self._layout, self._baseline = layout, list(baseline)
        self._networks = [copy.deepcopy(each).double().eval() for each in networks]
        self._calibration, self._course, self._losses = calibration, course, tuple(losses)

    @classmethod
    def learn_first(
        cls,
        features: tuple[Column, ...],
        table: Table,
        codes: np.ndarray,
        *,
        classes: int,
        request: Request,
        progress: Progress,
    ) -> tuple[Self, np.ndarray]:
        """Return a model of the learning part with all choices made, and cross-fitted scores."""
        layout = Layout.of(table, features)
        logits, courses = _crossed(layout, table, codes, classes, request.seed, progress)
        course = sorted(courses, key=lambda each: (each.epochs, each.loss))[len(courses) // 2]
        crossed = probabilities_of(logits)
        calibration = Calibration.of(crossed, codes)
        model = cls._learned(
            layout,
            _Rows(table=table, codes=codes),
            classes=classes,
            course=course,
            losses=[each.loss for each in courses],
            calibration=calibration,
            seed=request.seed,
            progress=progress,
        )
        return model, calibration(crossed)

    def learn_again(self, table: Table, codes: np.ndarray) -> Self:
        """Return a model with the same layout, course and calibration, of other rows."""
        return self._learned(
            self._layout,
            _Rows(table=table, codes=codes),
            classes=len(self.classes),
            course=self._course,
            losses=self._losses,
            calibration=self._calibration,
            seed=self.seed,
            progress=lambda _line: None,
        )

    @classmethod
    def _learned(
        cls,
        layout: Layout,
        rows: _Rows,
        *,
        classes: int,
        course: Course,
        losses: Sequence[float],
        calibration: Calibration,
        seed: int,
        progress: Progress,
    ) -> Self:
        layout = layout.again(rows.table)
        encoded, baseline = _encoded(layout, rows.table)
        batch, networks = _batch(encoded, rows.codes, classes), []
        for member in range(MEMBERS):
            with seeded(seed + member):
                network = new_network(layout, classes)
                follow(
                    network,
                    batch,
                    course,
                    loss=_loss,
                    schedule=_schedule(len(rows.codes)),
                    seed=seed + member,
                    progress=progress,
                    what=f"network {member + 1} of {MEMBERS}",
                )
            networks.append(network)
        return cls(
            layout,
            networks,
            baseline=baseline,
            calibration=calibration,
            course=course,
            losses=losses,
        )

    def probabilities(self, known: Table) -> np.ndarray:
        """Return the calibrated probability of every class, (rows, classes)."""
        return self._calibration(probabilities_of(self._logits(known)))

    def _logits(self, known: Table) -> np.ndarray:
        """Return the networks' mean logits, (rows, outputs)."""
        with seeded(self.seed):
            return np.concatenate([self._asked(rows) for rows in self._passes(known)])

    def _asked(self, rows: Sequence[np.ndarray]) -> np.ndarray:
        inputs = [torch.from_numpy(each) for each in rows]
        said = [outputs(network, *inputs) for network in self._networks]
        return np.asarray(np.mean(said, axis=0))

    def _passes(self, known: Table) -> Iterator[list[np.ndarray]]:
        """Yield the inputs of some rows at a time; what has no place is the mean row's."""
        size = rows_a_pass(self._layout)
        for first in range(0, len(known), size):
            rows = known.take(np.arange(first, min(first + size, len(known))))
            yield _filled(self._layout.encode(rows), self._baseline)

    def _attributed(self, known: Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        logits = self._logits(known)
        with seeded(self.seed):
            raw = self._asked([each[np.newaxis] for each in self._baseline])
        probabilities = self._calibration(probabilities_of(logits))
        baseline = self._calibration(probabilities_of(raw))[0]
        chosen = probabilities.argmax(axis=1)
        parts = self._parts(known, chosen)
        if len(self.classes) == 2:
            shared = _shared(parts, logits[:, 0] - raw[0, 0])
            return probabilities, baseline, attribute(shared, float(raw[0, 0]), self._event)
        gain = probabilities[np.arange(len(chosen)), chosen] - baseline[chosen]
        return probabilities, baseline, _shared(parts, gain)

    def _parts(self, known: Table, chosen: np.ndarray) -> np.ndarray:
        """Return what each column did along the line to what `_said` says, (rows, columns)."""
        names = [column.name for column in self.features]
        owner = np.concatenate([each.ravel() for each in self._layout.owners(names)])
        is_owned, parts, first = owner >= 0, [], 0
        with seeded(self.seed):
            for rows in self._passes(known):
                told = torch.from_numpy(chosen[first : first + len(rows[-1])])
                first += len(rows[-1])
                moved = np.hstack(line_parts(self._said(told), rows, self._baseline))
                parts.append(by_column(moved[:, is_owned], owner[is_owned], len(names)))
        return np.concatenate(parts)

    def _said(self, chosen: Tensor) -> Said:
        """Return what a line is followed on: log-odds, of several classes the likeliest's probability."""

        def said(inputs: Sequence[Tensor]) -> Tensor:
            logits = torch.stack([network(*inputs) for network in self._networks]).mean(dim=0)
            if logits.shape[1] == 1:
                return logits[:, 0]
            if self._calibration.kind != "identity":
                logs = torch.log(torch.clamp(torch.softmax(logits, dim=1), min=_LOG_MIN))
                logits = self._calibration.slope * logs
            return torch.softmax(logits, dim=1).gather(1, chosen[:, None])[:, 0]

        return said

    def _event(self, log_odds: np.ndarray) -> np.ndarray:
        return self._calibration(probabilities_of(log_odds[:, np.newaxis]))[:, 1]

    def document(self) -> Mapping[str, Any]:
        """Return images, trainings and calibration, and what every classifier tells."""
        common = dict(super().document())
        heads = ("image", "series", "steps")
        rows = [
            (str(place), f"{series.columns[0]} … {series.columns[-1]}", str(len(series.columns)))
            for place, image in enumerate(self._layout.images, start=1)
            for series in image.series
        ]
        note = (
            f"Series of columns over time; {len(self._layout.beside)} further columns stand beside "
            "them. Without a series the columns themselves are the image."
        )
        table = {"title": "Images", "note": note, "columns": heads, "rows": rows}
        return {
            **common,
            "tables": [*common["tables"], table],
            "networks": len(self._networks),
            "parameters": sum(map(parameters_of, self._networks)),
            "epochs": self._course.epochs,
            "stopping_losses": list(self._losses),
            "calibration": self._calibration.document(),
        }

    def save(self, folder: Path) -> Mapping[str, Any]:
        """Write the networks' weights; the rest is numbers and names."""
        for place, network in enumerate(self._networks):
            save_network(copy.deepcopy(network).float(), folder / _weights(place))
        return {
            **self._common_state(),
            "layout": self._layout.document(),
            "baseline": [each.tolist() for each in self._baseline],
            "networks": len(self._networks),
            "calibration": self._calibration.document(),
            "course": asdict(self._course),
            "losses": list(self._losses),
        }

    @classmethod
    def load(cls, folder: Path, state: Mapping[str, Any]) -> Self:
        """Return the model that `save` wrote."""
        layout, networks = Layout.load(state["layout"]), []
        for place in range(state["networks"]):
            network = new_network(layout, len(state["classes"]))
            load_network(network, folder / _weights(place))
            networks.append(network)
        course = Course(rates=tuple(state["course"]["rates"]), loss=state["course"]["loss"])
        model = cls(
            layout,
            networks,
            baseline=[np.asarray(each, dtype=np.float64) for each in state["baseline"]],
            calibration=Calibration.load(state["calibration"]),
            course=course,
            losses=state["losses"],
        )
        return model._restore(state)


def _crossed(
    layout: Layout, table: Table, codes: np.ndarray, classes: int, seed: int, progress: Progress
) -> tuple[np.ndarray, list[Course]]:
    """Return each row's logits by the network that has not learned from it, and the trainings."""
    from sklearn.model_selection import StratifiedKFold  # noqa: PLC0415

    if len(codes) * layout.cells > IMAGE_CELLS_MAX:
        detail = f"{len(codes)} rows become {layout.cells} values each; at most {IMAGE_CELLS_MAX}"
        raise DataRefused("data_too_large", f"{detail} are learned from", rows=len(codes))
    folds = min(FOLDS, int(np.bincount(codes, minlength=classes).min()))
    if folds < 2:
        raise DataRefused("too_few_rows", "a class has one row to choose by; two are needed")
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    logits, courses = np.empty((len(codes), 1 if classes == 2 else classes)), []
    for fold, (learned, held_out) in enumerate(splitter.split(codes, codes), start=1):
        rows = table.take(learned)
        own = layout.again(rows)
        encoded, baseline = _encoded(own, rows)
        others = _filled(own.encode(table.take(held_out)), baseline)
        judged = _batch(others, codes[held_out], classes)
        with seeded(seed + fold):
            network = new_network(own, classes)
            course = train(
                network,
                _batch(encoded, codes[learned], classes),
                judged,
                loss=_loss,
                schedule=_schedule(len(learned)),
                seed=seed + fold,
                progress=progress,
                what=f"fold {fold} of {folds}",
            )
            logits[held_out] = outputs(network, *judged[:-1])
        courses.append(course)
    return logits, courses


def _schedule(rows: int) -> Schedule:
    return Schedule(
        epochs_max=EPOCHS_MAX,
        patience_epochs=6,
        slower_epochs=2,
        batch_rows=min(BATCH_ROWS_MAX, max(BATCH_ROWS_MIN, rows // BATCHES)),
        rate=2e-3,
        decay=1e-2,
    )


def _loss(network: nn.Module, batch: Batch) -> Tensor:
    *inputs, true = batch
    said = network(*inputs)
    if said.shape[1] == 1:
        return nn.functional.binary_cross_entropy_with_logits(said[:, 0], true)
    return nn.functional.cross_entropy(said, true)


def _encoded(layout: Layout, table: Table) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return a training's inputs, and their mean row."""
    encoded = layout.encode(table)
    return encoded, [each.mean(axis=0) for each in encoded]


def _filled(rows: Sequence[np.ndarray], baseline: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return inputs with the mean row where a word has no place."""
    return [np.where(np.isnan(each), base, each) for each, base in zip(rows, baseline, strict=True)]


def _batch(rows: Sequence[np.ndarray], codes: np.ndarray, classes: int) -> Batch:
    return tensors(*rows, codes.astype(np.float64 if classes == 2 else np.int64))


def _shared(parts: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Return parts (rows, columns) that add up to a gain (rows,), what is missed by their sizes."""
    sizes = np.abs(parts)
    shares = sizes / np.maximum(sizes.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    return np.asarray(parts + (gain - parts.sum(axis=1))[:, np.newaxis] * shares)


def _weights(place: int) -> str:
    return f"network-{place + 1}.safetensors"
