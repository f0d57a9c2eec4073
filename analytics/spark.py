"""A session on an Apache Spark cluster, or on this machine, for features and for batch scoring."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from analytics.models.errors import ExtraMissing

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOCAL: Final = "local[*]"
"""Every core of this machine, where no cluster is named."""
WORKERS_PYTHON: Final = "PYSPARK_PYTHON"
"""Variable that names the Python of the workers; this program's own unless it is set."""


@contextmanager
def spark_session(name: str, master: str | None) -> Iterator[SparkSession]:
    """Hold a session; ``master`` is the cluster's URL, None for this machine.

    Times are UTC and have no zone, arithmetic that overflows is an error, as on DuckDB.

    Raises: ExtraMissing, without pyspark.
    """
    try:
        from pyspark.sql import SparkSession  # noqa: PLC0415 - imports are slow, and it is optional
    except ModuleNotFoundError:
        raise ExtraMissing("--engine spark", "spark") from None
    os.environ.setdefault(WORKERS_PYTHON, sys.executable)
    session: SparkSession = (
        SparkSession.builder.appName(name)
        .master(master or LOCAL)
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.timestampType", "TIMESTAMP_NTZ")
        .config("spark.sql.ansi.enabled", "true")
        .config("spark.sql.execution.arrow.pyspark.enabled", "true")
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    try:
        yield session
    finally:
        session.stop()
