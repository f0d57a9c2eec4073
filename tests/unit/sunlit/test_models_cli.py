"""The commands of models: what they print, and how they end."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from analytics.models import autoencoder, kmeans, plotting
from analytics.models.network_training import Schedule
from analytics.models.tabular import read_table
from sunlit.cli import main
from tests.unit.analytics.models.tables import credit


@pytest.fixture
def loans(tmp_path: Path) -> Path:
    """Return a file of loans with a customer's number."""
    frame = credit(200).frame
    frame.insert(0, "customer_id", range(7_000, 7_200))
    path = tmp_path / "loans.csv"
    frame.to_csv(path, index=False)
    return path


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["analytics", *map(str, arguments)])


def _json(result: Result) -> Any:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_a_model_is_trained_asked_and_explained(loans: Path, tmp_path: Path) -> None:
    """Train, evaluate, predict and explain speak the documented shapes."""
    out = tmp_path / "credit"
    done = _run("train", "logistic", "--data", loans, "--target", "failed", "--out", out, "--json")
    found = _json(done)
    assert {key: found[key] for key in ("model", "rows", "features", "excluded")} == {
        "model": "logistic",
        "rows": 200,
        "features": ["debt", "age", "housing"],
        "excluded": ["customer_id"],
    }
    assert {"auc", "ks", "brier", "psi"} <= found["metrics"].keys()
    assert "warning: 'customer_id' is left out: identifier" in done.stderr
    again = _run("evaluate", out, "--data", loans, "--json")
    assert {"model", "rows", "metrics", "quality"} == _json(again).keys()
    assert _json(again)["quality"] == []
    assert "learned from this very file" in again.stderr
    lines = _run("predict", out, "--data", loans).stdout.splitlines()
    first = json.loads(lines[0])
    assert len(lines) == 200
    assert first.keys() == {"row", "prediction", "score", "reasons"}
    assert first["reasons"][0].keys() == {"feature", "value", "contribution", "text"}
    assert sum(each["contribution"] for each in first["reasons"]) == pytest.approx(first["score"])
    told = _json(_run("explain", out, "--json"))
    assert told["document"]["scorecard"]["pdo"] == 20.0
    assert [each["column"] for each in told["quality"]["expected"]] == found["features"]
    assert "## Scorecard" in _run("explain", out).stdout
    refused = _run("forecast", out)
    assert (refused.exit_code, "error[no_forecast]" in refused.stderr) == (1, True)
    refused = _run("transform", out, "--data", loans, "--out", tmp_path / "t.csv")
    assert (refused.exit_code, "error[no_transform]" in refused.stderr) == (1, True)


def test_a_model_that_is_there_is_replaced_with_a_warning(loans: Path, tmp_path: Path) -> None:
    """The warning names the model; a folder of something else is refused before anything is read."""
    train = ("train", "pca", "--data", loans, "--out", tmp_path / "g", "--json")
    assert "holds the model" not in _run(*train).stderr
    there = _json(_run("explain", tmp_path / "g", "--json"))["id"]
    assert f"warning: {tmp_path / 'g'} holds the model {there}" in _run(*train).stderr
    refused = _run("train", "pca", "--data", tmp_path / "none.csv", "--out", tmp_path)
    assert (refused.exit_code, "error[out_exists]" in refused.stderr) == (1, True)


def test_rows_unlike_the_training_are_told_and_kept(loans: Path, tmp_path: Path) -> None:
    """A warning for each column on standard error, findings in the JSON, a prediction for each row."""
    _json(_run("train", "pca", "--data", loans, "--out", tmp_path / "g", "--json"))
    later = credit(30, seed=5).frame
    later.loc[2, "age"] = 400.0
    path = tmp_path / "later.csv"
    later.to_csv(path, index=False)
    predicted = _run("predict", tmp_path / "g", "--data", path)
    assert "warning: column age: 1 rows outside the range seen in training" in predicted.stderr
    assert len(predicted.stdout.splitlines()) == 30
    findings = _json(_run("evaluate", tmp_path / "g", "--data", path, "--json"))["quality"]
    assert {"column": "age", "check": "range", "first_rows": [3]}.items() <= findings[-1].items()


def test_faults_are_one_line_with_a_code(loans: Path, tmp_path: Path) -> None:
    """What is wrong with data or folder ends in 1, a missing option in 2, and nothing is left."""
    out = tmp_path / "m"
    for arguments, status, text in (
        (("train", "logistic", "--data", loans, "--out", out), 2, "--target"),
        (
            ("train", "pca", "--data", loans, "--out", out, "--embedding", "minilm"),
            2,
            "pca takes no --embedding",
        ),
        (("train", "oracle", "--data", loans, "--out", out), 1, "error[unknown_model]"),
        (("train", "pca", "--data", tmp_path / "no", "--out", out), 1, "error[data_missing]"),
        (("predict", out, "--data", loans), 1, "error[model_missing]"),
    ):
        done = _run(*arguments)
        assert (done.exit_code, text in done.stderr) == (status, True), done.stderr
    assert not out.exists()


def test_plots_that_are_missing_are_told(
    loans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without matplotlib the training ends well and says how to get plots."""
    monkeypatch.setattr(plotting, "can_plot", lambda: False)
    monkeypatch.setattr(kmeans, "GROUPS_MAX", 3)
    done = _run("train", "kmeans", "--data", loans, "--out", tmp_path / "g", "--json")
    assert _json(done)["metrics"]["groups"] in (2.0, 3.0)
    assert "pip install 'sunlit[plots]'" in done.stderr


def test_models_are_listed() -> None:
    """Each model tells what its training needs."""
    items = {each["model"]: each for each in _json(_run("models", "--json"))["items"]}
    assert items["logistic"]["options"] == ["--target"]
    assert items["pca"]["extra"] is None


@pytest.mark.parametrize("name", ["filled.csv", "filled.parquet"])
def test_gaps_are_filled_into_a_file(
    name: str, loans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table comes back with every gap filled and its coordinates beside."""
    monkeypatch.setattr(autoencoder, "SCHEDULE", Schedule(epochs_max=2))
    out, file = tmp_path / "m", tmp_path / name
    _json(_run("train", "autoencoder", "--data", loans, "--out", out, "--json"))
    told = _json(_run("transform", out, "--data", loans, "--out", file, "--json"))
    rows = read_table(file).frame
    assert told == {"model": "autoencoder", "rows": 200, "columns": list(rows.columns)}
    assert list(rows.columns)[-2:] == ["coordinate_1", "coordinate_2"]
    assert not rows.isna().any().any()


def test_a_network_without_its_library_says_what_to_install(
    loans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without torch the training ends with a code and the extra, before anything is read."""
    monkeypatch.setitem(sys.modules, "torch", None)
    for module in ("lstm", "lstm_training", "network_training", "quantile_network"):
        monkeypatch.delitem(sys.modules, f"analytics.models.{module}", raising=False)
    done = _run(
        "train", "lstm", "--data", loans, "--out", tmp_path / "m",
        "--time", "age", "--target", "debt", "--horizon", "2",
    )  # fmt: skip
    assert done.exit_code == 1
    assert "error[extra_missing]: lstm needs" in done.stderr
    assert "pip install 'sunlit[deep]'" in done.stderr
