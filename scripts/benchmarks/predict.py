"""How fast models answer: one row at a time and many, from the registry through their process.

What is measured is what the analytics process does for ``POST /v1/audit/predict`` without HTTP: the
version's folder, the pipe to the process with models and back, the checks of each value, the prediction
and its reasons. Beside the batch stands the same model asked in this process, without any of that.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd

from analytics.features.reading import feature_names
from analytics.models.catalog import model_class
from analytics.models.folder import load_model, save_model
from analytics.models.interface import Model, Request
from analytics.models.tabular import Table, table_of
from analytics.registry.records import NewVersion, Version
from analytics.registry.store import Registry
from analytics.serving.limits import PREDICT_ROWS_MAX
from analytics.serving.predictor import Predictor
from scripts.benchmarks.measure import Better, Figure, compare, quantile, spread_of

METHODS = ("logistic", "random-forest")
LEARNED_ROWS, QUICK_LEARNED_ROWS = 2_000, 200
SINGLES, QUICK_SINGLES = 100, 20
RUNS, QUICK_RUNS = 5, 2
TARGET = "warned"
SEED = 7


def measure_predict(directory: Path, *, is_quick: bool) -> list[Figure]:
    """Measure single predictions and batches of each model on made features of accounts."""
    frame = _frame(QUICK_LEARNED_ROWS if is_quick else LEARNED_ROWS)
    directory.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=directory, prefix="predict-") as place:
        registry = Registry.open_directory(Path(place), "00" * 32)
        try:
            figures = []
            for method in METHODS:
                version = _trained(registry, method, frame)
                figures += asyncio.run(_measure(registry, version, frame, is_quick=is_quick))
            return figures
        finally:
            registry.close()


def _frame(rows: int) -> pd.DataFrame:
    """Return made features of accounts, with an outcome that follows from some of them."""
    random = np.random.default_rng(SEED)
    frame = pd.DataFrame(random.gamma(2.0, 2.0, (rows, len(feature_names()))))
    frame.columns = pd.Index(feature_names())
    odds = frame["paid_count"] + frame["payees"] - 8 + random.normal(0, 2, rows)
    return frame.assign(**{TARGET: np.where(odds > 0, "yes", "no")})


def _trained(registry: Registry, method: str, frame: pd.DataFrame) -> Version:
    request = Request(target=TARGET, seed=SEED)
    table = _table(frame)
    model = model_class(method).fit(table, request, lambda _: None)
    new = NewVersion(
        series=method, method=method, data=None, seed=SEED, rows=len(frame),
        metrics=model.metrics, reference={}, compared=None, by=None, training=None,
    )  # fmt: skip
    with registry.new_folder() as folder:
        save_model(model, request, table, folder / "model", has_plots=False)
        return registry.enter(folder / "model", new)


def _table(frame: pd.DataFrame) -> Table:
    return table_of(frame, name="made features", sha256="")


async def _measure(
    registry: Registry, version: Version, frame: pd.DataFrame, *, is_quick: bool
) -> list[Figure]:
    rows: list[Mapping[str, Any]] = json.loads(frame.to_json(orient="records"))
    batch = [rows[place % len(rows)] for place in range(PREDICT_ROWS_MAX)]
    model = load_model(registry.folder(version))
    predictor = Predictor()
    try:
        await _seconds(predictor, registry, version, batch)  # starts the process, loads the model
        singles, served, alone = [], [], []
        for _ in range(QUICK_RUNS if is_quick else RUNS):
            count = QUICK_SINGLES if is_quick else SINGLES
            singles.append(
                [
                    await _seconds(predictor, registry, version, [rows[place % len(rows)]])
                    for place in range(count)
                ]
            )
            served.append(len(batch) / await _seconds(predictor, registry, version, batch))
            alone.append(len(batch) / _seconds_alone(model, pd.DataFrame(batch)))
    finally:
        await predictor.close()
    return [
        *_single_figures(version.method, singles),
        compare(
            f"predict: {version.method}, rows in batches of {len(batch)}",
            values=served,
            limits=alone,
            unit="rows/s",
            limit_name="the model asked in the same process, a table at a time",
        ),
    ]


def _single_figures(method: str, singles: Sequence[Sequence[float]]) -> list[Figure]:
    rates = [len(run) / sum(run) for run in singles]
    p50s = [1_000 * quantile(run, 0.5) for run in singles]
    p99s = [1_000 * quantile(run, 0.99) for run in singles]
    detail = {"requests": len(singles[0]), "p50_ms": median(p50s)}
    name = f"predict: {method}, one row"
    return [
        Figure(name=f"{name} a request", value=median(rates), unit="requests/s",
               spread=spread_of(rates), runs=len(rates), detail=detail),
        Figure(name=f"{name}, p50", value=median(p50s), unit="ms", better=Better.LOWER,
               spread=spread_of(p50s), runs=len(p50s)),
        Figure(name=f"{name}, p99", value=median(p99s), unit="ms", better=Better.LOWER,
               spread=spread_of(p99s), runs=len(p99s)),
    ]  # fmt: skip


async def _seconds(
    predictor: Predictor, registry: Registry, version: Version, rows: Sequence[Any]
) -> float:
    began = perf_counter()
    await predictor.predict(registry, version, rows, {})
    return perf_counter() - began


def _seconds_alone(model: Model, frame: pd.DataFrame) -> float:
    began = perf_counter()
    list(model.predict(_table(frame)))
    return perf_counter() - began
