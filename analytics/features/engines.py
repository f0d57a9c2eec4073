"""Features of a history in files, on the engine that fits its size: DuckDB here, a Spark cluster there.

    legs, accounts, assets (CSV, Parquet, or a folder of ``sunlit audit export``)
        -> tables of the engine, by the documented names and types
        -> the one expression of ``analytics.features.accounts``
        -> a row an account

Both engines are given the same expression; numbers are rounded to `DECIMALS`, because engines add in
different orders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from analytics.features.reading import DECIMALS, MEMORY_MS, WINDOW_MS
from analytics.models.errors import DataRefused
from analytics.models.tabular import is_parquet
from analytics.spark import spark_session

if TYPE_CHECKING:
    from pandas import DataFrame

    from analytics.models.quality import Finding

ASSUMED_DECIMALS: Final = 2
"""Decimal places of an asset where no file says them."""
_LEGS: Final = {
    "height": "BIGINT", "time": "TIMESTAMP", "kind": "STRING", "debit": "STRING",
    "credit": "STRING", "asset": "STRING", "amount": "BIGINT",
}  # fmt: skip
_ACCOUNTS: Final = {
    "account": "STRING", "member": "STRING", "kind": "STRING", "opened_height": "BIGINT",
}  # fmt: skip
_ASSETS: Final = {"asset": "STRING", "decimals": "INT"}
_MS_A_SECOND: Final = 1_000

_DIALECTS: Final = {"duckdb": "duckdb", "spark": "pyspark"}
Sql = Callable[[str], Any]
"""Takes a statement that both engines understand."""
Opened = tuple[Sql, dict[str, tuple[str, ...]], Callable[[str], "DataFrame"]]
"""An engine: statements, the columns of what it read, and a query's rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Files of a history. Without accounts and assets they are told from the legs."""

    legs: tuple[Path, ...]
    """Movements, as the documented table ``legs``."""
    accounts: tuple[Path, ...] = ()
    """Accounts and their members, as ``accounts``."""
    assets: tuple[Path, ...] = ()
    """Assets and their decimal places, as ``assets``."""

    @classmethod
    def of(cls, path: Path) -> History:
        """Return the history in a file of legs, or in the folder of an export.

        Raises: DataRefused (``data_missing``).
        """
        if path.is_file():
            return cls(legs=(path,))
        tables = {
            name: tuple(sorted((path / name).glob("*.parquet")))
            for name in ("legs", "accounts", "assets")
        }
        if not tables["legs"]:
            detail = f"{path} is no file of legs and no folder of an export with its legs"
            raise DataRefused("data_missing", detail, path=str(path))
        return cls(**tables)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryFeatures:
    """The features of a history."""

    rows: DataFrame
    """Columns ``account``, ``member``, ``kind`` and the features, sorted by account."""
    quality: tuple[Finding, ...]
    """The rules that its legs, or the features, break."""


def history_features(
    history: History,
    *,
    until: int | None,
    engine: str,
    master: str | None,
    activity: int | None = None,
) -> HistoryFeatures:
    """Return the features of all accounts over the week that ends with a block.

    ``until`` is its height, None for the last one. ``engine`` is ``duckdb`` or ``spark``, ``master``
    the cluster's URL. With ``activity`` the account's image of that many spans follows the features.

    Raises: DataRefused (``missing_column``, ``data_unreadable``, ``data_empty``), ExtraMissing.
    """
    import ibis  # noqa: PLC0415 - imports are slow

    from analytics.features.accounts import NAMES, features  # noqa: PLC0415 - imports ibis
    from analytics.features.images import image_names, images  # noqa: PLC0415 - imports ibis
    from analytics.features.rules import check_features, check_legs  # noqa: PLC0415 - imports ibis

    expression, names = features(), NAMES
    if activity is not None:
        names = (*NAMES, *image_names(activity))
        expression = expression.left_join(images(activity), "account")
    expression = expression.select("account", "member", "kind", *names)
    opened = _spark(history, master) if engine == "spark" else _duckdb(history)
    with opened as (sql, columns, read):
        _make_tables(sql, columns, until)
        rows = read(str(ibis.to_sql(expression, dialect=_DIALECTS[engine])))
        findings = check_legs(read)
    if rows.empty:
        raise DataRefused("data_empty", "no account was open by then", until=until)
    # An account without a payment in the window has no image, and is 0 throughout.
    measured = rows[list(names)].astype("float64").fillna(0.0).round(DECIMALS)
    rows = rows[["account", "member", "kind"]].join(measured)
    rows = rows.sort_values("account").reset_index(drop=True)
    return HistoryFeatures(rows=rows, quality=(*findings, *check_features(rows)))


def _make_tables(sql: Sql, columns: Mapping[str, tuple[str, ...]], until: int | None) -> None:
    """Make the tables of the expression out of ``raw_legs`` and what else was read."""
    _select(sql, "legs", _LEGS, columns["legs"])
    if "accounts" in columns:
        _select(sql, "accounts", _ACCOUNTS, columns["accounts"])
    else:
        sql(
            "CREATE TEMPORARY VIEW accounts AS SELECT account, '' AS member, '' AS kind, "
            "min(height) AS opened_height FROM (SELECT debit AS account, height FROM legs "
            "UNION ALL SELECT credit AS account, height FROM legs) AS sides "
            "WHERE account IS NOT NULL GROUP BY account"
        )
    if "assets" in columns:
        _select(sql, "assets", _ASSETS, columns["assets"])
    else:
        sql(
            "CREATE TEMPORARY VIEW assets AS SELECT DISTINCT asset, "  # noqa: S608 - a number
            f"CAST({ASSUMED_DECIMALS} AS INT) AS decimals FROM legs"
        )
    window_s, memory_s = WINDOW_MS // _MS_A_SECOND, MEMORY_MS // _MS_A_SECOND
    bound = "" if until is None else f"WHERE height <= {until:d}"
    sql(
        "CREATE TEMPORARY VIEW feature_window AS SELECT until_height, until, "  # noqa: S608 - numbers
        f"until - INTERVAL '{window_s}' SECOND AS after, "
        f"until - INTERVAL '{window_s + memory_s}' SECOND AS remembered_after FROM "
        f"(SELECT max(height) AS until_height, max(time) AS until FROM legs {bound}) AS ends"
    )


def _select(sql: Sql, name: str, types: Mapping[str, str], there: tuple[str, ...]) -> None:
    missing = [column for column in types if column not in there]
    if missing:
        detail = f"{name}: no column {missing[0]!r}; there are {', '.join(there)}"
        raise DataRefused("missing_column", detail, column=missing[0])
    casts = ", ".join(f"CAST({column} AS {kind}) AS {column}" for column, kind in types.items())
    sql(f"CREATE TEMPORARY VIEW {name} AS SELECT {casts} FROM raw_{name}")  # noqa: S608 - our names


@contextmanager
def _duckdb(history: History) -> Iterator[Opened]:
    import duckdb  # noqa: PLC0415 - imports are slow

    columns = {}
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name, paths in _tables(history).items():
            reader = "read_parquet" if is_parquet(paths[0]) else "read_csv"
            files = [str(path) for path in paths]
            try:
                relation = getattr(connection, reader)(files)
            except duckdb.Error as error:
                reason = str(error).splitlines()[0]
                raise DataRefused("data_unreadable", f"{paths[0]}: {reason}") from None
            relation.create_view(f"raw_{name}")
            columns[name] = tuple(relation.columns)
        yield connection.execute, columns, lambda query: connection.sql(query).df()


@contextmanager
def _spark(history: History, master: str | None) -> Iterator[Opened]:
    import ibis  # noqa: PLC0415

    columns = {}
    with spark_session("sunlit features", master) as session:
        for name, paths in _tables(history).items():
            files = [str(path.resolve()) for path in paths]
            read = session.read
            rows = (
                read.parquet(*files)
                if is_parquet(paths[0])
                else read.option("header", "true").csv(files)
            )
            rows.createOrReplaceTempView(f"raw_{name}")
            columns[name] = tuple(rows.columns)
        ibis.pyspark.connect(session)  # or it knows no options of the dialect
        yield session.sql, columns, lambda query: session.sql(query).toArrow().to_pandas()


def _tables(history: History) -> dict[str, tuple[Path, ...]]:
    tables = {"legs": history.legs, "accounts": history.accounts, "assets": history.assets}
    return {name: paths for name, paths in tables.items() if paths}
