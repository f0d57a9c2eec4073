"""What a process that works with models does: the names of tasks, and their functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from analytics.serving.forecasting import make_forecast
from analytics.serving.predicting import predict

TASKS: Final[Mapping[str, Callable[..., Any]]] = {"forecast": make_forecast, "predict": predict}
"""Each takes JSON values by name and returns one; it raises AnalyticsError for what it refuses."""
