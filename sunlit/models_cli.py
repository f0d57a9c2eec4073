"""``sunlit analytics train`` and what follows: models on a CSV or Parquet file."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from wallet.console import Session, home_options, printable, progress, table

if TYPE_CHECKING:
    from analytics.models.interface import Model, Request
    from analytics.models.quality import Finding
    from analytics.models.tabular import Table

_DATA = click.Path(path_type=Path)
_FOLDER = click.Path(path_type=Path)
HERE: Final = "duckdb"
"""The engine on this machine."""
_QUALITY: Final = ("duplicate_rows", "columns")
"""What `train` tells of the quality of its table; the folder has the rules as well."""


def _data_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--data", type=_DATA, required=True, metavar="FILE", help="CSV or Parquet file."
    )(command)


_engine_option: Final = click.option(
    "--engine",
    type=click.Choice([HERE, "spark"]),
    default=HERE,
    show_default=True,
    help="Where it runs: this machine, or Apache Spark.",
)
_master_option: Final = click.option(
    "--master", metavar="URL", help="Spark cluster, spark://HOST:PORT; else this machine."
)


@click.command("train")
@click.argument("model")
@_data_option
@click.option("--out", type=_FOLDER, required=True, metavar="DIR", help="Folder for the model.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, help="Of all chance.")
@click.option("--target", metavar="COLUMN", help="What to predict.")
@click.option("--positive", metavar="VALUE", help="Which of two classes is the event.")
@click.option("--time", metavar="COLUMN", help="Orders the rows: the latest judge the model.")
@click.option("--text", metavar="COLUMN", help="Free text to learn from.")
@click.option(
    "--embedding", type=click.Choice(["minilm"]), help="Sentences beside words, in --text."
)
@click.option(
    "--fine-tune", is_flag=True, default=None, help="Let the --embedding learn too; takes long."
)
@click.option("--horizon", type=click.IntRange(1, 10_000), metavar="N", help="Steps to forecast.")
@click.option(
    "--features", metavar="A,B,…", help="Columns to learn from; else all that say something."
)
@home_options
def train(session: Session, /, model: str, data: Path, out: Path, **options: Any) -> None:
    """Learn a model from a table and judge it on rows that it has not seen.

    `sunlit analytics models` lists the models and what each needs. The same seed and table give
    the same model. DIR gets the model, its card and its plots. A model that is there is replaced
    when the new one is whole, with a warning; a folder of anything else is refused.

    Example: sunlit analytics train kmeans --data customers.csv --out groups
    """
    from analytics.models.catalog import model_class  # noqa: PLC0415
    from analytics.models.folder import model_in, save_model  # noqa: PLC0415
    from analytics.models.plotting import can_plot  # noqa: PLC0415
    from analytics.models.tabular import read_table  # noqa: PLC0415

    kind = model_class(model)
    request = _request(kind, options)
    if (replaced := model_in(out)) is not None:
        progress(f"warning: {out} holds the model {replaced}, which the new one will replace")
    progress(f"reading {data}")
    rows = read_table(data)
    trained = kind.fit(rows, request, progress)
    for column in trained.excluded:
        progress(f"warning: {column.name!r} is left out: {column.reason}")
    manifest = save_model(trained, request, rows, out)
    if not can_plot():
        progress("warning: no plots without matplotlib: pip install 'sunlit[plots]'")
    result = {
        "model": model,
        "rows": len(rows),
        "features": [column.name for column in trained.features],
        "excluded": [column.name for column in trained.excluded],
        "metrics": manifest["metrics"],
        "quality": {name: manifest["quality"][name] for name in _QUALITY},
    }
    progress(f"the model and its card are in {out}")
    session.show(result, _measures(result))


@click.command("evaluate")
@click.argument("folder", type=_FOLDER, metavar="DIR")
@_data_option
@home_options
def evaluate(session: Session, folder: Path, data: Path) -> None:
    """Measure a model on a table that it has not learned from.

    Example: sunlit analytics evaluate credit --data later.csv --json
    """
    from analytics.models.folder import load_manifest, load_model  # noqa: PLC0415
    from analytics.models.tabular import read_table  # noqa: PLC0415

    manifest = load_manifest(folder)
    model, rows = load_model(folder), read_table(data)
    if rows.source.sha256 == manifest["data"]["sha256"]:
        progress("warning: the model learned from this very file; these measures flatter it")
    result = {
        "model": model.NAME,
        "rows": len(rows),
        "metrics": dict(model.evaluate(rows)),
        "quality": [dataclasses.asdict(finding) for finding in _checked(manifest, rows)],
    }
    session.show(result, _measures(result))


@click.command("predict")
@click.argument("folder", type=_FOLDER, metavar="DIR")
@_data_option
@_engine_option
@_master_option
@home_options
def predict(session: Session, /, folder: Path, data: Path, engine: str, master: str | None) -> None:
    """Print a line of JSON for every row of a table: prediction, score and reasons.

    Columns that are unlike those of the training are told on standard error; no row is left out.
    On Spark the workers need Sunlit, and to see a Parquet FILE by its path; PYSPARK_PYTHON names
    their Python.

    Example: sunlit analytics predict credit --data applications.csv
    """
    from analytics.models.scoring import score, score_on_spark  # noqa: PLC0415

    del session  # a line of JSON a row is the only format
    _require_spark(engine, master)
    is_here = engine == HERE
    scoring = nullcontext(score(folder, data)) if is_here else score_on_spark(folder, data, master)
    with scoring as scored:
        _warn(scored.findings)
        for line in scored.lines:
            click.echo(line)


@click.command("explain")
@click.argument("folder", type=_FOLDER, metavar="DIR")
@home_options
def explain(session: Session, folder: Path) -> None:
    """Tell what a model leans on, what it learned from and how well it does.

    Example: sunlit analytics explain credit
    """
    from analytics.models.folder import CARD, card_hash, load_manifest, model_id  # noqa: PLC0415

    manifest = load_manifest(folder)
    result = {
        "model": manifest["model"],
        "id": model_id(folder),
        "card_hash": card_hash(folder),
        "metrics": manifest["metrics"],
        "importances": manifest["importances"],
        "document": manifest["document"],
        "quality": manifest["quality"],
    }
    session.show(result, (folder / CARD).read_text("utf-8").splitlines())


@click.command("forecast")
@click.argument("folder", type=_FOLDER, metavar="DIR")
@click.option("--steps", type=click.IntRange(1, 10_000), metavar="N", help="Else the horizon.")
@home_options
def forecast(session: Session, folder: Path, steps: int | None) -> None:
    """Print a line of JSON for every step after the last row that a model learned from.

    Example: sunlit analytics forecast passengers --steps 12
    """
    from analytics.models.errors import DataRefused  # noqa: PLC0415
    from analytics.models.folder import load_model  # noqa: PLC0415
    from analytics.models.interface import Forecaster  # noqa: PLC0415

    del session  # a line of JSON a step is the only format
    model = load_model(folder)
    if not isinstance(model, Forecaster):
        raise DataRefused("no_forecast", f"{model.NAME} is no model of a series in time")
    for step in model.forecast(steps):
        click.echo(json.dumps(dataclasses.asdict(step)))


@click.command("transform")
@click.argument("folder", type=_FOLDER, metavar="DIR")
@_data_option
@click.option("--out", type=_FOLDER, required=True, metavar="FILE", help="Parquet, or .csv.")
@home_options
def transform(session: Session, folder: Path, data: Path, out: Path) -> None:
    """Write a table's rows with their gaps filled and their coordinates beside.

    Example: sunlit analytics transform compressed --data customers.csv --out filled.csv
    """
    from analytics.models.errors import DataRefused  # noqa: PLC0415
    from analytics.models.folder import load_model  # noqa: PLC0415
    from analytics.models.interface import Transformer  # noqa: PLC0415
    from analytics.models.tabular import read_table  # noqa: PLC0415

    model = load_model(folder)
    if not isinstance(model, Transformer):
        raise DataRefused("no_transform", f"{model.NAME} tells rows by no other values")
    rows = model.transform(read_table(data))
    if out.suffix == ".csv":
        rows.to_csv(out, index=False)
    else:
        rows.to_parquet(out, index=False)
    result = {"model": model.NAME, "rows": len(rows), "columns": list(rows.columns)}
    session.show(result, [f"{len(rows)} rows, {len(rows.columns)} columns: {out}"])


@click.command("models")
@home_options
def models(session: Session) -> None:
    """List the models and what the training of each needs.

    Example: sunlit analytics models
    """
    from analytics.models.catalog import CATALOG  # noqa: PLC0415

    items = [
        {
            "model": name,
            "purpose": entry.purpose,
            "options": list(entry.options),
            "extra": entry.extra,
        }
        for name, entry in CATALOG.items()
    ]
    rows = [
        (name, " ".join(entry.options), entry.extra or "", entry.purpose)
        for name, entry in CATALOG.items()
    ]
    session.show({"items": items}, table(("model", "needs", "extra", "purpose"), rows))


@click.command("features")
@click.option(
    "--data",
    type=_DATA,
    required=True,
    metavar="PATH",
    help="Legs as CSV or Parquet, or a folder of `sunlit audit export`.",
)
@click.option("--out", type=_FOLDER, required=True, metavar="FILE", help="Parquet, or .csv.")
@click.option("--until", type=click.IntRange(0), metavar="HEIGHT", help="Last block; else all.")
@click.option(
    "--activity",
    type=click.IntRange(3, 168),
    metavar="SPANS",
    help="Add what each account did in each of so many equal spans of the week, as columns.",
)
@_engine_option
@_master_option
@home_options
def features(
    session: Session,
    /,
    data: Path,
    out: Path,
    until: int | None,
    activity: int | None,
    engine: str,
    master: str | None,
) -> None:
    """Compute the features of all accounts over the week that ends with a block.

    The same expressions run on DuckDB here and on a Spark cluster, whose workers must see PATH.
    With --activity the columns NAME_t01 to NAME_tNN are the images that `cnn` learns from.

    Example: sunlit analytics features --data exported --activity 28 --out features.parquet
    """  # fmt: skip
    from analytics.features.engines import History, history_features  # noqa: PLC0415

    _require_spark(engine, master)
    progress(f"computing on {engine}")
    found = history_features(
        History.of(data), until=until, engine=engine, master=master, activity=activity
    )
    _warn(found.quality)
    rows = found.rows
    if out.suffix == ".csv":
        rows.to_csv(out, index=False)
    else:
        rows.to_parquet(out, index=False)
    result = {
        "engine": engine,
        "accounts": len(rows),
        "features": list(rows.columns[3:]),
        "quality": [dataclasses.asdict(finding) for finding in found.quality],
    }
    session.show(result, [f"{len(rows)} accounts, {len(rows.columns) - 3} features: {out}"])


COMMANDS: Final = (train, evaluate, predict, explain, forecast, transform, models, features)


def _request(kind: type[Model], options: Mapping[str, Any]) -> Request:
    """Return the request of a training once every part that the model needs is named."""
    from analytics.models.interface import Request  # noqa: PLC0415

    for part in sorted(kind.PARTS):
        if options[part] is None:
            raise click.UsageError(f"{kind.NAME} needs --{part}")
    own = {"embedding", "fine_tune"} - kind.OPTIONS
    for name in sorted(name for name in own if options[name] is not None):
        raise click.UsageError(f"{kind.NAME} takes no --{name.replace('_', '-')}")
    named = options["features"]
    features = None if named is None else tuple(filter(None, map(str.strip, named.split(","))))
    return Request(**{**options, "features": features})


def _checked(manifest: Mapping[str, Any], rows: Table) -> tuple[Finding, ...]:
    """Return where a table is unlike the one that a model learned from, once it is told."""
    from analytics.models.quality import check_quality  # noqa: PLC0415

    findings = check_quality(manifest["quality"], rows)
    _warn(findings)
    return findings


def _warn(findings: Iterable[Finding]) -> None:
    for finding in findings:
        progress(f"warning: {finding.text}")


def _require_spark(engine: str, master: str | None) -> None:
    if master is not None and engine == HERE:
        raise click.UsageError("--master belongs to --engine spark")


def _measures(result: Mapping[str, Any]) -> Iterable[str]:
    yield f"{result['model']} on {result['rows']} rows"
    yield from table(
        ("measure", "value"),
        [(name, f"{value:.6g}") for name, value in result["metrics"].items()],
    )
    if result.get("excluded"):
        yield printable(f"left out: {', '.join(result['excluded'])}")
