"""``arima``, ``lstm`` and ``autoencoder`` on real data, beside what is plainer.

The volume of the New York exchange is split as James et al. split it (An Introduction to Statistical
Learning with Python, 2023, 10.9.6): years to 1979 learn, the others judge. Labelled anomalies are
made as Campos et al. make them (2016): all rows of one class and ten of the others, drawn by seed; the
scores are learned from all of these without their labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from analytics.models.catalog import model_class
from analytics.models.interface import Request
from analytics.models.tabular import Table, read_table, table_of
from scripts.modelling.datasets import dataset
from scripts.modelling.figures import Figure, Progress

SEEDS: Final = (0, 1, 2)
"""Of trainings."""
DRAWS: Final = (3, 4, 5)
"""Seeds of the anomalies that are drawn; by those of 0 to 2 the way of scoring was chosen."""
ANOMALIES: Final = 10
"""Rows of other classes among those of one."""
LAGS: Final = 5
BESIDE: Final = ("DJ_return", "log_volatility")
"""Columns that the published figures look at beside the volume."""


def lstm(progress: Progress) -> Iterator[Figure]:
    """Yield the figures of ``lstm``."""
    yield from _volume(progress)
    yield from _index("lstm", SEEDS, progress)


def arima(progress: Progress) -> Iterator[Figure]:
    """Yield the figures of ``arima``, which has no chance in it."""
    yield from _index("arima", SEEDS[:1], progress)


def autoencoder(progress: Progress) -> Iterator[Figure]:
    """Yield the figures of ``autoencoder``."""
    yield from _anomalies(progress)
    table = read_table(dataset("taiwan-default"))
    rows = Table(table.frame.drop(columns=["default-payment-next-month"]), table.source)
    metrics = model_class("autoencoder").fit(rows, Request(seed=0), progress).metrics
    components = f"PCA({metrics['coordinates']:g})"
    for measure, ours, baseline, beside in (
        ("mean square of held-out errors", "reconstruction_error", "pca_reconstruction_error",
         components),
        ("error of hidden numbers", "filling_rmse", "median_filling_rmse", "medians"),
    ):  # fmt: skip
        yield Figure(
            model="autoencoder", data="taiwan-default", measure=f"{measure}, in deviations",
            ours=metrics[ours], baseline=metrics[baseline], beside=beside,
        )  # fmt: skip


def _volume(progress: Progress) -> Iterator[Figure]:
    """Yield R² of the next day's log volume, of the series alone and with columns beside it."""
    table = read_table(dataset("nyse"))
    learns = table.frame["train"].to_numpy(dtype=bool)
    train, test = table.take(np.flatnonzero(learns)), table.take(np.flatnonzero(~learns))
    volume = table.frame["log_volume"].to_numpy()
    true = volume[~learns]
    last = volume[np.flatnonzero(~learns) - 1]
    for features in (None, BESIDE):
        progress(f"lstm on nyse, beside the series: {features or 'nothing'}")
        found = []
        for seed in SEEDS:
            request = Request(
                seed=seed, time="date", target="log_volume", horizon=1, features=features
            )
            model = model_class("lstm").fit(train, request, progress)
            said = np.array([each.score for each in model.predict(test)])
            found.append(_explained(true, said))
        columns = ["log_volume", *(features or ())]
        plain = table.frame[columns].to_numpy()
        days = pd.get_dummies(table.frame["day_of_week"]).to_numpy(dtype=float)
        lines = _autoregression(plain, learns)
        daily = _autoregression(plain, learns, beside=days)
        alone = "alone" if features is None else f"with {', '.join(features)}"
        for beside, baseline in (
            (f"AR({LAGS}) of the same", _explained(true, lines)),
            (f"AR({LAGS}) and weekday", _explained(true, daily)),
            ("persistence", _explained(true, last)),
        ):
            yield Figure(
                model="lstm", data="nyse", measure=f"R2, 1 step, {alone}",
                ours=float(np.mean(found)), baseline=baseline, beside=beside,
            )  # fmt: skip


def _index(name: str, seeds: Sequence[int], progress: Progress) -> Iterator[Figure]:
    """Yield errors of 60 steps of the S&P 500, at origins in the last fifth, for each seed."""
    table = read_table(dataset("sp500"))
    for seed in seeds:
        request = Request(seed=seed, time="Date", target="Close", horizon=60)
        found = model_class(name).fit(table, request, progress).metrics
        by_seed = f", seed {seed}" if len(seeds) > 1 else ""
        yield Figure(
            model=name, data="sp500", measure=f"mean error of 60 steps, basis points{by_seed}",
            ours=found["mape"] * 1e4, baseline=found["naive_mape"] * 1e4, beside="last value",
        )  # fmt: skip
        yield Figure(
            model=name, data="sp500", measure=f"coverage of 80 % bands, 60 steps{by_seed}",
            ours=found["coverage"], baseline=0.8, beside="what it should be",
        )  # fmt: skip


def _anomalies(progress: Progress) -> Iterator[Figure]:
    """Yield how well scores rank rows of other classes above those of one."""
    for name, data, ordinary in (
        ("breast cancer", load_breast_cancer(), 1),
        ("digits", load_digits(), 0),
    ):
        found: dict[str, list[float]] = {"autoencoder": [], "pca": [], "isolation forest": []}
        for seed in DRAWS:
            values, is_other = _mixed(data.data, data.target == ordinary, seed)
            progress(f"anomalies of {name}: draw {seed}")
            frame = pd.DataFrame({f"c{at}": column for at, column in enumerate(values.T)})
            rows = table_of(frame, name=name, sha256="0" * 64)
            for kind in ("autoencoder", "pca"):
                model = model_class(kind).fit(rows, Request(seed=seed), progress)
                scores = [sum(r.contribution for r in each.reasons) for each in model.predict(rows)]
                found[kind].append(float(roc_auc_score(is_other, scores)))
            forest = IsolationForest(random_state=seed).fit(values)
            scores = -forest.score_samples(values)
            found["isolation forest"].append(float(roc_auc_score(is_other, scores)))
        for beside in ("pca", "isolation forest"):
            yield Figure(
                model="autoencoder", data=name, measure=f"AUC of {ANOMALIES} anomalies",
                ours=float(np.mean(found["autoencoder"])),
                baseline=float(np.mean(found[beside])), beside=beside,
            )  # fmt: skip


def _mixed(values: np.ndarray, is_ordinary: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of one class and some of the others, and which are these."""
    chance = np.random.default_rng(seed)
    others = chance.choice(np.flatnonzero(~is_ordinary), ANOMALIES, replace=False)
    rows = np.sort(np.concatenate([np.flatnonzero(is_ordinary), others]))
    return values[rows], ~is_ordinary[rows]


def _autoregression(
    columns: np.ndarray, learns: np.ndarray, *, beside: np.ndarray | None = None
) -> np.ndarray:
    """Return a linear regression's forecasts of the first column by the lags of all.

    ``beside`` (rows, known) is what is known of the day itself.
    """
    lagged = np.column_stack([np.roll(columns, lag, axis=0) for lag in range(1, LAGS + 1)])
    if beside is not None:
        lagged = np.column_stack([lagged, beside])
    known = learns.copy()
    known[:LAGS] = False
    scaler = StandardScaler().fit(lagged[known])
    fitted = LinearRegression().fit(scaler.transform(lagged[known]), columns[known, 0])
    return np.asarray(fitted.predict(scaler.transform(lagged[~learns])))


def _explained(true: np.ndarray, said: np.ndarray) -> float:
    return float(1 - ((true - said) ** 2).sum() / ((true - true.mean()) ** 2).sum())
