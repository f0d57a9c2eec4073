"""A model's folder is whole or refused, the same every time, and makes listed types alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import skops.io
from sklearn.decomposition import PCA as Components  # noqa: N811
from sklearn.preprocessing import FunctionTransformer

from analytics.models.errors import DataRefused, ModelUnusable
from analytics.models.folder import (
    card_hash,
    load_estimator,
    load_manifest,
    load_model,
    model_id,
    model_in,
    save_estimator,
    save_model,
)
from analytics.models.interface import Request
from tests.unit.analytics.models.tables import contents, credit, saved, trained

REQUEST = Request(seed=2, features=("debt", "age"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a small model."""
    rows = credit(60)
    return saved(trained("pca", rows, REQUEST), REQUEST, rows, tmp_path / "model")


def _refusal(folder: Path) -> str:
    with pytest.raises(ModelUnusable) as refused:
        load_model(folder)
    return refused.value.code


def test_the_same_training_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    """Every file of a second training with one seed equals the first's, plots included."""
    rows = credit(60)
    again = saved(trained("pca", rows, REQUEST), REQUEST, rows, tmp_path / "again")
    assert contents(folder) == contents(again)
    assert {"model.json", "card.md", "plots/scree.png"} <= contents(folder).keys()
    assert (model_id(folder), card_hash(folder)) == (model_id(again), card_hash(again))


def test_what_was_changed_is_refused(folder: Path) -> None:
    """Each file is checked before it is read; another format is told apart."""
    for name, text in contents(folder).items():
        (folder / name).write_bytes(text + b" ")
        # The manifest has no hash of itself: a space behind it changes nothing.
        if name == "model.json":
            load_model(folder)
        else:
            assert _refusal(folder) == "model_corrupt"
        (folder / name).write_bytes(text)
    (folder / "card.md").unlink()
    assert _refusal(folder) == "model_corrupt"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"format": 99}, "model_format"),
        ({"model_version": 99}, "model_format"),
        ({"model": "oracle"}, "unknown_model"),
        ({"state": {}}, "model_corrupt"),
        ({"files": {"../outside": "00"}}, "model_corrupt"),
    ],
)
def test_a_manifest_of_something_else_is_refused(
    folder: Path, change: dict[str, object], code: str
) -> None:
    """Another format, model or state is refused with its code, and no path leads outside."""
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **change}))
    assert _refusal(folder) == code


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    """No manifest, and one that is no JSON, are told apart."""
    assert _refusal(tmp_path) == "model_missing"
    (tmp_path / "model.json").write_text("{", encoding="utf-8")
    with pytest.raises(ModelUnusable) as refused:
        load_manifest(tmp_path)
    assert refused.value.code == "model_corrupt"


def test_what_is_no_model_is_not_overwritten(folder: Path, tmp_path: Path) -> None:
    """A file, a folder of other things, and a model with something beside it stay as they are."""
    rows = credit(60)
    other = tmp_path / "other"
    other.mkdir()
    (other / "letter.txt").write_text("mine", encoding="utf-8")
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    before = contents(folder)
    model = trained("pca", rows, REQUEST)
    for out in (other, other / "letter.txt", folder):
        with pytest.raises(DataRefused) as refused:
            save_model(model, REQUEST, rows, out)
        assert refused.value.code == "out_exists"
    assert contents(folder) == before
    assert (other / "letter.txt").read_text("utf-8") == "mine"


def test_a_model_is_replaced_whole(folder: Path, tmp_path: Path) -> None:
    """A model gives way to the next, damaged or not; nothing of it and no other folder is left."""
    rows, request = credit(60), Request(seed=2, features=("debt", "age", "housing"))
    assert model_in(folder) == model_id(folder)
    (folder / "card.md").unlink()
    saved(trained("kmeans", rows, request), request, rows, folder)
    assert load_manifest(folder)["model"] == "kmeans"
    assert not (folder / "plots" / "scree.png").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    (tmp_path / "new").mkdir()
    assert model_in(tmp_path / "new") is None


def test_equal_estimators_give_equal_bytes(tmp_path: Path) -> None:
    """Addresses in memory and the time of day are not in a file, and it loads as it was."""
    values = [[0.0, 1.0], [2.0, 0.5], [3.0, 3.0], [1.0, 2.0]]
    for name in ("a", "b"):
        save_estimator(Components().fit(values), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    loaded = load_estimator(tmp_path / "a")
    assert loaded.transform(values).tolist() == Components().fit(values).transform(values).tolist()


def test_a_file_with_a_function_of_its_own_is_refused(tmp_path: Path) -> None:
    """An estimator that would call what the file names is not made."""
    skops.io.dump(FunctionTransformer(saved), tmp_path / "x")
    with pytest.raises(ModelUnusable) as refused:
        load_estimator(tmp_path / "x")
    assert refused.value.code == "model_corrupt"
