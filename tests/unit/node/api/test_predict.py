"""``/v1/audit/predict`` by models of a real registry over a real warehouse."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter

from analytics.features.reading import Window, feature_names, read_features
from analytics.models.folder import card_hash, load_model, save_model
from analytics.models.interface import Model, Request
from analytics.models.logistic import Logistic
from analytics.models.pca import PCA
from analytics.models.tabular import table_of
from analytics.registry.records import RULES, NewVersion, Standing, Version
from analytics.registry.store import Registry
from analytics.serving.limits import PREDICT_BODY_BYTES_MAX, PREDICT_ROWS_MAX
from analytics.warehouse.opening import FILE_NAME
from analytics.warehouse.store import Settings, Warehouse, connect
from ledger.addresses import encode_account_id
from node.analytics.prediction_documents import PredictionsDocument
from tests.histories import History
from tests.unit.node.api.served import Client, ServedNode, bearer, problem
from tests.unit.node.api.warehouses import serving_warehouse

Json = dict[str, Any]
MAKER, CHECKER = "01" * 33, "02" * 33
ROWS: list[Json] = [
    {"amount": 900.0, "term": 12, "home": "own", "unknown": "passed over"},
    {"amount": None, "term": 40, "home": "rent"},
    {"amount": 5.5, "term": 3, "home": None},
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Models in a registry, and the warehouse beside them."""

    warehouse: Warehouse
    credit: Version
    """A logistic regression of three columns, the champion of ``credit``."""
    outliers: Version
    """Outliers by all features of the ledger, a candidate."""
    folder: Path
    """Where the registry keeps the folders."""


@pytest.fixture(scope="module")
def history() -> History:
    """Return a short chain."""
    history = History(seed=2)
    history.grow(2, transactions=2)
    return history


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the folders of two models."""
    directory = tmp_path_factory.mktemp("models")
    random = np.random.default_rng(4)
    frame = pd.DataFrame(
        {
            "amount": random.normal(500, 200, 300),
            "term": random.integers(1, 60, 300),
            "home": random.choice(["own", "rent"], 300),
        }
    )
    frame["default"] = np.where(frame.term + random.normal(0, 10, 300) > 30, "yes", "no")
    _save(Logistic, frame, Request(target="default"), directory / "credit")
    spread = random.normal(0, 1, (40, len(feature_names()))) + np.repeat([0.0, 9.0], 20)[:, None]
    _save(PCA, pd.DataFrame(spread, columns=feature_names()), Request(), directory / "outliers")
    return directory


@pytest.fixture
async def scene(
    node: ServedNode, history: History, folders: Path, tmp_path: Path
) -> AsyncIterator[Scene]:
    """Return the node's analytics with a warehouse and a registry of both models."""
    made = Warehouse.create(connect(tmp_path / FILE_NAME, Settings()), history.network.genesis)
    made.append(history.blocks)
    registry = Registry.open_directory(tmp_path / "models", "00" * 32)
    credit = _enter(registry, folders / "credit", "credit", "logistic")
    credit = registry.stand(credit.id, Standing.CHAMPION, by=CHECKER, reason="good")
    outliers = _enter(registry, folders / "outliers", "account-outliers", "pca")
    _enter(registry, folders / "outliers", "fan_in", RULES)
    registry.close()
    async with serving_warehouse(node, made, tmp_path):
        yield Scene(
            warehouse=made, credit=credit, outliers=outliers, folder=tmp_path / "models" / credit.id
        )
    made.close()


def _save(kind: type[Model], frame: pd.DataFrame, request: Request, folder: Path) -> None:
    table = table_of(frame, name="made", sha256="")
    model = kind.fit(table, request, lambda _: None)
    save_model(model, request, table, folder, has_plots=False)


def _enter(registry: Registry, folder: Path, series: str, method: str) -> Version:
    new = NewVersion(
        series=series, method=method, data=None, seed=0, rows=300, metrics={}, reference={},
        compared=None, by=MAKER, training=None,
    )  # fmt: skip
    with registry.new_folder() as copy:
        shutil.copytree(folder, copy, dirs_exist_ok=True)
        if method == RULES:
            card = copy / "card.md"
            manifest = {"format": 1, "model": series, "files": {}}
            card.write_text("a rule")
            (copy / "model.json").write_text(json.dumps(manifest))
        return registry.enter(copy, new)


async def ask(client: Client, node: ServedNode, body: object) -> Any:
    """Return the answer to a regulator; 503 says "not now", as a busy machine may that loads a model."""
    headers = bearer(node.officer_token("regulator"))
    answer = await client.post("/v1/audit/predict", json=body, headers=headers)
    return answer if answer.status != 503 else await ask(client, node, body)


REFUSED: list[tuple[Json, int, str, str | None]] = [
    ({"model": "nothing", "rows": ROWS}, 404, "unknown_model", None),
    ({"model": "account-outliers", "rows": ROWS}, 404, "unknown_model", None),
    ({"model": "fan_in", "rows": ROWS}, 422, "no_predictions", None),
    ({"model": "credit", "rows": [ROWS[0], {"amount": 1, "home": "own"}]}, 422,
     "missing_column", "/rows/1/term"),
    ({"model": "credit", "rows": [ROWS[0] | {"term": "many"}]}, 422, "wrong_type", "/rows/0/term"),
    ({"model": "credit", "rows": [ROWS[0] | {"term": 10**400}]}, 422, "infinite_values",
     "/rows/0/term"),
    ({"model": "credit", "rows": [ROWS[0] | {"term": [1]}]}, 422, "invalid_field", "/rows/0/term"),
    ({"model": "credit", "rows": []}, 422, "invalid_field", "/rows"),
    ({"model": "credit", "rows": [{}] * (PREDICT_ROWS_MAX + 1)}, 422, "invalid_field", "/rows"),
    ({"model": "credit"}, 422, "invalid_field", None),
    ({"model": "../credit", "rows": ROWS}, 422, "invalid_field", "/model"),
    ({"model": "credit", "accounts": ["sun1"]}, 422, "invalid_field", "/accounts/0"),
]  # fmt: skip


async def refuse_by_name(client: Client, node: ServedNode) -> None:
    """Check that each is refused by status, code and pointer; so are numbers that JSON has not."""
    for body, status, code, pointer in REFUSED:
        found = await problem(await ask(client, node, body), status)
        assert found["code"] == code, found
        if pointer is not None:
            assert found["errors"][0]["pointer"] == pointer
    headers = bearer(node.officer_token("regulator")) | {"Content-Type": "application/json"}
    text = b'{"model":"credit","rows":[{"amount":1e999,"term":1,"home":"own"}]}'
    answer = await client.post("/v1/audit/predict", data=text, headers=headers)
    assert (await problem(answer, 422))["errors"][0]["pointer"] == "/rows/0/amount"
    large = BytesIO(b" " * (PREDICT_BODY_BYTES_MAX + 1))
    answer = await client.post("/v1/audit/predict", data=large, headers=headers)
    assert (await problem(answer, 413))["code"] == "body_too_large"


async def test_predictions_are_the_models_own_and_reasons_add_up(
    node: ServedNode, client: Client, scene: Scene, folders: Path
) -> None:
    """One by one as in a batch, by id, number and series, with the card's hash; else a clear refusal."""
    answer = await ask(client, node, {"model": "credit", "rows": ROWS})
    assert answer.status == 200, await answer.text()
    found = await answer.json()
    TypeAdapter(PredictionsDocument).validate_python(found)
    assert found["height"] is None
    model = found["model"]
    assert (model["id"], model["version"], model["state"]) == (scene.credit.id, 1, "champion")
    assert model["card_hash"] == card_hash(folders / "credit")
    frame = pd.DataFrame(ROWS)
    expected = list(load_model(folders / "credit").predict(table_of(frame, name="", sha256="")))
    assert [one["score"] for one in found["predictions"]] == [one.score for one in expected]
    assert [one["prediction"] for one in found["predictions"]] == [
        one.prediction for one in expected
    ]
    for prediction, reasons in zip(found["predictions"], found["reasons"], strict=True):
        total = math.fsum(reason["contribution"] for reason in reasons)
        assert total == pytest.approx(prediction["score"], abs=1e-12)
        assert reasons[0]["feature"] == "(baseline)"
    unlike = [(one["column"], one["check"], one["first_rows"]) for one in found["quality"]]
    assert unlike == [("amount", "gaps", [2]), ("home", "gaps", [3])]
    for name, row in (
        (scene.credit.id, ROWS[1]),
        ("credit/1", ROWS[1]),
    ):
        single = await (await ask(client, node, {"model": name, "rows": [row]})).json()
        assert single["predictions"] == [found["predictions"][1] | {"row": 1}]
        assert single["reasons"] == [found["reasons"][1]]
    await refuse_by_name(client, node)


async def test_accounts_are_predicted_by_their_features(
    node: ServedNode, client: Client, scene: Scene, history: History
) -> None:
    """The rows are those of the warehouse, whether one account is asked for or several."""
    height = len(history.blocks)
    window = Window(height=height, end_ms=history.blocks[-1].header.time_ms)
    with scene.warehouse.reading() as cursor:
        known = {each.account: each.values for each in read_features(cursor, window)}
    active = [name for name, of in known.items() if of["paid_count"] or of["received_count"]][:2]
    body = {"model": scene.outliers.id, "accounts": active}
    found = await (await ask(client, node, body)).json()
    rows = {"model": scene.outliers.id, "rows": [known[account] for account in active]}
    by_rows = await (await ask(client, node, rows)).json()
    assert found["height"] == height
    assert found["predictions"] == by_rows["predictions"]
    assert found["reasons"] == by_rows["reasons"]
    one = await (await ask(client, node, body | {"accounts": active[:1]})).json()
    assert one["predictions"] == found["predictions"][:1]
    idle = next(name for name in known if name not in active and not known[name]["paid_count"]
                and not known[name]["received_count"])  # fmt: skip
    nobody = encode_account_id(bytes(20))
    for account, status, code in ((idle, 409, "account_without_features"),
                                  (nobody, 404, "unknown_account")):  # fmt: skip
        asked = body | {"accounts": [active[0], account]}
        refused = await problem(await ask(client, node, asked), status)
        assert (refused["code"], refused["errors"][0]["pointer"]) == (code, "/accounts/1")


async def test_threat_71_a_changed_model_is_not_loaded(
    node: ServedNode, client: Client, scene: Scene
) -> None:
    """One byte of one file differs from what was entered: the model has no say, and is told of."""
    manifest = json.loads((scene.folder / "model.json").read_text("utf-8"))
    part = scene.folder / next(iter(manifest["files"]))
    part.write_bytes(part.read_bytes() + b" ")
    found = await problem(await ask(client, node, {"model": "credit", "rows": ROWS}), 409)
    assert found["code"] == "model_damaged"
