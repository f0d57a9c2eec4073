"""A linear model of texts: TF-IDF, an embedding beside it or none, and weights.

    log-odds = b + Σ w · x + v · (e − mean e)        x: TF-IDF (`wording`), e: embedding (`sentences`)
    several classes: p ∝ exp(b + W x + V (e − mean e))

The penalty's strength is the one of least cross-validated log-loss; a slope and an intercept (several
classes: a slope) learned from the cross-fitted log-odds calibrate it and are multiplied into the
weights, so that it remains linear and each word's part in it exact.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from analytics.models.calibration import CALIBRATION_ROWS_MIN, best_line, best_power, doubts
from analytics.models.errors import DataRefused
from analytics.models.limits import CHOICE_ROWS_MAX
from analytics.models.linear import fitted, probabilities_of, sampled
from analytics.models.wording import Counts, Wording, normal, spans_of

if TYPE_CHECKING:
    import numpy as np

    from analytics.models.interface import Progress
    from analytics.models.sentences import Sentences

STRENGTHS: Final = (0.5, 2.0, 8.0, 32.0, 128.0)
"""Inverse strengths of the penalty that are tried, scikit-learn's ``C``."""
FOLDS: Final = 5
"""Folds of the learning part by which the strength is chosen."""
SENTENCE: Final = "(sentence)"
"""What the marks of a text's start and end, and its signs, do to an embedding."""

Fold = tuple["np.ndarray", "np.ndarray"]
"""Positions of rows to learn from, and of rows to choose by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What was chosen, by which figure."""

    strength: float
    """Inverse strength of the penalty."""
    log_loss: float
    """Its log-loss on rows that it was not fitted to, before calibration."""
    slope: float = 1.0
    """Factor of the log-odds that calibrates them."""
    intercept: float = 0.0
    """Added to the log-odds of two classes after the factor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A trained linear model of texts."""

    wording: Wording
    """The terms."""
    sentences: Sentences | None
    """The encoder, if there is an embedding."""
    centre: np.ndarray
    """Mean embedding of the training, float64 (its width,); empty without one."""
    weights: np.ndarray
    """Calibrated weights, float64 (outputs, terms and embedding): one output of two classes."""
    intercepts: np.ndarray
    """Log-odds of a text of which no word is known, and whose embedding is average: (outputs,)."""
    choice: Choice
    """Strength and calibration."""
    tried: tuple[Choice, ...]
    """All strengths."""

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """Return the probability of every class, (texts, classes)."""
        values = _joined(self.wording.encode(texts), self.sentences, self.centre, texts)
        return probabilities_of(values @ self.weights.T + self.intercepts)

    def moves(self, texts: Sequence[str]) -> Iterator[tuple[list[str], np.ndarray]]:
        """Yield the words of each text and what they do to the log-odds: (words, outputs).

        With the intercepts they add up to the text's log-odds.
        """
        import numpy as np  # noqa: PLC0415

        beside = None if self.sentences is None else self.sentences.mark(list(map(normal, texts)))
        own = self.weights[:, self.wording.width :]
        for text, (words, columns, shares) in zip(texts, self.wording.shares(texts), strict=True):
            names, parts = words, (self.weights[:, columns] * shares).T
            if beside is not None:
                marked = next(beside)
                vectors = marked.vectors - self.centre / len(marked.vectors)
                names = [*names, *_words_at(text, marked.starts)]
                parts = np.concatenate([parts, vectors @ own.T])
            different = list(dict.fromkeys(names))
            places = {name: place for place, name in enumerate(different)}
            sums = np.zeros((len(different), len(self.weights)))
            np.add.at(sums, [places[name] for name in names], parts)
            yield different, sums


def learn(
    texts: Sequence[str],
    codes: np.ndarray,
    sentences: Sentences | None,
    *,
    seed: int,
    fold: Fold | None,
    progress: Progress,
) -> tuple[Line, np.ndarray]:
    """Return a line with its strength chosen, and probabilities of rows that it was not fitted to.

    It is chosen by cross-validation, or in one ``fold`` where an encoder has seen the other rows.

    Raises: DataRefused (``too_few_rows``) when a class has a single row to choose by.
    """
    import numpy as np  # noqa: PLC0415

    drawn = sampled(codes, CHOICE_ROWS_MAX, seed) if fold is None else np.arange(len(codes))
    some, true = [texts[row] for row in drawn.tolist()], codes[drawn]
    folds = _folds(true, seed) if fold is None else [fold]
    progress(f"cross-validating {len(STRENGTHS)} strengths in {len(folds)} folds")
    crossed = _crossed(some, true, sentences, folds, progress)
    judged = np.concatenate([held_out for _, held_out in folds])
    true = true[judged]
    tried = tuple(
        Choice(strength=strength, log_loss=_log_loss(logits, true))
        for strength, logits in zip(STRENGTHS, crossed, strict=True)
    )
    best = min(range(len(tried)), key=lambda place: tried[place].log_loss)
    choice, logits = _calibrated(tried[best], crossed[best], true), crossed[best]
    progress(f"chosen: C = {choice.strength:g}")
    line = relearn(texts, codes, sentences, choice=choice, tried=tried, progress=progress)
    return line, probabilities_of(choice.slope * logits + choice.intercept)


def relearn(
    texts: Sequence[str],
    codes: np.ndarray,
    sentences: Sentences | None,
    *,
    choice: Choice,
    tried: tuple[Choice, ...],
    progress: Progress,
) -> Line:
    """Return a line of the strength and calibration that were chosen, learned from texts."""
    import numpy as np  # noqa: PLC0415

    wording, counts = Wording.of(texts)
    centre = np.zeros(0)
    if sentences is not None:
        centre = sentences.embed(list(map(normal, texts)), progress).mean(axis=0)
    weighed = counts.weighed([block.idf for block in wording.blocks])
    values = _joined(weighed, sentences, centre, texts)
    weights, intercepts = fitted(values, codes, choice.strength)
    return Line(
        wording=wording,
        sentences=sentences,
        centre=centre,
        weights=choice.slope * weights,
        intercepts=choice.slope * intercepts + choice.intercept,
        choice=choice,
        tried=tried,
    )


def _folds(codes: np.ndarray, seed: int) -> list[Fold]:
    import numpy as np  # noqa: PLC0415
    from sklearn.model_selection import StratifiedKFold  # noqa: PLC0415

    folds = min(FOLDS, int(np.bincount(codes).min()))
    if folds < 2:
        raise DataRefused("too_few_rows", "a class has one row to learn from; two are needed")
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    return list(splitter.split(codes, codes))


def _crossed(
    texts: Sequence[str],
    codes: np.ndarray,
    sentences: Sentences | None,
    folds: Sequence[Fold],
    progress: Progress,
) -> list[np.ndarray]:
    """Return for each strength the log-odds of the rows that the folds hold out, in their order."""
    import numpy as np  # noqa: PLC0415

    _, counts = Wording.of(texts)
    crossed: list[list[np.ndarray]] = [[] for _ in STRENGTHS]
    for number, (learned, held_out) in enumerate(folds, start=1):
        values, others = _fold_values(texts, counts, sentences, (learned, held_out), progress)
        for place, strength in enumerate(STRENGTHS):
            weights, intercepts = fitted(values, codes[learned], strength)
            crossed[place].append(others @ weights.T + intercepts)
        progress(f"fold {number} of {len(folds)}")
    return [np.concatenate(each) for each in crossed]


def _fold_values(
    texts: Sequence[str],
    counts: Counts,
    sentences: Sentences | None,
    fold: Fold,
    progress: Progress,
) -> tuple[Any, Any]:
    """Return what a fold learns from and what it holds out, weighed by its own rows alone."""
    import numpy as np  # noqa: PLC0415

    learned = counts.take(fold[0])
    idf = learned.frequencies()
    centre = np.zeros(0)
    parts = [[texts[row] for row in rows] for rows in fold]
    if sentences is not None:
        sentences.embed(list(map(normal, texts)), progress)
        centre = sentences.embed(list(map(normal, parts[0]))).mean(axis=0)
    weighed = learned.weighed(idf), counts.take(fold[1]).weighed(idf)
    values, others = (
        _joined(each, sentences, centre, part) for each, part in zip(weighed, parts, strict=True)
    )
    return values, others


def _joined(
    weighed: Any, sentences: Sentences | None, centre: np.ndarray, texts: Sequence[str]
) -> Any:
    """Return weights of terms with the centred embedding beside them, where there is one."""
    from scipy import sparse  # noqa: PLC0415

    if sentences is None:
        return weighed
    embedded = sentences.embed(list(map(normal, texts))) - centre
    return sparse.hstack([weighed, sparse.csr_matrix(embedded)], format="csr")


def _calibrated(choice: Choice, logits: np.ndarray, codes: np.ndarray) -> Choice:
    import numpy as np  # noqa: PLC0415

    if len(codes) < CALIBRATION_ROWS_MIN:
        return choice
    # Texts often part without a fault, and without a doubt they would be calibrated to certainty.
    doubt = doubts(codes)
    if logits.shape[1] > 1:
        return replace(choice, slope=best_power(logits, codes, doubt))
    slope, intercept = best_line(logits[:, 0], np.abs(codes - doubt))
    return replace(choice, slope=slope, intercept=intercept)


def _log_loss(logits: np.ndarray, codes: np.ndarray) -> float:
    import numpy as np  # noqa: PLC0415

    true = probabilities_of(logits)[np.arange(len(codes)), codes]
    return float(-np.log(np.maximum(true, 1e-12)).mean())


def _words_at(text: str, starts: Sequence[int | None]) -> Iterator[str]:
    """Yield the word in which each word piece of a `normal` text stands."""
    spans = spans_of(normal(text))
    begins = [start for start, _ in spans]
    for start in starts:
        place = -1 if start is None else bisect_right(begins, start) - 1
        if place >= 0 and start is not None and start < begins[place] + len(spans[place][1]):
            yield spans[place][1]
        else:
            yield SENTENCE
