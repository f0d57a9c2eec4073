"""What models of classes have in common: how they are trained, judged, asked and kept.

    rows ──split──▶ learning part ──choices by cross-fitting──▶ judged model ──▶ held-out measures
      └──────────────────────── all rows, the same choices ────────────────────▶ the model kept

What is chosen (strength, tuning, calibration) is chosen within the learning part; the held-out rows
measure, and nothing is chosen by them. With a time column the latest rows are held out.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar, Self

from analytics.models.columns import require, survey
from analytics.models.errors import DataRefused
from analytics.models.interface import Importance, Metrics, Model, Part, Prediction, Request
from analytics.models.limits import IMPORTANCE_ROWS_MAX, PREDICTION_CELLS_MAX, PREDICTION_ROWS
from analytics.models.measures import Reference, class_measures, reliability, score_of
from analytics.models.reasons import reasons_of
from analytics.models.splitting import codes_of, labels_of, split_rows, target_of

if TYPE_CHECKING:
    import numpy as np

    from analytics.models.columns import Column, Survey
    from analytics.models.interface import Progress, Reason
    from analytics.models.tabular import Table


class ClassModel(Model):
    """A model of a target's classes; of two the second is the positive one."""

    PARTS: ClassVar[frozenset[Part]] = frozenset({Part.TARGET})

    target: str
    """Column that it predicts."""
    classes: tuple[str, ...]
    """Its values."""
    reference: Reference
    """Where the cross-fitted scores of the training lay."""
    reliability_bands: Sequence[Mapping[str, Any]]
    """What was said of held-out rows, and what came."""
    importances: tuple[Importance, ...]
    """Mean size of contributions on held-out rows."""

    @classmethod
    def surveyed(cls, table: Table, request: Request, target: str) -> Survey:
        """Return which columns to learn from, and which not.

        Raises: DataRefused with what is wrong with the columns.
        """
        parts = {target, request.time, request.text}
        reserved = {name for name in parts if name is not None}
        return survey(table, named=request.features, reserved=reserved)

    @classmethod
    def fit(cls, table: Table, request: Request, progress: Progress) -> Self:
        """Return a model learned from a table, with its `metrics` on held-out rows."""
        target = target_of(table, request)
        surveyed = cls.surveyed(table, request, target.name)
        split = split_rows(table, request, target.codes)
        _refuse_absent(target.codes[split.train], target.classes, split.how)
        known = require(table, surveyed.features)
        learned, held_out = known.take(split.train), known.take(split.test)
        first, crossed = cls.learn_first(
            surveyed.features,
            learned,
            target.codes[split.train],
            classes=len(target.classes),
            request=request,
            progress=progress,
        )
        first.target, first.classes = target.name, target.classes
        first.features, first.seed = surveyed.features, request.seed
        first.reference = Reference.of(score_of(crossed))
        progress("measuring on held-out rows")
        codes, probabilities = target.codes[split.test], first.probabilities(held_out)
        progress("learning from all rows")
        model = first.learn_again(known, target.codes)
        model.target, model.classes = target.name, target.classes
        model.seed, model.split = request.seed, split.document()
        model.features, model.excluded = surveyed.features, surveyed.excluded
        model.metrics = {
            **first.measured(codes, probabilities),
            **first.measured_beside(held_out, codes),
        }
        model.reference = first.reference
        model.reliability_bands = reliability(codes, probabilities)
        model.importances = first.leanings(held_out)
        return model

    @classmethod
    @abstractmethod
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
        """Return a model of the learning part, and probabilities of rows it was not fitted to."""

    @abstractmethod
    def learn_again(self, table: Table, codes: np.ndarray) -> Self:
        """Return a model with the same choices, learned from other rows."""

    @abstractmethod
    def probabilities(self, known: Table) -> np.ndarray:
        """Return the probability of every class, (rows, classes), for a table from `require`."""

    @abstractmethod
    def reasoned(self, known: Table) -> Iterator[tuple[np.ndarray, tuple[Reason, ...]]]:
        """Yield each row's probabilities (classes,), and reasons that add up to its score."""

    @abstractmethod
    def leanings(self, held_out: Table) -> tuple[Importance, ...]:
        """Return the features by the mean size of their contributions in a table."""

    def predict(self, table: Table) -> Iterator[Prediction]:
        """Yield the likeliest class of each row.

        The score is the positive class's probability, of several the likeliest's; the reasons add
        up to it, beginning with the baseline's.
        """
        known = require(table, self.features)
        labels = labels_of(self.classes)
        for first, rows in self._chunks(known):
            for place, (probabilities, reasons) in enumerate(self.reasoned(rows)):
                yield Prediction(
                    row=first + place + 1,
                    prediction=labels[int(probabilities.argmax())],
                    score=float(score_of(probabilities[None])[0]),
                    reasons=reasons,
                )

    def _chunks(self, known: Table) -> Iterator[tuple[int, Table]]:
        import numpy as np  # noqa: PLC0415

        cells = max(1, len(self.features) * len(self.classes))
        size = max(1, min(PREDICTION_ROWS, PREDICTION_CELLS_MAX // cells))
        for first in range(0, len(known), size):
            yield first, known.take(np.arange(first, min(first + size, len(known))))

    def evaluate(self, table: Table) -> Metrics:
        """Return the measures of the model on a table with the target."""
        codes = codes_of(table, self.target, self.classes)
        known = require(table, self.features)
        measures = self.measured(codes, self.probabilities(known))
        return {**measures, **self.measured_beside(known, codes)}

    def measured(self, codes: np.ndarray, probabilities: np.ndarray) -> Metrics:
        """Return the measures of probabilities, with their stability since the training."""
        psi = self.reference.stability(score_of(probabilities))
        return {**class_measures(codes, probabilities), "psi": psi}

    def measured_beside(self, known: Table, codes: np.ndarray) -> Metrics:
        """Return measures of a plainer model on the same rows, where the model brings one."""
        del known, codes
        return {}

    def explain(self) -> tuple[Importance, ...]:
        """Return the columns by the mean size of their contributions on held-out rows."""
        return self.importances

    def document(self) -> Mapping[str, Any]:
        """Return the classes and the reliability table of held-out rows."""
        heads = ("from", "to", "share", "predicted", "observed")
        rows = [[f"{band[head]:.4f}" for head in heads] for band in self.reliability_bands]
        note = "What was said of held-out rows, and what came."
        table = {"title": "Reliability", "note": note, "columns": heads, "rows": rows}
        return {
            "classes": list(self.classes),
            "reliability": list(self.reliability_bands),
            "tables": [table],
        }

    def plots(self, folder: Any) -> tuple[str, ...]:
        """Write the reliability of held-out rows."""
        from analytics.models.plotting import reliability_plot, written  # noqa: PLC0415

        return written(folder, {"reliability.png": reliability_plot(self.reliability_bands)})

    def _common_state(self) -> Mapping[str, Any]:
        """Return what `_restore` takes back."""
        return {
            "target": self.target,
            "classes": list(self.classes),
            "reference": asdict(self.reference),
            "reliability": list(self.reliability_bands),
            "importances": [asdict(each) for each in self.importances],
        }

    def _restore(self, state: Mapping[str, Any]) -> Self:
        self.target, self.classes = state["target"], tuple(state["classes"])
        edges, shares = state["reference"]["edges"], state["reference"]["shares"]
        self.reference = Reference(edges=tuple(edges), shares=tuple(shares))
        self.reliability_bands = state["reliability"]
        self.importances = tuple(Importance(**each) for each in state["importances"])
        return self


class Classifier(ClassModel):
    """A model of classes that learns from columns, each of which has a part in a score."""

    @abstractmethod
    def _attributed(self, known: Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return probabilities (rows, classes), the baseline's (classes,) and contributions.

        The contributions (rows, columns) are to the probability of the positive class, or of the
        likeliest of several, and add up to it with its baseline.
        """

    def reasoned(self, known: Table) -> Iterator[tuple[np.ndarray, tuple[Reason, ...]]]:
        """Yield each row's probabilities (classes,), and reasons that add up to its score."""
        names = [column.name for column in self.features]
        probabilities, baseline, parts = self._attributed(known)
        for place, row in enumerate(known.frame.itertuples(index=False, name=None)):
            told = 1 if len(self.classes) == 2 else int(probabilities[place].argmax())
            reasons = reasons_of(
                names,
                row,
                parts[place],
                baseline=float(baseline[told]),
                unit=f"to the probability of {self.target} = {self.classes[told]}",
            )
            score = float(score_of(probabilities[place][None])[0])
            yield probabilities[place], self._annotated(reasons, score)

    def _annotated(self, reasons: tuple[Reason, ...], score: float) -> tuple[Reason, ...]:
        """Return reasons with what else the model says of them in their texts."""
        del score
        return reasons

    def leanings(self, held_out: Table) -> tuple[Importance, ...]:
        """Return the columns by the mean size of their contributions in a table."""
        import numpy as np  # noqa: PLC0415

        picked = np.linspace(0, len(held_out) - 1, min(len(held_out), IMPORTANCE_ROWS_MAX))
        rows = held_out.take(np.unique(picked.astype(np.intp)))
        sizes = np.zeros(len(self.features))
        for _, chunk in self._chunks(rows):
            sizes += np.abs(self._attributed(chunk)[2]).sum(axis=0)
        ranked = np.argsort(-sizes, kind="stable")
        return tuple(
            Importance(
                feature=self.features[place].name, importance=float(sizes[place] / len(rows))
            )
            for place in ranked
        )


def _refuse_absent(codes: np.ndarray, classes: tuple[str, ...], how: str) -> None:
    """Raise when a class is nowhere in the learning part, as one that is new in time."""
    import numpy as np  # noqa: PLC0415

    absent = sorted(set(range(len(classes))) - set(np.unique(codes).tolist()))
    if absent:
        named = ", ".join(classes[place] for place in absent)
        detail = f"no row to learn from has the class {named}; split {how}"
        raise DataRefused("class_only_later", detail, classes=named)
