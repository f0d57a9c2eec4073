"""A model's predictions for a whole file: here, or on an Apache Spark cluster, the same row for row.

    here     the file as a `Table`, one model
    spark    the model's folder goes to the workers as an archive; each scores parts of the file
             (``mapInPandas``); the driver sorts the answers back into the file's order

A Parquet file is read by the workers, which must see its path; a CSV file is read here, because its
types are told by all of its rows, and its rows are sent to them. Sunlit is installed where they run.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from analytics.models.errors import DataRefused, ModelError
from analytics.models.folder import load_manifest, load_model, model_id
from analytics.models.interface import Forecaster, Model, Prediction
from analytics.models.quality import Finding, check_quality, merged_findings
from analytics.models.tabular import is_parquet, read_table, table_of
from analytics.spark import spark_session

if TYPE_CHECKING:
    from pandas import DataFrame
    from pyspark.sql import DataFrame as SparkFrame
    from pyspark.sql import SparkSession

ROW: Final = "__sunlit_row"
"""Column with the place of a row in the file, from 0."""
_TOLD: Final = -1
"""The row of what a worker tells beside its predictions."""
_SCHEMA: Final = "row long, line string"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Predictions of a file, and where its rows are unlike those of the training."""

    findings: tuple[Finding, ...]
    """Rules that rows break; no row is left out."""
    lines: Iterator[str]
    """A prediction a row, as JSON, in the file's order."""


def score(folder: Path, data: Path) -> Scored:
    """Return the predictions of a model in a folder for a file, computed here.

    Raises: DataRefused, ModelUnusable, ExtraMissing.
    """
    model, table = load_model(folder), read_table(data)
    findings = check_quality(load_manifest(folder)["quality"], table)
    return Scored(findings=findings, lines=map(prediction_line, model.predict(table)))


def prediction_line(prediction: Prediction) -> str:
    """Return a prediction as a line of JSON."""
    return json.dumps(asdict(prediction), ensure_ascii=False)


@contextmanager
def score_on_spark(folder: Path, data: Path, master: str | None) -> Iterator[Scored]:
    """Hold the predictions of a model for a file, computed on a cluster, and its session.

    Scores differ from those computed here in the last
    digits at most: sums are cut elsewhere.

    Raises: DataRefused, ModelUnusable, ExtraMissing.
    """
    manifest, model = load_manifest(folder), load_model(folder)
    _refuse_series(model)
    if not data.is_file():
        raise DataRefused("data_missing", f"{data}: no such file", path=str(data))
    archive = model_id(folder)
    with spark_session("sunlit predict", master) as session, tempfile.TemporaryDirectory() as at:
        packed = shutil.make_archive(str(Path(at) / archive), "zip", folder)
        session.sparkContext.addArchive(f"{packed}#{archive}")
        rows = _rows(session, data, _needed(manifest))
        scoring = partial(_score_parts, archive=archive, release=version("sunlit"))
        scored = rows.mapInPandas(scoring, _SCHEMA).persist()
        told = [json.loads(one.line) for one in scored.filter(f"row = {_TOLD}").collect()]
        answers = scored.filter(f"row <> {_TOLD}").sort("row").toLocalIterator()
        yield Scored(
            findings=_findings(manifest["quality"], told),
            lines=(str(one.line) for one in answers),
        )


def _findings(quality: Mapping[str, Any], told: Sequence[Mapping[str, Any]]) -> tuple[Finding, ...]:
    """Return what the workers found together.

    Raises: DataRefused, what one of them refused.
    """
    for refusal in (each["refusal"] for each in told if "refusal" in each):
        raise DataRefused(refusal["code"], refusal["detail"], **refusal["fields"])
    found = [
        Finding(**{**one, "first_rows": tuple(one["first_rows"])})
        for each in told
        for one in each["findings"]
    ]
    return merged_findings(quality, found, max(1, sum(each["rows"] for each in told)))


def _refuse_series(model: Model) -> None:
    if isinstance(model, Forecaster):
        detail = f"{model.NAME} answers for rows in their order: it cannot be cut into parts"
        raise DataRefused("not_row_by_row", detail)


def _needed(manifest: Mapping[str, Any]) -> list[str]:
    """Return the columns that a model answers by."""
    names = [each["name"] for each in manifest["features"]]
    text = manifest["request"].get("text")
    return names if text is None or text in names else [*names, text]


def _rows(session: SparkSession, data: Path, needed: Sequence[str]) -> SparkFrame:
    """Return the needed columns of a file beside `ROW`, cut into a part for each core.

    Raises: DataRefused (``missing_column`` and what `read_table` raises).
    """
    from pyspark.sql import functions, types  # noqa: PLC0415

    if is_parquet(data):
        read = session.read.parquet(str(data.resolve()))
        _require_columns(read.columns, needed)
        decimals = {
            field.name for field in read.schema if isinstance(field.dataType, types.DecimalType)
        }
        columns = [
            functions.col(f"`{name}`").cast("double").alias(name)
            if name in decimals
            else functions.col(f"`{name}`")
            for name in needed
        ]
        rows = read.select(*columns, functions.col("_metadata.row_index").alias(ROW))
        return rows.repartition(session.sparkContext.defaultParallelism)
    frame = read_table(data).frame
    _require_columns(list(frame.columns), needed)
    return session.createDataFrame(frame[list(needed)].assign(**{ROW: range(len(frame))}))


def _require_columns(there: Sequence[str], needed: Sequence[str]) -> None:
    for name in needed:
        if name not in there:
            detail = f"the model: no column {name!r}; there are {', '.join(map(repr, there))}"
            raise DataRefused("missing_column", detail, column=name)


def _score_parts(parts: Iterator[DataFrame], *, archive: str, release: str) -> Iterator[DataFrame]:
    """Yield the answers to parts of a file, on a worker; a refusal is told and ends the part."""
    import pandas as pd  # noqa: PLC0415
    from pyspark import SparkFiles  # noqa: PLC0415

    if version("sunlit") != release:
        raise RuntimeError(f"this worker has Sunlit {version('sunlit')}, the driver {release}")
    folder = Path(SparkFiles.get(archive))
    model, quality = _loaded(folder)
    for part in parts:
        rows = part.pop(ROW).to_numpy()
        table = table_of(part, name=folder.name, sha256="")
        try:
            findings = check_quality(quality, table)
            lines = [
                prediction_line(replace(each, row=int(rows[each.row - 1]) + 1))
                for each in model.predict(table)
            ]
        except ModelError as error:
            yield pd.DataFrame({"row": [_TOLD], "line": [_refusal(error)]})
            return
        placed = [asdict(_placed(finding, rows)) for finding in findings]
        told = {"rows": len(rows), "findings": placed}
        yield pd.DataFrame({"row": [*rows, _TOLD], "line": [*lines, json.dumps(told)]})


@cache
def _loaded(folder: Path) -> tuple[Model, Mapping[str, Any]]:
    """Return a model and its rules, once for each process of a worker."""
    return load_model(folder), load_manifest(folder)["quality"]


def _refusal(error: ModelError) -> str:
    detail = f"{error.detail} (rows counted within a part of the file)"
    fields = {name: str(value) for name, value in error.fields.items()}
    return json.dumps({"refusal": {"code": error.code, "detail": detail, "fields": fields}})


def _placed(finding: Finding, rows: Sequence[int]) -> Finding:
    """Return a finding with rows of the file in place of those of the part."""
    return replace(finding, first_rows=tuple(int(rows[row - 1]) + 1 for row in finding.first_rows))
