"""Predictions of rows by a model of the registry: loaded once, checked as it is loaded, then kept."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from analytics.models.columns import Role
from analytics.models.errors import DataRefused, ModelUnusable
from analytics.models.interface import Forecaster, Model
from analytics.serving.limits import MODELS_LOADED_MAX
from analytics.serving.quality import find_unlike

if TYPE_CHECKING:
    from analytics.models.tabular import Table

Row = Mapping[str, str | int | float | bool | None]
"""Values by column, as JSON has them."""


class _Loaded(NamedTuple):
    """A model that is held ready."""

    model: Model
    quality: Mapping[str, Any]
    """What its columns held in training, as its manifest keeps it."""


_loaded: Final[OrderedDict[str, _Loaded]] = OrderedDict()
"""Models by the hash of their manifests, the longest unused first."""


def predict(
    *, folder: str, manifest_hash: str, rows: Sequence[Row], about: Mapping[str, Any]
) -> dict[str, Any]:
    """Return ``predictions`` and ``reasons`` of rows, in their order, and what ``about`` says.

    ``quality`` tells which rows are unlike what the model learned from; they are predicted too.

    A row has a value for each column that the model learned from, null where it is missing; other
    columns are passed over.

    Raises:
        DataRefused: ``missing_column``, ``wrong_type`` or ``infinite_values`` with the row and its
            pointer; ``no_predictions``: the model foretells no rows.
        ModelUnusable: the folder is not the one that was entered.
    """
    model, quality = _model(Path(folder), manifest_hash)
    table = _table(model, rows)
    predicted = list(model.predict(table))
    return {
        "predictions": [
            {"row": each.row, "prediction": each.prediction, "score": each.score}
            for each in predicted
        ],
        "reasons": [[asdict(reason) for reason in each.reasons] for each in predicted],
        "quality": [asdict(finding) for finding in find_unlike(quality, table)],
        **about,
    }


def _model(folder: Path, manifest_hash: str) -> _Loaded:
    """Return the model whose manifest has a hash, from memory or from its folder.

    What is in memory was checked when it was loaded: every file against the manifest, and that
    against the hash that the registry keeps.
    """
    from analytics.models.folder import load_manifest, load_model  # noqa: PLC0415 - imports are slow
    from analytics.models.folder import manifest_hash as hash_of  # noqa: PLC0415

    loaded = _loaded.pop(manifest_hash, None)
    if loaded is None:
        loaded = _Loaded(load_model(folder), load_manifest(folder)["quality"])
        if hash_of(folder) != manifest_hash:
            detail = f"{folder.name} is another model than the one that was entered"
            raise ModelUnusable("model_corrupt", detail)
        while len(_loaded) >= MODELS_LOADED_MAX:
            _loaded.popitem(last=False)
    _loaded[manifest_hash] = loaded
    if isinstance(loaded.model, Forecaster):
        detail = f"{loaded.model.NAME} forecasts a series in time and predicts no rows"
        raise DataRefused("no_predictions", detail)
    return loaded


def _table(model: Model, rows: Sequence[Row]) -> Table:
    """Return the columns that a model needs as a table, each value of the type that it learned."""
    import numpy as np  # noqa: PLC0415 - imports are slow
    import pandas as pd  # noqa: PLC0415

    from analytics.models.tabular import Source, Table  # noqa: PLC0415

    columns = {}
    for column in model.features:
        read = _READERS[column.role]
        values = [read(row, place, column.name) for place, row in enumerate(rows)]
        kind = np.float64 if column.role is Role.NUMBER else np.object_
        columns[column.name] = np.array(values, dtype=kind)
    # Types are plain as they stand; to look for them would take half the time of a single row.
    source = Source(name="rows of a request", sha256="", rows=len(rows))
    return Table(pd.DataFrame(columns), source)


def _number(row: Row, place: int, name: str) -> float | None:
    value = _any(row, place, name)
    if value is None:
        return None
    if isinstance(value, str):
        raise _refused("wrong_type", "is no number", place, name)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _refused("infinite_values", "is infinite", place, name)
    return number


def _text(row: Row, place: int, name: str) -> str | None:
    value = _any(row, place, name)
    if value is not None and not isinstance(value, str):
        raise _refused("wrong_type", "is no text", place, name)
    return value


def _any(row: Row, place: int, name: str) -> str | int | float | bool | None:
    if name not in row:
        raise _refused("missing_column", "is not there; null stands for a gap", place, name)
    return row[name]


def _refused(code: str, what: str, place: int, name: str) -> DataRefused:
    escaped = name.replace("~", "~0").replace("/", "~1")  # RFC 6901 section 3
    detail = f"row {place + 1}: {name!r} {what}"
    return DataRefused(code, detail, pointer=f"/rows/{place}/{escaped}")


_READERS: Final[Mapping[Role, Callable[[Row, int, str], Any]]] = {
    Role.NUMBER: _number,
    Role.CATEGORY: _any,
    Role.TEXT: _text,
}
