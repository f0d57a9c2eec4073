"""Features and predictions on a real Spark cluster, a master and two workers: the same as here."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analytics.models.interface import Request
from tests.spark.standalone import can_run, environment, running_cluster
from tests.unit.analytics.models.tables import credit, saved, trained

pytestmark = [
    pytest.mark.spark,
    pytest.mark.skipif(not can_run(), reason="needs Java and the extra spark"),
]
ROWS = 2_000
STRANGE_ROW = 1_234


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the URL of a running cluster's master."""
    with running_cluster(tmp_path_factory.mktemp("cluster")) as url:
        yield url


def run(directory: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Return a finished `sunlit analytics`, which uses loopback and little memory."""
    return subprocess.run(
        (sys.executable, "-m", "sunlit", "analytics", *map(str, words)),
        env=environment(directory / "spark") | {"SUNLIT_HOME": str(directory / "home")},
        capture_output=True,
        text=True,
        check=False,
    )


def lines(done: subprocess.CompletedProcess[str]) -> list[Any]:
    """Return the documents that a program printed, one a line."""
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def same(one: Any, other: Any) -> bool:
    """Tell whether two documents are equal, numbers to 12 digits."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return one == pytest.approx(other, rel=1e-12, abs=1e-12)
    return bool(one == other)


def test_features_are_those_of_duckdb(cluster: str, tmp_path: Path) -> None:
    """Every feature of every account, to the last digit that is kept."""
    chance, time, rows = random.Random(7), datetime(2026, 1, 1), []  # noqa: DTZ001
    accounts = [f"sun1{number:03d}" for number in range(40)]
    for height in range(1, 2_000):
        time += timedelta(minutes=chance.randint(1, 30))
        debit, credit_side = chance.sample(accounts, 2)
        amount = chance.choice([100_000, 12_345, chance.randint(1, 10**7)])
        rows.append((height, time, "transfer", debit, credit_side, "CNY", amount))
    columns = ["height", "time", "kind", "debit", "credit", "asset", "amount"]
    pd.DataFrame(rows, columns=columns).to_parquet(tmp_path / "legs.parquet", index=False)
    words = ("features", "--data", tmp_path / "legs.parquet", "--json")
    here, there = tmp_path / "here.parquet", tmp_path / "there.parquet"
    [counted] = lines(run(tmp_path, *words, "--out", here))
    spark = ("--engine", "spark", "--master", cluster)
    [told] = lines(run(tmp_path, *words, "--out", there, *spark))
    assert (told["accounts"], told["quality"]) == (counted["accounts"], []) == (40, [])
    pd.testing.assert_frame_equal(pd.read_parquet(there), pd.read_parquet(here), check_exact=True)


@pytest.mark.parametrize(
    ("name", "target", "form"),
    [
        ("logistic", "failed", "csv"),
        ("random-forest", "failed", "parquet"),
        ("kmeans", None, "parquet"),
    ],
)
def test_predictions_are_those_of_this_machine(
    cluster: str, tmp_path: Path, name: str, target: str | None, form: str
) -> None:
    """Row for row: prediction, score, reasons; and the same warnings."""
    request = Request(seed=1, target=target)
    rows = credit(400)
    folder = saved(trained(name, rows, request), request, rows, tmp_path / "model")
    later = credit(ROWS, seed=5).frame
    later.loc[STRANGE_ROW - 1, "age"] = 300.0
    data = tmp_path / f"later.{form}"
    if form == "csv":
        later.to_csv(data, index=False)
    else:
        later.to_parquet(data, index=False)
    words = ("predict", folder, "--data", data)
    here = run(tmp_path, *words)
    there = run(tmp_path, *words, "--engine", "spark", "--master", cluster)
    expected, found = lines(here), lines(there)
    assert [each["row"] for each in found] == list(range(1, ROWS + 1))
    assert all(map(same, found, expected))
    warnings = [line for line in here.stderr.splitlines() if line.startswith("warning: column")]
    assert any("column age" in line for line in warnings)
    told = there.stderr.replace("\r", "\n")
    assert all(line in told for line in warnings)


def test_what_a_worker_refuses_ends_the_command_with_its_code(cluster: str, tmp_path: Path) -> None:
    """A word among numbers, which only the worker that has the row sees; nothing is printed."""
    request = Request(seed=1)
    rows = credit(200)
    folder = saved(trained("kmeans", rows, request), request, rows, tmp_path / "model")
    data = tmp_path / "later.parquet"
    ages = rows.frame["age"].astype(str)
    ages[150] = "old"
    rows.frame.assign(age=ages).to_parquet(data, index=False)
    words = ("predict", folder, "--data", data, "--engine", "spark", "--master", cluster)
    done = run(tmp_path, *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert "error[wrong_type]: 'age' was a number in training and is none" in done.stderr
