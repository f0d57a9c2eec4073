"""Classes of texts, as the purposes of payments from their memos: linear, calibrated, word by word.

    text ──▶ words and pieces (`wording`) ─┐
      └────▶ embedding, if asked for ──────┴──▶ weights (`text_line`) ──▶ probabilities

With an embedding the TF-IDF line alone is learned too, and judged on the same rows beside it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from analytics.models.attribution import attribute, attribute_classes
from analytics.models.calibration import sigmoid, softmax
from analytics.models.classifier import ClassModel
from analytics.models.columns import Column, Excluded, Exclusion, Role, Survey, texts_of
from analytics.models.errors import DataRefused, ExtraMissing
from analytics.models.interface import Importance, Part
from analytics.models.limits import IMPORTANT_WORDS_MAX, TEXT_IMPORTANCE_ROWS_MAX
from analytics.models.linear import probabilities_of, slopes_of
from analytics.models.measures import class_measures
from analytics.models.reasons import reasons_of
from analytics.models.text_line import SENTENCE, Choice, Line, learn, relearn
from analytics.models.wording import BLOCKS, Block, Wording, normal, words_of

if TYPE_CHECKING:
    import numpy as np

    from analytics.models.interface import Metrics, Progress, Reason, Request
    from analytics.models.network_training import Course
    from analytics.models.sentences import Sentences
    from analytics.models.tabular import Table
    from analytics.models.text_line import Fold

TELLING_WORDS: Final = 10
"""Words of each class that the card lists."""
STOPPING_SHARE: Final = 0.15
"""Share of the learning part by which a fine-tuning stops, and the line over it is chosen."""
_TERMS: Final = "terms.json"
_ARRAYS: Final = "weights.npz"
_ENCODER: Final = "encoder.safetensors"


def _silent(line: str) -> None:
    """Take a line of progress that nobody asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A text's probabilities and what moved them."""

    probabilities: np.ndarray
    """Of every class, (classes,)."""
    words: list[str]
    """Words and pieces that have a part in it."""
    parts: np.ndarray
    """What each adds to the score, (words,)."""


class Text(ClassModel):
    """A calibrated linear model of one column of text."""

    NAME: ClassVar[str] = "text"
    VERSION: ClassVar[int] = 1
    PARTS: ClassVar[frozenset[Part]] = frozenset({Part.TARGET, Part.TEXT})
    OPTIONS: ClassVar[frozenset[str]] = frozenset({"embedding", "fine_tune"})

    def __init__(
        self,
        line: Line,
        beside: Line | None,
        *,
        course: Course | None = None,
        progress: Progress = _silent,
    ) -> None:
        """Take the line that predicts, the TF-IDF line beside an embedding, and its tuning."""
        self._line, self._beside, self._course, self._progress = line, beside, course, progress

    @classmethod
    def surveyed(cls, table: Table, request: Request, target: str) -> Survey:
        """Return the column of text; all others are left out."""
        name = request.text
        if name is None:
            raise DataRefused("missing_option", "name the column of text with --text COLUMN")
        if request.features not in (None, (name,)):
            raise DataRefused("unused_option", "--features: text learns from --text COLUMN alone")
        if request.fine_tune and request.embedding is None:
            raise DataRefused("missing_option", "--fine-tune needs an --embedding")
        values = table.column(name, asked_by="--text")
        if name == target:
            raise DataRefused("target_as_feature", f"--text: {name!r} is the target", column=name)
        if not values.map(lambda value: isinstance(value, str)).any():
            detail = f"--text: {name!r} holds no text" + (
                " at all" if values.isna().all() else f" but {values.dtype}"
            )
            raise DataRefused("wrong_type", detail, column=name)
        if texts_of(values, name).map(normal).nunique() < 2:
            raise DataRefused("no_features", f"--text: {name!r} says the same in every row")
        others = (each for each in table.columns if each not in (name, target, request.time))
        return Survey(
            features=(Column(name=name, role=Role.TEXT),),
            excluded=tuple(Excluded(name=each, reason=Exclusion.UNREAD) for each in others),
        )

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
        """Return a model of the learning part with its choices made, and scores to compare with."""
        del classes
        texts = _texts(table, features)
        if empty := sum(not text.strip() for text in texts):
            progress(f"warning: {empty} rows have no text, and are learned from as such")
        seed = request.seed
        plain, crossed = learn(texts, codes, None, seed=seed, fold=None, progress=progress)
        if request.embedding is None:
            return cls(plain, None), crossed
        fold = course = None
        if request.fine_tune:
            fold = _held_out(codes, seed)
            sentences, course = _tuner().tune(
                request.embedding,
                [normal(text) for text in texts],
                codes,
                fold,
                seed=seed,
                progress=progress,
            )
        else:
            sentences = _encoders().Sentences.of(request.embedding)
        line, crossed = learn(texts, codes, sentences, seed=seed, fold=fold, progress=progress)
        return cls(line, plain, course=course, progress=progress), crossed

    def learn_again(self, table: Table, codes: np.ndarray) -> Self:
        """Return a model with the same choices, learned from other rows."""
        texts, say = _texts(table, self.features), self._progress
        sentences = self._line.sentences
        if sentences is not None and self._course is not None:
            sentences = _tuner().tune_again(
                sentences.name,
                [normal(text) for text in texts],
                codes,
                self._course,
                seed=self.seed,
                progress=say,
            )
        made = _again(self._line, texts, codes, sentences, say)
        beside = None if self._beside is None else _again(self._beside, texts, codes, None, say)
        if sentences is not None:
            sentences.forget()
        return type(self)(made, beside, course=self._course)

    def probabilities(self, known: Table) -> np.ndarray:
        """Return the probability of every class, (rows, classes)."""
        return self._line.probabilities(_texts(known, self.features))

    def measured_beside(self, known: Table, codes: np.ndarray) -> Metrics:
        """Return the measures of the TF-IDF line on the same rows, beside an embedding."""
        if self._beside is None:
            return {}
        said = self._beside.probabilities(_texts(known, self.features))
        return {f"tfidf_{name}": value for name, value in class_measures(codes, said).items()}

    def reasoned(self, known: Table) -> Iterator[tuple[np.ndarray, tuple[Reason, ...]]]:
        """Yield each row's probabilities, and its words with what they add to the score."""
        column = self.features[0].name
        baseline = probabilities_of(self._line.intercepts[None])[0]
        texts = _texts(known, self.features)
        for text, moved in zip(texts, self._moved(texts), strict=True):
            times = Counter(term for term, _ in words_of(text))
            told = 1 if len(self.classes) == 2 else int(moved.probabilities.argmax())
            reasons = reasons_of(
                moved.words,
                [times.get(word) for word in moved.words],
                moved.parts.tolist(),
                baseline=float(baseline[told]),
                unit=f"to the probability of {self.target} = {self.classes[told]}",
            )
            yield moved.probabilities, tuple(_quoted(reason, column) for reason in reasons)

    def _moved(self, texts: list[str]) -> Iterator[Moved]:
        intercepts = self._line.intercepts
        for words, moves in self._line.moves(texts):
            probabilities = probabilities_of((moves.sum(axis=0) + intercepts)[None])
            if len(intercepts) == 1:
                parts = attribute(moves.T, float(intercepts[0]), sigmoid)
            else:
                parts = attribute_classes(
                    moves[None],
                    intercepts,
                    probabilities.argmax(axis=1),
                    function=softmax,
                    slopes=slopes_of,
                )
            yield Moved(probabilities=probabilities[0], words=words, parts=parts[0])

    def leanings(self, held_out: Table) -> tuple[Importance, ...]:
        """Return the words by the mean size of what they did to the scores of held-out texts."""
        import numpy as np  # noqa: PLC0415

        count = min(len(held_out), TEXT_IMPORTANCE_ROWS_MAX)
        picked = np.unique(np.linspace(0, len(held_out) - 1, count).astype(np.intp))
        sizes: dict[str, float] = {}
        for moved in self._moved(_texts(held_out.take(picked), self.features)):
            for word, part in zip(moved.words, moved.parts.tolist(), strict=True):
                sizes[word] = sizes.get(word, 0.0) + abs(part) / len(picked)
        ranked = sorted(sizes, key=lambda word: (-sizes[word], word))[:IMPORTANT_WORDS_MAX]
        return tuple(Importance(feature=word, importance=sizes[word]) for word in ranked)

    def document(self) -> Mapping[str, Any]:
        """Return telling words, what was tried, the embedding, and what every classifier tells."""
        common = dict(super().document())
        heads = ("C", "log-loss")
        rows = [(f"{each.strength:g}", f"{each.log_loss:.5f}") for each in self._line.tried]
        note = "On rows that were not fitted to, before calibration; the least log-loss is taken."
        strengths = {"title": "Strengths", "note": note, "columns": heads, "rows": rows}
        sentences = self._line.sentences
        return {
            **common,
            "tables": [self._telling_words(), *common["tables"], strengths],
            "choice": asdict(self._line.choice),
            "terms": {
                name: len(block.terms)
                for name, block in zip(BLOCKS, self._line.wording.blocks, strict=True)
            },
            **({} if sentences is None else {"embedding": dict(sentences.identity())}),
        }

    def _telling_words(self) -> Mapping[str, Any]:
        import numpy as np  # noqa: PLC0415

        words = self._line.wording.blocks[0].terms
        weights = self._line.weights[:, : len(words)]
        if len(weights) == 1:
            weights = np.concatenate([-weights, weights])
        rows = []
        for name, own in zip(self.classes, weights, strict=True):
            first = np.argsort(-own, kind="stable")[:TELLING_WORDS]
            rows.append((name, ", ".join(words[place] for place in first if own[place] > 0.0)))
        note = "Words, and two in a row, with the largest weights for each class."
        return {"title": "Words", "note": note, "columns": ("class", "words"), "rows": rows}

    def save(self, folder: Path) -> Mapping[str, Any]:
        """Write terms, weights and a tuned encoder; the rest is JSON."""
        lines = [line for line in (self._line, self._beside) if line is not None]
        sentences = self._line.sentences
        terms = [block.terms for block in self._line.wording.blocks]
        (folder / _TERMS).write_text(json.dumps(terms, ensure_ascii=False), "utf-8")
        _save_arrays(lines, folder / _ARRAYS)
        if sentences is not None:
            sentences.save(folder / _ENCODER)
        return {
            **self._common_state(),
            "lines": [
                {"choice": asdict(line.choice), "tried": [asdict(each) for each in line.tried]}
                for line in lines
            ],
            "embedding": None if sentences is None else dict(sentences.identity()),
        }

    @classmethod
    def load(cls, folder: Path, state: Mapping[str, Any]) -> Self:
        """Return the model that `save` wrote.

        Raises: ExtraMissing, or ModelUnusable (``embedding_changed``), when its embedding is not
        the one that it learned with.
        """
        import numpy as np  # noqa: PLC0415

        sentences = None
        if state["embedding"] is not None:
            sentences = _encoders().Sentences.load(state["embedding"], folder / _ENCODER)
        terms = json.loads((folder / _TERMS).read_text("utf-8"))
        with np.load(folder / _ARRAYS, allow_pickle=False) as arrays:
            wording = Wording(
                blocks=tuple(
                    Block(terms=tuple(own), idf=arrays[f"idf{place}"])
                    for place, own in enumerate(terms)
                )
            )
            lines = [
                Line(
                    wording=wording,
                    sentences=None if place else sentences,
                    centre=arrays[f"centre{place}"],
                    weights=arrays[f"weights{place}"],
                    intercepts=arrays[f"intercepts{place}"],
                    choice=Choice(**each["choice"]),
                    tried=tuple(Choice(**one) for one in each["tried"]),
                )
                for place, each in enumerate(state["lines"])
            ]
        for line in lines:
            if line.weights.shape != (len(line.intercepts), line.wording.width + len(line.centre)):
                raise ValueError("weights and terms are not of one model")
        model = cls(lines[0], lines[1] if len(lines) > 1 else None)
        return model._restore(state)


def _texts(known: Table, features: tuple[Column, ...]) -> list[str]:
    texts: list[str] = known.frame[features[0].name].tolist()
    return texts


def _again(
    line: Line, texts: list[str], codes: np.ndarray, sentences: Sentences | None, say: Progress
) -> Line:
    return relearn(texts, codes, sentences, choice=line.choice, tried=line.tried, progress=say)


def _held_out(codes: np.ndarray, seed: int) -> Fold:
    """Return most of the rows, and the rest by which a tuning stops and the line chooses."""
    import numpy as np  # noqa: PLC0415
    from sklearn.model_selection import train_test_split  # noqa: PLC0415

    share = max(STOPPING_SHARE, len(np.unique(codes)) / len(codes))
    learned, held_out = train_test_split(
        np.arange(len(codes)), test_size=share, random_state=seed, stratify=codes
    )
    return np.sort(learned), np.sort(held_out)


def _encoders() -> ModuleType:
    """Return the module of embeddings. Raises: ExtraMissing without its libraries."""
    return _optional("analytics.models.sentences")


def _tuner() -> ModuleType:
    """Return the module of fine-tuning. Raises: ExtraMissing without its libraries."""
    return _optional("analytics.models.fine_tuning")


def _optional(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise ExtraMissing("--embedding", "text") from error


def _quoted(reason: Reason, column: str) -> Reason:
    """Return a reason about a word that says where it stands."""
    if reason.feature == SENTENCE:
        told = reason.text.removeprefix(f"{SENTENCE} = (missing)")
        return replace(reason, text=f"the sentence as such, in {column},{told}")
    if reason.value is None:
        return reason
    told = reason.text.removeprefix(f"{reason.feature} = {reason.value}")
    return replace(reason, text=f"“{reason.feature}” in {column}{told}")


def _save_arrays(lines: list[Line], path: Path) -> None:
    import numpy as np  # noqa: PLC0415

    arrays: dict[str, Any] = {
        f"idf{place}": each.idf for place, each in enumerate(lines[0].wording.blocks)
    }
    for place, line in enumerate(lines):
        arrays |= {
            f"centre{place}": line.centre,
            f"weights{place}": line.weights,
            f"intercepts{place}": line.intercepts,
        }
    np.savez_compressed(path, **arrays)
