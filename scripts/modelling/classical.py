"""``logistic`` and ``random-forest`` on real credit and marketing data, five folds.

Each fold's model is trained on the other four by `fit` alone, choices and calibration included, and
judged on the fold. The baseline is scikit-learn as it comes: gaps filled, numbers scaled, words as 0
and 1, default options (a forest of 300 trees), the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline

from analytics.models.catalog import model_class
from analytics.models.columns import require, survey
from analytics.models.encoding import new_encoder
from analytics.models.interface import Request
from analytics.models.measures import class_measures
from analytics.models.splitting import target_of
from analytics.models.tabular import Table, read_table
from scripts.modelling.datasets import dataset
from scripts.modelling.figures import Figure, Progress

FOLDS: Final = 5
SEED: Final = 0
MEASURES: Final = ("auc", "ks", "brier", "log_loss", "ece")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A data set and what is predicted in it."""

    data: str
    """Name of the data set."""
    target: str
    """Column to predict."""
    without: tuple[str, ...] = ()
    """Columns that nobody would have when predicting."""


TASKS: Final = (
    Task(data="german-credit", target="creditability"),
    Task(data="taiwan-default", target="default-payment-next-month"),
    Task(data="bank-marketing", target="y", without=("duration",)),
)


def logistic(progress: Progress) -> Iterator[Figure]:
    """Yield the figures of ``logistic``."""
    plain = LogisticRegression(max_iter=1_000)
    yield from _figures("logistic", plain, "LogisticRegression()", progress)


def random_forest(progress: Progress) -> Iterator[Figure]:
    """Yield the figures of ``random-forest``."""
    plain = RandomForestClassifier(n_estimators=300, random_state=SEED)
    yield from _figures("random-forest", plain, "RandomForestClassifier(300)", progress)


def _figures(name: str, plain: Any, beside: str, progress: Progress) -> Iterator[Figure]:
    for task in TASKS:
        table = read_table(dataset(task.data))
        kept = table.frame.drop(columns=list(task.without))
        table = Table(kept, table.source)
        ours, theirs = [], []
        for fold, (mine, other) in enumerate(_measured(table, task, name, plain), start=1):
            progress(f"{name} on {task.data}: fold {fold} of {FOLDS}, auc {mine['auc']:.4f}")
            ours.append(mine)
            theirs.append(other)
        for measure in MEASURES:
            yield Figure(
                model=name,
                data=task.data,
                measure=f"{measure}, mean of {FOLDS} folds",
                ours=_mean(ours, measure),
                baseline=_mean(theirs, measure),
                beside=beside,
            )


def _measured(table: Table, task: Task, name: str, plain: Any) -> Iterator[tuple[Any, Any]]:
    request = Request(seed=SEED, target=task.target)
    codes = target_of(table, request).codes
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    for learned, held_out in folds.split(codes, codes):
        rows, others = table.take(learned), table.take(held_out)
        model = model_class(name).fit(rows, request, lambda _line: None)
        columns = survey(rows, named=None, reserved={task.target}).features
        baseline = make_pipeline(new_encoder(columns), plain)
        baseline.fit(require(rows, columns).frame, codes[learned])
        said = baseline.predict_proba(require(others, columns).frame)
        yield model.evaluate(others), class_measures(codes[held_out], said)


def _mean(measures: Sequence[Any], name: str) -> float:
    return float(np.mean([each[name] for each in measures]))
