"""Activity images: what an account did in each span, against plain loops over its payments."""

from __future__ import annotations

import importlib.util
import random
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from analytics.features.engines import History, history_features
from analytics.features.images import MEASURES, SPANS_MAX, SPANS_MIN, image_names
from analytics.models.columns import require, survey
from analytics.models.images import Layout
from analytics.models.tabular import table_of
from sunlit.models_cli import features

SPANS = 14
HALF_DAY = timedelta(hours=12)
ACCOUNTS = [f"sun1{number:02d}" for number in range(8)]


@pytest.fixture(scope="module")
def legs() -> pd.DataFrame:
    """Some weeks of payments among a few accounts, of which the last is always paid."""
    chance, time, rows = random.Random(3), datetime(2026, 1, 1), []  # noqa: DTZ001
    for height in range(1, 400):
        time += timedelta(seconds=chance.randint(60, 7_200))
        for _ in range(chance.randint(0, 3)):
            debit, credit = chance.sample(ACCOUNTS, 2)
            if debit != ACCOUNTS[-1]:
                amount = chance.choice([100_000, 12_345, chance.randint(1, 10**6)])
                rows.append((height, time, "transfer", debit, credit, "CNY", amount))
    columns = ["height", "time", "kind", "debit", "credit", "asset", "amount"]
    return pd.DataFrame(rows, columns=columns)


@pytest.fixture(scope="module")
def history(legs: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> History:
    """Return the payments in a file."""
    path = tmp_path_factory.mktemp("history") / "legs.parquet"
    legs.to_parquet(path, index=False)
    return History.of(path)


def pictured(history: History, engine: str = "duckdb") -> pd.DataFrame:
    """Return features and images."""
    master = None if engine == "duckdb" else "local[2]"
    return history_features(history, until=None, engine=engine, master=master, activity=SPANS).rows


@pytest.fixture(scope="module")
def picture(history: History) -> pd.DataFrame:
    """Return the features and images of the history."""
    return pictured(history)


def test_a_span_holds_what_was_paid_in_it(picture: pd.DataFrame, legs: pd.DataFrame) -> None:
    """Every measure of every account and span, against the rows of that half day."""
    rows = picture.set_index("account")
    end = legs.time.max()
    began = end - timedelta(days=7)
    week = legs[legs.time > began]
    memory = legs[(legs.time <= began) & (legs.time > began - timedelta(days=28))]
    known = set(zip(memory.debit, memory.credit, strict=True))
    size = week.amount / week.amount.mean()
    for span in range(SPANS):
        first = began + span * HALF_DAY
        # A span begins with its first second; the window's last second is the last span's.
        is_in = (week.time >= first) & ((week.time < first + HALF_DAY) | (span == SPANS - 1))
        for account in ACCOUNTS:
            made, taken = (week[is_in & (week[side] == account)] for side in ("debit", "credit"))
            new = [(account, other) not in known for other in made.credit.unique()]
            new_payers = [(other, account) not in known for other in taken.debit.unique()]
            expected = {
                "paid_count": len(made),
                "paid_volume": size[made.index].sum(),
                "largest_paid": size[made.index].max() if len(made) else 0.0,
                "round_count": (made.amount % 100_000 == 0).sum(),
                "payees": made.credit.nunique(),
                "new_payees": sum(new),
                "received_count": len(taken),
                "received_volume": size[taken.index].sum(),
                "payers": taken.debit.nunique(),
                "new_payers": sum(new_payers),
            }
            found = {name: rows.loc[account, f"{name}_t{span + 1:02d}"] for name in MEASURES}
            assert found == pytest.approx(expected, abs=1e-8), (account, span)


def test_spans_add_up_to_the_features_of_the_week(picture: pd.DataFrame) -> None:
    """Counts and volumes over all spans are those of the features beside them."""
    rows = picture
    for name in ("paid_count", "paid_volume", "received_count", "received_volume"):
        spans = [f"{name}_t{span + 1:02d}" for span in range(SPANS)]
        assert rows[spans].sum(axis=1).tolist() == pytest.approx(rows[name].tolist(), abs=1e-6)


def test_an_account_without_payments_is_still(legs: pd.DataFrame, tmp_path: Path) -> None:
    """Whoever was idle all week has an image of zeros."""
    (tmp_path / "legs").mkdir()
    (tmp_path / "accounts").mkdir()
    legs.to_parquet(tmp_path / "legs" / "0-400.parquet", index=False)
    idle = [*ACCOUNTS, "sun1idle"]
    pd.DataFrame({"account": idle, "member": "b", "kind": "user", "opened_height": 0}).to_parquet(
        tmp_path / "accounts" / "accounts.parquet", index=False
    )
    rows = pictured(History.of(tmp_path)).set_index("account")
    assert (rows.loc["sun1idle", list(image_names(SPANS))] == 0).all()


def test_models_see_one_image(picture: pd.DataFrame) -> None:
    """Measures are series of one image, span by span; spans that are 0 everywhere are left out."""
    rows = table_of(picture.drop(columns="account"), name="f", sha256="0" * 64)
    columns = survey(rows, named=None).features
    [image] = Layout.of(require(rows, columns), columns).images
    assert image.steps == SPANS
    measures = {each.columns[0].rpartition("_t")[0] for each in image.series}
    assert measures >= set(MEASURES) - {"new_payees", "new_payers"}


def test_the_command_takes_the_spans_that_there_are() -> None:
    """What `--activity` takes is what images are bounded by."""
    [option] = [each for each in features.params if each.name == "activity"]
    assert (option.type.min, option.type.max) == (SPANS_MIN, SPANS_MAX)  # type: ignore[attr-defined]


@pytest.mark.spark
@pytest.mark.skipif(
    importlib.util.find_spec("pyspark") is None or shutil.which("java") is None,
    reason="needs Java and the extra spark",
)
@pytest.mark.filterwarnings("ignore")
def test_spark_says_what_duckdb_says(history: History) -> None:
    """The same expressions on Spark give the same images, to the last digit that is kept."""
    pd.testing.assert_frame_equal(pictured(history, "spark"), pictured(history), check_exact=True)
