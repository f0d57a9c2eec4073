"""``text`` on unseen wordings and on real labelled texts, English and Chinese.

Payment memos (`scripts.modelling.memos`) are judged on wordings that the training never saw. Posts to two
newsgroups (for an embedding their beginnings: each word piece costs a pass through the encoder) and
reviews in Chinese are judged on two fifths and one fifth of the rows, by chance. The
baseline is scikit-learn as it comes, words for English, letters and pairs of them for Chinese; that of
an embedding is the TF-IDF line of `text` itself. All on the same rows.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from analytics.models.catalog import model_class
from analytics.models.interface import Request
from analytics.models.measures import class_measures
from analytics.models.splitting import codes_of
from analytics.models.tabular import Table, table_of
from scripts.modelling.datasets import dataset
from scripts.modelling.figures import Figure, Progress
from scripts.modelling.memos import memos

SEED: Final = 0
MEASURES: Final = ("accuracy", "auc", "log_loss", "ece")
TRAINING_MEMOS: Final = 800
JUDGED_MEMOS: Final = 400
BEGINNING_CHARACTERS: Final = 200
TUNING_MEMOS: Final = (240, 120)
"""Memos to tune by and memos that judge it: an epoch is three passes through the encoder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Texts with their classes, in columns ``text`` and ``label``."""

    data: str
    """Name of the data set."""
    learned: Table
    """Rows to learn from."""
    judged: Table
    """Rows that judge."""
    is_chinese: bool
    """Whether words have no spaces between them."""


def text(progress: Progress) -> Iterator[Figure]:
    """Yield the figures of TF-IDF beside scikit-learn's."""
    for task in (_memos("en"), _memos("zh"), _posts(), _reviews()):
        progress(f"{task.data}: {len(task.learned)} rows to learn from")
        model = model_class("text").fit(task.learned, _request(None), progress)
        ours = model.evaluate(task.judged)
        kind = (
            TfidfVectorizer(analyzer="char", ngram_range=(1, 2))
            if task.is_chinese
            else TfidfVectorizer()
        )
        plain = make_pipeline(kind, LogisticRegression(max_iter=1_000))
        plain.fit(task.learned.frame["text"], task.learned.frame["label"])
        classes = tuple(map(str, plain.classes_))
        said = plain.predict_proba(task.judged.frame["text"])
        theirs = class_measures(codes_of(task.judged, "label", classes), said)
        for measure in MEASURES:
            yield Figure(
                model="text",
                data=task.data,
                measure=measure,
                ours=ours[measure],
                baseline=theirs[measure],
                beside="TfidfVectorizer, LogisticRegression",
            )


def text_embedding(progress: Progress) -> Iterator[Figure]:
    """Yield the figures of an embedding beside those of TF-IDF."""
    for task in (_memos("en"), _memos("zh"), _posts(BEGINNING_CHARACTERS)):
        progress(f"{task.data}: {len(task.learned)} rows to learn from")
        yield from _beside_tfidf(task, _request("minilm"), "text, minilm", progress)


def text_fine_tuned(progress: Progress) -> Iterator[Figure]:
    """Yield the figures of an embedding that learned too, beside those of TF-IDF."""
    request = Request(seed=SEED, target="label", text="text", embedding="minilm", fine_tune=True)
    yield from _beside_tfidf(_memos("en", TUNING_MEMOS), request, "text, tuned", progress)


def _beside_tfidf(task: Task, request: Request, name: str, progress: Progress) -> Iterator[Figure]:
    found = model_class("text").fit(task.learned, request, progress).evaluate(task.judged)
    for measure in MEASURES:
        yield Figure(
            model=name,
            data=task.data,
            measure=measure,
            ours=found[measure],
            baseline=found[f"tfidf_{measure}"],
            beside="text without it",
        )


def _request(embedding: str | None) -> Request:
    return Request(seed=SEED, target="label", text="text", embedding=embedding)


def _memos(language: str, counts: tuple[int, int] = (TRAINING_MEMOS, JUDGED_MEMOS)) -> Task:
    learned, judged = (
        memos(language, rows, seed=SEED, is_test=is_test).set_axis(["text", "label"], axis=1)
        for rows, is_test in zip(counts, (False, True), strict=True)
    )
    name = f"memos-{language}"
    return Task(
        data=name,
        learned=_table(name, learned),
        judged=_table(name, judged),
        is_chinese=language == "zh",
    )


def _posts(most: int | None = None) -> Task:
    """Return posts to rec.autos and sci.electronics without their heads, which name the group.

    ``most`` is how many characters of each there are; None: all.
    """
    rows = []
    with zipfile.ZipFile(dataset("newsgroup-posts")) as archive:
        for name in sorted(archive.namelist()):
            _, group, post = name.split("/")
            if post:
                body = archive.read(name).decode("latin-1").partition("\n\n")[2]
                rows.append({"text": body[:most], "label": group})
    name = "newsgroup-posts" if most is None else "post-beginnings"
    return _halved(name, pd.DataFrame(rows), share=0.4, is_chinese=False)


def _reviews() -> Task:
    """Return reviews of a shop's customers, each once."""
    lines = {
        label: dataset(f"chinese-reviews-{label}").read_text("utf-8").splitlines()
        for label in ("negative", "positive")
    }
    frame = pd.concat(
        [pd.DataFrame({"text": each, "label": label}) for label, each in lines.items()]
    )
    frame = frame[frame["text"].str.strip() != ""].drop_duplicates("text", ignore_index=True)
    return _halved("chinese-reviews", frame, share=0.2, is_chinese=True)


def _halved(name: str, frame: pd.DataFrame, *, share: float, is_chinese: bool) -> Task:
    learned, judged = train_test_split(
        frame, test_size=share, random_state=SEED, stratify=frame["label"]
    )
    return Task(
        data=name,
        learned=_table(name, learned),
        judged=_table(name, judged),
        is_chinese=is_chinese,
    )


def _table(name: str, frame: pd.DataFrame) -> Table:
    return table_of(frame, name=name, sha256="")
