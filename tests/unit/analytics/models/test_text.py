"""The model of texts: calibrated, explained word by word, the same again."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from analytics.models import text_line
from analytics.models.errors import DataRefused, ExtraMissing, ModelUnusable
from analytics.models.folder import load_model, save_model
from analytics.models.interface import Model, Request
from analytics.models.tabular import Table
from tests.unit.analytics.models.tables import (
    contents,
    gap_of_reasons,
    table,
    trained,
)

REQUEST = Request(seed=1, target="purpose", text="memo")
PURPOSES = {
    "fee": ("late fee", "account fee", "滞纳金", "手续费"),
    "rent": ("flat rent", "office rent", "房租", "公寓租金"),
    "tax": ("income tax", "property tax", "所得税", "增值税"),
}


@pytest.fixture(scope="module", autouse=True)
def _few_strengths() -> Iterator[None]:
    """Try two strengths: what is chosen from is all the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_line, "STRENGTHS", (2.0, 8.0))
        patch.setattr(text_line, "FOLDS", 3)
        yield


def memos(rows: int, seed: int = 0, purposes: int = 3) -> Table:
    """Return memos of purposes, one in ten of which says the wrong thing."""
    chance = np.random.default_rng(seed)
    names = list(PURPOSES)[:purposes]
    chosen = chance.choice(names, rows)
    said = np.where(chance.random(rows) < 0.1, chance.choice(names, rows), chosen)
    around = ("{} for May", "ref 77 {}", "{}", "{}, thanks")
    texts = [
        str(chance.choice(around)).format(chance.choice(PURPOSES[purpose])) for purpose in said
    ]
    return table({"memo": texts, "purpose": chosen, "amount": chance.integers(1, 99, rows)})


@pytest.fixture(scope="module")
def rows() -> Table:
    """Return memos to learn from."""
    return memos(300)


@pytest.fixture(scope="module")
def model(rows: Table) -> Model:
    """Return a model of them."""
    return trained("text", rows, REQUEST)


def test_it_does_as_well_as_scikit_learn(model: Model, rows: Table) -> None:
    """Later memos are told apart at least as well as by a plain pipeline."""
    later = memos(300, seed=5)
    judge = make_pipeline(TfidfVectorizer(analyzer="char_wb"), LogisticRegression())
    judge.fit(rows.frame["memo"], rows.frame["purpose"])
    found = model.evaluate(later)
    assert found["accuracy"] >= judge.score(later.frame["memo"], later.frame["purpose"])
    assert found["ece"] < 0.08
    assert [column.name for column in model.features] == ["memo"]
    assert [(each.name, each.reason.value) for each in model.excluded] == [
        ("amount", "not the text")
    ]


@pytest.mark.parametrize("purposes", [2, 3])
def test_words_are_the_reasons_and_add_up(purposes: int) -> None:
    """The baseline and the words are the probability; the telling word comes first."""
    rows = memos(250, purposes=purposes)
    model = trained("text", rows, REQUEST)
    assert gap_of_reasons(model, rows, lambda each: each.score) < 1e-9
    few = table({"memo": ["Office RENT for May", "房租", "quite unknown zzz", None]})
    said = list(model.predict(few))
    assert [each.prediction for each in said[:2]] == ["rent", "rent"]
    assert said[0].reasons[1].feature in {"rent", "office rent", "office"}
    assert "“rent” in memo" in " ".join(reason.text for reason in said[0].reasons)
    assert [reason.feature for reason in said[1].reasons] == ["(baseline)", "房租"]
    assert said[3].reasons[0].feature == "(baseline)"
    assert gap_of_reasons(model, few, lambda each: each.score) < 1e-9


def test_a_folder_is_the_model_and_the_same_again(
    model: Model, rows: Table, tmp_path: Path
) -> None:
    """What is loaded says the same; a second training gives the same bytes."""
    folder, second = tmp_path / "m", tmp_path / "n"
    save_model(model, REQUEST, rows, folder, has_plots=False)
    again = load_model(folder)
    assert list(again.predict(rows)) == list(model.predict(rows))
    assert again.evaluate(rows) == model.evaluate(rows)
    assert (again.explain(), again.document()) == (model.explain(), model.document())
    save_model(trained("text", rows, REQUEST), REQUEST, rows, second, has_plots=False)
    assert contents(second) == contents(folder)
    assert "## Words" in (folder / "card.md").read_text("utf-8")


def test_arrays_of_another_model_are_refused(model: Model, rows: Table, tmp_path: Path) -> None:
    """A folder whose terms and weights do not belong together is no model, whatever its hashes."""
    folder = tmp_path / "m"
    save_model(model, REQUEST, rows, folder, has_plots=False)
    terms = json.loads((folder / "terms.json").read_text("utf-8"))
    (folder / "terms.json").write_text(json.dumps([terms[0][:-1], terms[1]]), "utf-8")
    with pytest.raises(ModelUnusable) as refused:
        load_model(folder)
    assert refused.value.code == "model_corrupt"
    state = json.loads((folder / "model.json").read_text("utf-8"))["state"]
    with pytest.raises(ValueError, match="one model"):
        type(model).load(folder, state)


def test_classes_that_part_without_a_fault_are_not_certain() -> None:
    """So many rows without a fault say so much and no more, also of what is new."""
    rows = table({"memo": ["rent may", "tax june", "fee july"] * 100, "purpose": list("abc") * 100})
    [said] = trained("text", rows, REQUEST).predict(table({"memo": ["rent may"]}))
    assert 0.95 < said.score < 0.9999


def test_a_text_without_words_is_learned_from(rows: Table) -> None:
    """Gaps are told, and count as such: no row is dropped."""
    frame = rows.frame.copy()
    frame.loc[:30, ["memo", "purpose"]] = [None, "fee"]
    told: list[str] = []
    gaps = table({name: frame[name] for name in frame.columns})
    model = type(trained("text", rows, REQUEST)).fit(gaps, REQUEST, told.append)
    assert any("rows have no text" in line for line in told)
    [said] = model.predict(table({"memo": [" "]}))
    assert said.prediction == "fee"
    assert said.reasons[1].feature == "(no text)"


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        ({"memo": ["rent"] * 40}, "no_features"),
        ({"memo": [None] * 40}, "wrong_type"),
        ({"memo": list(range(40))}, "wrong_type"),
        ({"memo": [["rent"], "tax"] * 20}, "wrong_type"),
        ({"note": ["rent", "tax"] * 20}, "missing_column"),
        ({"memo": ["rent", "x" * 100_001] * 20}, "text_too_long"),
    ],
)
def test_columns_without_a_text_are_refused(columns: dict[str, Any], code: str) -> None:
    """What cannot be learned from is told by a code."""
    with pytest.raises(DataRefused) as refused:
        trained("text", table({**columns, "purpose": ["a", "b"] * 20}), REQUEST)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (Request(target="purpose"), "missing_option"),
        (Request(target="purpose", text="purpose"), "target_as_feature"),
        (Request(target="purpose", text="memo", features=("amount",)), "unused_option"),
        (Request(target="purpose", text="memo", fine_tune=True), "missing_option"),
    ],
)
def test_options_that_do_not_fit_are_refused(rows: Table, request_: Request, code: str) -> None:
    """An option that would be ignored is an error."""
    with pytest.raises(DataRefused) as refused:
        trained("text", rows, request_)
    assert refused.value.code == code


def test_one_class_and_few_rows_are_refused(rows: Table) -> None:
    """There must be something to tell apart, and enough of it."""
    same = table({"memo": rows.frame["memo"], "purpose": ["a"] * 300})
    few = table({"memo": ["rent", "tax"] * 6, "purpose": ["a", "b"] * 6})
    for wrong, code in ((same, "constant_target"), (few, "too_few_rows")):
        with pytest.raises(DataRefused) as refused:
            trained("text", wrong, REQUEST)
        assert refused.value.code == code


def test_an_embedding_without_its_libraries_says_what_to_install(
    rows: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TF-IDF needs nothing; an embedding names the extra."""
    monkeypatch.setitem(sys.modules, "analytics.models.sentences", None)
    with pytest.raises(ExtraMissing, match=r"pip install 'sunlit\[text\]'"):
        trained("text", rows, replace(REQUEST, embedding="minilm"))
