"""Small tables by seed for tests of models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analytics.models.catalog import model_class
from analytics.models.folder import save_model
from analytics.models.interface import Model, Request
from analytics.models.tabular import Table, table_of

SHA256 = "0" * 64


def table(columns: dict[str, Any]) -> Table:
    """Return a table of columns."""
    return table_of(pd.DataFrame(columns), name="made.csv", sha256=SHA256)


def credit(rows: int = 400, seed: int = 0, classes: int = 2) -> Table:
    """Return loans with gaps and words; whether one fails follows from debt, age and housing."""
    chance = np.random.default_rng(seed)
    debt, age = chance.exponential(10.0, rows), chance.integers(18, 80, rows).astype(float)
    housing = chance.choice(["own", "rent", "free"], rows, p=[0.5, 0.4, 0.1])
    log_odds = 0.15 * debt - 0.04 * (age - 40) + (housing == "rent") - 2.0
    levels = np.linspace(0, 1, classes + 1)[1:-1]
    risk = 1 / (1 + np.exp(-log_odds - chance.logistic(0, 0.3, rows)))
    classed = np.searchsorted(levels, risk + chance.normal(0, 0.15, rows))
    debt[:: max(1, rows // 20)] = np.nan
    return table({"debt": debt, "age": age, "housing": housing, "failed": classed})


def silent(line: str) -> None:
    """Take a line of progress."""


def trained(name: str, rows: Table, request: Request) -> Model:
    """Return a model learned from a table."""
    return model_class(name).fit(rows, request, silent)


def saved(model: Model, request: Request, rows: Table, out: Path) -> Path:
    """Return the folder that a model was saved into."""
    save_model(model, request, rows, out)
    return out


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file in a folder by its path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def gap_of_reasons(model: Model, rows: Table, value: Callable[[Any], float]) -> float:
    """Return the widest gap between a prediction's value and the sum of its contributions."""
    return max(
        abs(sum(reason.contribution for reason in each.reasons) - value(each))
        for each in model.predict(rows)
    )
