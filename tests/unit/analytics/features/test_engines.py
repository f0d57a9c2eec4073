"""Features of a history in files: read as documented, computed as in the warehouse."""

from __future__ import annotations

import importlib.util
import random
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from analytics.features.engines import History, history_features
from analytics.models.errors import DataRefused

ACCOUNTS = [f"sun1{number:02d}" for number in range(12)]


@pytest.fixture(scope="module")
def legs() -> pd.DataFrame:
    """Some weeks of payments among a few accounts."""
    chance, time, rows = random.Random(7), datetime(2026, 1, 1), []  # noqa: DTZ001
    for height in range(1, 500):
        time += timedelta(minutes=chance.randint(5, 120))
        for _ in range(chance.randint(0, 2)):
            debit, credit = chance.sample(ACCOUNTS, 2)
            amount = chance.choice([100_000, 12_345, chance.randint(1, 10**7)])
            rows.append((height, time, "transfer", debit, credit, "CNY", amount))
    columns = ["height", "time", "kind", "debit", "credit", "asset", "amount"]
    return pd.DataFrame(rows, columns=columns)


def computed(history: History, until: int | None = None) -> pd.DataFrame:
    """Return the features on DuckDB."""
    return history_features(history, until=until, engine="duckdb", master=None).rows


def test_features_are_counted_over_the_last_week(legs: pd.DataFrame, tmp_path: Path) -> None:
    """Payments made, their payees and largest, against plain loops over the rows."""
    legs.to_csv(tmp_path / "legs.csv", index=False)
    rows = computed(History.of(tmp_path / "legs.csv"))
    week = legs[legs.time > legs.time.max() - timedelta(days=7)]
    assert list(rows.account) == ACCOUNTS
    for row in rows.itertuples():
        paid = week[week.debit == row.account]
        assert row.paid_count == len(paid)
        assert row.payees == paid.credit.nunique()
        assert row.largest_paid == pytest.approx(
            0 if paid.empty else paid.amount.max() / week.amount.mean()
        )


def test_forms_of_a_history_say_the_same(legs: pd.DataFrame, tmp_path: Path) -> None:
    """CSV, Parquet and the parts of an export give the same rows, and an export its members."""
    legs.to_csv(tmp_path / "legs.csv", index=False)
    legs.to_parquet(tmp_path / "legs.parquet", index=False)
    export = tmp_path / "export"
    (export / "legs").mkdir(parents=True)
    half = len(legs) // 2
    legs.iloc[:half].to_parquet(export / "legs" / "0-200.parquet", index=False)
    legs.iloc[half:].to_parquet(export / "legs" / "201-499.parquet", index=False)
    (export / "accounts").mkdir()
    pd.DataFrame(
        {"account": ACCOUNTS, "member": "bank1", "kind": "user", "opened_height": 0}
    ).to_parquet(export / "accounts" / "accounts.parquet", index=False)
    from_csv, from_parquet, exported = (
        computed(History.of(path))
        for path in (tmp_path / "legs.csv", tmp_path / "legs.parquet", export)
    )
    pd.testing.assert_frame_equal(from_csv, from_parquet)
    assert set(exported.member) == {"bank1"}
    measured = from_csv.columns[3:]
    pd.testing.assert_frame_equal(exported[measured], from_csv[measured])


def test_an_earlier_block_sees_what_was_there_then(legs: pd.DataFrame, tmp_path: Path) -> None:
    """Up to a height the features are those of the legs until then."""
    legs.to_parquet(tmp_path / "all.parquet", index=False)
    until = int(legs.height.median())
    early = legs[legs.height <= until]
    early.to_parquet(tmp_path / "early.parquet", index=False)
    whole = computed(History.of(tmp_path / "all.parquet"), until=until)
    pd.testing.assert_frame_equal(whole, computed(History.of(tmp_path / "early.parquet")))


def test_unusable_histories_are_refused(legs: pd.DataFrame, tmp_path: Path) -> None:
    """Nothing there, and a file without a column that features need."""
    with pytest.raises(DataRefused) as refused:
        History.of(tmp_path)
    assert refused.value.code == "data_missing"
    legs.drop(columns="amount").to_csv(tmp_path / "legs.csv", index=False)
    with pytest.raises(DataRefused) as refused:
        computed(History.of(tmp_path / "legs.csv"))
    assert (refused.value.code, refused.value.fields["column"]) == ("missing_column", "amount")


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("pyspark") is None or shutil.which("java") is None,
    reason="needs Java and the extra spark",
)
@pytest.mark.filterwarnings("ignore")
def test_spark_says_what_duckdb_says(legs: pd.DataFrame, tmp_path: Path) -> None:
    """The same expressions on Spark give the same numbers, to the last digit that is kept."""
    legs.to_parquet(tmp_path / "legs.parquet", index=False)
    history = History.of(tmp_path / "legs.parquet")
    spark = history_features(history, until=None, engine="spark", master="local[2]")
    pd.testing.assert_frame_equal(spark.rows, computed(history), check_exact=True)
