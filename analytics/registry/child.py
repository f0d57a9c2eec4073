"""The process of one training: it is given a table, learns a model, and ends.

    python -m analytics.registry.child

    standard input    the request, JSON in one line; its end is the analytics process's, and ends this
    standard output   a line of JSON each: {"progress": "…"}, and at the end {"done": {…}} or
                      {"code", "detail"}

It holds no connection to the warehouse. Memory, processor time and files are limited by the operating
system, its priority is the lowest, and whatever goes wrong, nobody but this process ends.
"""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from analytics.errors import AnalyticsError
from analytics.registry.limits import (
    LINE_CHARACTERS_MAX,
    MIB,
    TRAINING_CPU_SECONDS_MAX,
    TRAINING_FILE_MIB,
    TRAINING_FILES_MAX,
    TRAINING_MEMORY_MIB,
    TRAINING_NICE,
)

if TYPE_CHECKING:
    from analytics.models.interface import Model
    from analytics.models.tabular import Table

_STATUS_FILE: Final = Path("/proc/self/status")

Json = dict[str, Any]


def main() -> None:
    """Train one model."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(TRAINING_NICE)
    asked = json.loads(sys.stdin.buffer.readline() or b"null")
    if asked is None:
        os._exit(0)  # who asked is gone
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _limit_process()
    answer: Json
    try:
        answer = {"done": train(asked)}
    except AnalyticsError as error:
        answer = _refusal(error.code, error.detail)
    except MemoryError:
        detail = f"the training needs more than {TRAINING_MEMORY_MIB} MiB of memory"
        answer = _refusal("training_memory", detail)
    except Exception:  # noqa: BLE001 - the node's log gets the traceback
        traceback.print_exc(file=sys.stderr)
        sys.stderr.flush()
        os._exit(1)
    _tell(answer)
    os._exit(0)


def train(asked: Json) -> Json:
    """Learn what is asked for into a folder; return what the registry keeps beside it.

    Raises: ModelError, where the table does not do for the model.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 - before the limits nothing large is imported

    from analytics.models.catalog import model_class  # noqa: PLC0415
    from analytics.models.folder import save_model  # noqa: PLC0415
    from analytics.models.interface import Request  # noqa: PLC0415
    from analytics.models.tabular import table_of  # noqa: PLC0415

    frame = pq.read_table(asked["table"]).to_pandas()
    table = table_of(frame, name=asked["name"], sha256=asked["sha256"])
    named = asked["features"]
    request = Request(
        seed=asked["seed"],
        target=asked["target"],
        positive=asked["positive"],
        features=None if named is None else tuple(named),
    )
    model = model_class(asked["method"]).fit(table, request, _progress)
    manifest = save_model(model, request, table, Path(asked["out"]), has_plots=False)
    return {
        "rows": len(table),
        "metrics": dict(manifest["metrics"]),
        "reference": _reference(table, model),
        "champion_metrics": _champion_metrics(asked["champion"], table),
    }


def _reference(table: Table, model: Model) -> Json:
    """Return where each number that was learned from lay, to be compared with later weeks."""
    from dataclasses import asdict  # noqa: PLC0415

    from analytics.models.measures import Reference  # noqa: PLC0415

    return {
        column.name: asdict(Reference.of(table.frame[column.name].to_numpy("float64")))
        for column in model.features
    }


def _champion_metrics(folder: str | None, table: Table) -> Json | None:
    """Return the champion's measures on the same rows; None without one, or where it cannot say."""
    from analytics.models.folder import load_model  # noqa: PLC0415

    if folder is None:
        return None
    _progress("measuring the champion on the same rows")
    try:
        measured = load_model(Path(folder)).evaluate(table)
    except AnalyticsError as error:
        _progress(f"the champion cannot be measured: {error.detail}")
        return None
    return {name: value for name, value in measured.items() if math.isfinite(value)}


def _refusal(code: str, detail: str) -> Json:
    return {"code": code, "detail": detail}


def _progress(line: str) -> None:
    _tell({"progress": line[:LINE_CHARACTERS_MAX]})


def _tell(message: Json) -> None:
    data = json.dumps(message, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(sys.stdout.fileno(), view) :]
    except OSError:
        os._exit(0)  # nobody listens any more


def _end_with_parent() -> None:
    """End when standard input does, which is when the analytics process is gone."""
    while sys.stdin.buffer.readline():
        pass
    os._exit(0)


def _limit_process() -> None:
    """Give up what a training could not need; none of it can be taken back."""
    for kind, most in (
        (resource.RLIMIT_FSIZE, TRAINING_FILE_MIB * MIB),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, TRAINING_FILES_MAX),
    ):
        resource.setrlimit(kind, (most, most))
    # The soft limit sends SIGXCPU, the hard one kills.
    soft = TRAINING_CPU_SECONDS_MAX
    resource.setrlimit(resource.RLIMIT_CPU, (soft, soft + 10))
    if _STATUS_FILE.exists():  # elsewhere nobody counts it
        memory = TRAINING_MEMORY_MIB * MIB
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))


if __name__ == "__main__":
    main()
