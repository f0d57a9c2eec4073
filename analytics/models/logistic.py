"""Logistic regression with a scorecard (Cox, 1958; Hosmer, Lemeshow and Sturdivant, 2013).

    log-odds of the event = b + Σ w · x        x: the design of the row (`design`)
    several classes: p ∝ exp(b + W x)

The weights have a squared penalty. Its strength, and whether numbers have bins beside their linear
term, are those of least cross-validated log-loss. A slope and an intercept (several classes: a slope)
learned from the cross-fitted log-odds calibrate it and are multiplied into the weights, so that it
remains one linear model: the scorecard is the model and no picture of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from analytics.models.attribution import attribute, attribute_classes
from analytics.models.calibration import (
    CALIBRATION_ROWS_MIN,
    best_line,
    best_power,
    sigmoid,
    softmax,
)
from analytics.models.classifier import Classifier
from analytics.models.design import (
    Design,
    Term,
    encode,
    load_term,
    owners_of,
    term_document,
    terms_of,
)
from analytics.models.encoding import by_column
from analytics.models.errors import DataRefused
from analytics.models.limits import CHOICE_ROWS_MAX, DESIGN_CELLS_MAX
from analytics.models.linear import fitted, probabilities_of, sampled, slopes_of
from analytics.models.scorecard import part_points, points_table, score_points, scorecard

if TYPE_CHECKING:
    import numpy as np

    from analytics.models.columns import Column
    from analytics.models.interface import Progress, Reason, Request
    from analytics.models.tabular import Table

STRENGTHS: Final = (0.001, 0.01, 0.03, 0.1, 1.0)
"""Inverse strengths of the penalty that are tried, scikit-learn's ``C``."""
FOLDS: Final = 5
"""Folds of the learning part by which strength and design are chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What was chosen, by which figure."""

    design: Design
    """What numbers become."""
    strength: float
    """Inverse strength of the penalty."""
    log_loss: float
    """Its cross-validated log-loss, before calibration."""
    slope: float = 1.0
    """Factor of the log-odds that calibrates them."""
    intercept: float = 0.0
    """Added to the log-odds of two classes after the factor."""


class Logistic(Classifier):
    """A penalised logistic regression; of two classes a scorecard too."""

    NAME: ClassVar[str] = "logistic"
    VERSION: ClassVar[int] = 1

    def __init__(
        self,
        terms: tuple[Term, ...],
        weights: np.ndarray,
        means: np.ndarray,
        *,
        baseline: np.ndarray,
        choice: Choice,
        tried: Sequence[Choice],
        card: Mapping[str, Any] | None,
    ) -> None:
        """Take weights (outputs, columns of the design), the design's means and their log-odds."""
        self._terms, self._weights, self._means = terms, weights, means
        self._baseline, self._choice, self._tried, self._card = baseline, choice, tried, card

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
        import numpy as np  # noqa: PLC0415

        rows = sampled(codes, CHOICE_ROWS_MAX, request.seed)
        drawn, true = table.take(rows), codes[rows]
        crossed: list[tuple[Choice, np.ndarray]] = []
        for design in Design:
            progress(f"cross-validating {design.value}: {len(STRENGTHS)} strengths, {FOLDS} folds")
            crossed += _crossed(features, drawn, true, design, classes, request.seed)
        tried = [choice for choice, _ in crossed]
        choice, logits = min(crossed, key=lambda each: each[0].log_loss)
        if len(true) >= CALIBRATION_ROWS_MIN:
            if classes == 2:
                slope, intercept = best_line(logits[:, 0], true)
                choice = replace(choice, slope=slope, intercept=intercept)
            else:
                choice = replace(choice, slope=best_power(logits, true))
        logits = choice.slope * logits + choice.intercept
        progress(f"chosen: {choice.design.value}, C = {choice.strength:g}")
        model = cls._learned(features, table, codes, choice=choice, tried=tried, classes=classes)
        return model, np.asarray(probabilities_of(logits))

    def learn_again(self, table: Table, codes: np.ndarray) -> Self:
        """Return a model with the same choices, learned from other rows."""
        return self._learned(
            self.features,
            table,
            codes,
            choice=self._choice,
            tried=self._tried,
            classes=len(self.classes),
        )

    @classmethod
    def _learned(
        cls,
        features: Sequence[Column],
        table: Table,
        codes: np.ndarray,
        *,
        choice: Choice,
        tried: Sequence[Choice],
        classes: int,
    ) -> Self:
        terms = terms_of(table, features, choice.design)
        values = encode(_affordable(terms, len(table)), table)
        weights, intercepts = fitted(values, codes, choice.strength)
        weights = choice.slope * weights
        means = values.mean(axis=0)
        baseline = choice.slope * intercepts + choice.intercept + weights @ means
        card = None
        if classes == 2:
            each = _by_term(terms, weights[0]), _by_term(terms, means)
            card = scorecard(terms, *each, float(baseline[0]), (table, codes == 1))
        return cls(terms, weights, means, baseline=baseline, choice=choice, tried=tried, card=card)

    def _centred(self, known: Table) -> np.ndarray:
        """Return the design about its means; what has no place is average."""
        import numpy as np  # noqa: PLC0415

        return np.asarray(np.nan_to_num(encode(self._terms, known) - self._means, nan=0.0))

    def probabilities(self, known: Table) -> np.ndarray:
        """Return the probability of every class, (rows, classes)."""
        import numpy as np  # noqa: PLC0415

        chunks = [
            probabilities_of(self._centred(rows) @ self._weights.T + self._baseline)
            for _, rows in self._chunks(known)
        ]
        return np.concatenate(chunks)

    def _attributed(self, known: Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        import numpy as np  # noqa: PLC0415

        centred, owner = self._centred(known), owners_of(self._terms)
        columns = len(self._terms)
        moves = [by_column(centred * weights, owner, columns) for weights in self._weights]
        baseline = probabilities_of(self._baseline[np.newaxis])[0]
        logits = np.stack([each.sum(axis=1) for each in moves], axis=1) + self._baseline
        probabilities = probabilities_of(logits)
        if len(self._weights) == 1:
            parts = attribute(moves[0], float(self._baseline[0]), sigmoid)
        else:
            parts = attribute_classes(
                np.stack(moves, axis=2),
                self._baseline,
                probabilities.argmax(axis=1),
                function=softmax,
                slopes=slopes_of,
            )
        return probabilities, baseline, parts

    def _annotated(self, reasons: tuple[Reason, ...], score: float) -> tuple[Reason, ...]:
        """Return reasons that tell the whole score in points too, where there is a scorecard."""
        import numpy as np  # noqa: PLC0415

        if self._card is None:
            return reasons
        inside = float(np.clip(score, 1e-15, 1.0 - 1e-15))
        log_odds = float(np.log(inside / (1.0 - inside)))
        base, total = self._card["base_points"], score_points(log_odds)
        moved = log_odds - float(self._baseline[0])
        gained = score - float(sigmoid(self._baseline)[0])
        # Contributions are to log-odds, and so to points, as to the probability: by one factor.
        factor = part_points(moved / gained) if gained else 0.0
        return tuple(
            replace(
                reason,
                text=f"{reason.text}; {base:.1f} of {total:.1f} points"
                if reason.value is None and place == 0
                else f"{reason.text}; {factor * reason.contribution:+.1f} points",
            )
            for place, reason in enumerate(reasons)
        )

    def document(self) -> Mapping[str, Any]:
        """Return the scorecard, what was tried, and what every classifier tells."""
        common = dict(super().document())
        tables = list(common["tables"])
        if self._card is not None:
            common["scorecard"] = self._card
            tables.insert(0, points_table(self._card))
        return {
            **common,
            "tables": tables,
            "choice": asdict(self._choice),
            "tried": [
                {"design": each.design, "strength": each.strength, "log_loss": each.log_loss}
                for each in self._tried
            ],
        }

    def save(self, folder: Path) -> Mapping[str, Any]:
        """Return the model: it is JSON alone."""
        del folder
        return {
            **self._common_state(),
            "terms": [dict(term_document(term)) for term in self._terms],
            "weights": self._weights.tolist(),
            "means": self._means.tolist(),
            "baseline": self._baseline.tolist(),
            "choice": asdict(self._choice),
            "tried": [asdict(each) for each in self._tried],
            "card": self._card,
        }

    @classmethod
    def load(cls, folder: Path, state: Mapping[str, Any]) -> Self:
        """Return the model that `save` wrote."""
        import numpy as np  # noqa: PLC0415

        del folder
        model = cls(
            tuple(load_term(term) for term in state["terms"]),
            np.asarray(state["weights"], dtype="float64"),
            np.asarray(state["means"], dtype="float64"),
            baseline=np.asarray(state["baseline"], dtype="float64"),
            choice=_choice_of(state["choice"]),
            tried=[_choice_of(each) for each in state["tried"]],
            card=state["card"],
        )
        return model._restore(state)


def _choice_of(document: Mapping[str, Any]) -> Choice:
    return Choice(**{**document, "design": Design(document["design"])})


def _affordable(terms: tuple[Term, ...], rows: int) -> tuple[Term, ...]:
    cells = rows * sum(term.width for term in terms)
    if cells > DESIGN_CELLS_MAX:
        detail = (
            f"{rows} rows make a design of {cells} values, at most {DESIGN_CELLS_MAX} are held: "
            "take fewer rows, or name fewer columns with --features"
        )
        raise DataRefused("data_too_large", detail, cells=cells)
    return terms


def _crossed(
    features: Sequence[Column],
    table: Table,
    codes: np.ndarray,
    design: Design,
    classes: int,
    seed: int,
) -> Iterator[tuple[Choice, np.ndarray]]:
    """Yield each strength with its log-loss, and its log-odds of rows that it was not fitted to."""
    import numpy as np  # noqa: PLC0415
    from sklearn.model_selection import StratifiedKFold  # noqa: PLC0415

    folds = min(FOLDS, int(np.bincount(codes, minlength=classes).min()))
    if folds < 2:
        raise DataRefused("too_few_rows", "a class has one row to learn from; two are needed")
    outputs = 1 if classes == 2 else classes
    crossed = np.zeros((len(STRENGTHS), len(codes), outputs))
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    for learned, held_out in splitter.split(codes, codes):
        rows = table.take(learned)
        terms = terms_of(rows, features, design)
        values = encode(_affordable(terms, len(rows)), rows)
        others = encode(terms, table.take(held_out))
        others = np.where(np.isnan(others), values.mean(axis=0), others)
        for place, strength in enumerate(STRENGTHS):
            weights, intercepts = fitted(values, codes[learned], strength)
            crossed[place, held_out] = others @ weights.T + intercepts
    for strength, logits in zip(STRENGTHS, crossed, strict=True):
        true = probabilities_of(logits)[np.arange(len(codes)), codes]
        loss = float(-np.log(np.maximum(true, 1e-12)).mean())
        yield Choice(design=design, strength=strength, log_loss=loss), logits


def _by_term(terms: Sequence[Term], values: np.ndarray) -> list[np.ndarray]:
    import numpy as np  # noqa: PLC0415

    ends = np.cumsum([term.width for term in terms])[:-1]
    return np.split(values, ends)
