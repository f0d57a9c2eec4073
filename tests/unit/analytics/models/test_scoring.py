"""Scoring a file in parts, as the workers of a cluster do, without a cluster."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analytics.models import scoring
from analytics.models.errors import DataRefused, ExtraMissing
from analytics.models.folder import load_manifest
from analytics.models.interface import Forecaster, Request
from analytics.models.scoring import ROW, _findings, _needed, _require_columns, score
from analytics.models.scoring import _score_parts as score_parts
from analytics.spark import spark_session
from tests.unit.analytics.models.tables import credit, saved, trained

REQUEST = Request(seed=1)
ROWS = 90


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a model."""
    rows = credit(60)
    out = tmp_path_factory.mktemp("scoring") / "components"
    return saved(trained("pca", rows, REQUEST), REQUEST, rows, out)


@pytest.fixture
def later() -> pd.DataFrame:
    """Return rows, two of which are unlike the training."""
    frame = credit(ROWS, seed=8).frame
    frame.loc[[4, 70], "age"] = 300.0
    return frame


def on_worker(
    monkeypatch: pytest.MonkeyPatch, folder: Path, parts: list[pd.DataFrame], **changed: str
) -> pd.DataFrame:
    """Return all that a worker answers to parts."""
    pyspark = pytest.importorskip("pyspark")
    monkeypatch.setattr(pyspark.SparkFiles, "get", lambda name: str(folder))
    release = changed.get("release", version("sunlit"))
    return pd.concat(list(score_parts(iter(parts), archive="a", release=release)))


def test_parts_in_any_order_are_the_whole(
    monkeypatch: pytest.MonkeyPatch, folder: Path, later: pd.DataFrame, tmp_path: Path
) -> None:
    """Shuffled rows in three parts, sorted again, are the lines and findings of the file here."""
    later.to_csv(tmp_path / "later.csv", index=False)
    here = score(folder, tmp_path / "later.csv")
    placed = later.assign(**{ROW: range(ROWS)})
    shuffled = placed.sample(frac=1.0, random_state=3)
    parts = [shuffled.iloc[places].copy() for places in np.array_split(np.arange(ROWS), 3)]
    answers = on_worker(monkeypatch, folder, parts)
    lines = answers[answers.row >= 0].sort_values("row").line
    found, expected = (list(map(json.loads, each)) for each in (lines, here.lines))
    for name in ("row", "prediction"):
        assert [each[name] for each in found] == [each[name] for each in expected]
    for one, other in zip(found, expected, strict=True):
        assert one["score"] == pytest.approx(other["score"], rel=1e-9, abs=1e-9)
    told = [json.loads(line) for line in answers[answers.row < 0].line]
    merged = _findings(load_manifest(folder)["quality"], told)
    assert [asdict(each) for each in merged] == [asdict(each) for each in here.findings]
    assert {each.column: each.first_rows for each in merged}["age"][0] == 5


def test_a_worker_s_refusal_is_the_driver_s(
    monkeypatch: pytest.MonkeyPatch, folder: Path, later: pd.DataFrame
) -> None:
    """Its code and detail arrive, and nothing is predicted of the part."""
    wrong = later.assign(age="old", **{ROW: range(ROWS)})
    answers = on_worker(monkeypatch, folder, [wrong])
    assert list(answers.row) == [-1]
    with pytest.raises(DataRefused, match="within a part of the file") as refused:
        _findings(load_manifest(folder)["quality"], [json.loads(answers.line.iloc[0])])
    assert refused.value.code == "wrong_type"


def test_a_worker_with_another_sunlit_says_so(
    monkeypatch: pytest.MonkeyPatch, folder: Path, later: pd.DataFrame
) -> None:
    """Two versions could give two answers."""
    with pytest.raises(RuntimeError, match=r"the driver 9\.9"):
        on_worker(monkeypatch, folder, [later.assign(**{ROW: range(ROWS)})], release="9.9")


def test_only_what_a_model_needs_is_sent(folder: Path) -> None:
    """The columns learned from and the text; one that lacks is refused before anything runs."""
    manifest: dict[str, Any] = {**load_manifest(folder)}
    assert _needed(manifest) == ["debt", "age", "failed"]
    manifest["request"] = {"text": "memo"}
    assert _needed(manifest)[-1] == "memo"
    with pytest.raises(DataRefused) as refused:
        _require_columns(["debt", "age"], ["debt", "housing"])
    assert (refused.value.code, refused.value.fields["column"]) == ("missing_column", "housing")


def test_a_series_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """A forecaster's rows depend on those before them."""
    monkeypatch.setattr(Forecaster, "__abstractmethods__", frozenset())
    monkeypatch.setattr(Forecaster, "NAME", "series", raising=False)
    with pytest.raises(DataRefused) as refused:
        scoring._refuse_series(Forecaster())  # type: ignore[abstract]
    assert refused.value.code == "not_row_by_row"


def test_without_pyspark_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra's name, as with every other."""
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with pytest.raises(ExtraMissing, match=r"sunlit\[spark\]"), spark_session("test", None):
        pytest.fail("there is no Spark")
