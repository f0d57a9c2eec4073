"""A forecast of a series: fitted, judged on its own past, told with its interval and the naive line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

_MEASURES: Final = (
    "mae", "naive_mae", "seasonal_naive_mae", "rmse", "coverage", "skill", "origins",
)  # fmt: skip


def make_forecast(
    *, series: str, first_ms: int, length_ms: int, values: Sequence[int], horizon: int
) -> dict[str, Any]:
    """Return the steps after the last value, the model and its measures, as JSON values.

    ``values`` are of spans of ``length_ms``, the first of which begins at ``first_ms``. Nothing that
    is counted or paid is below 0, so neither is a forecast of it nor its interval.

    Raises: DataRefused (``constant_target``, ``no_model``).
    """
    import pandas as pd  # noqa: PLC0415 - imports are slow

    from analytics.models.arima import Arima  # noqa: PLC0415
    from analytics.models.interface import Request  # noqa: PLC0415
    from analytics.models.tabular import table_of  # noqa: PLC0415

    moments = [first_ms + place * length_ms for place in range(len(values))]
    frame = pd.DataFrame({"time": pd.to_datetime(moments, unit="ms"), series: values})
    frame[series] = frame[series].astype("float64")
    request = Request(time="time", target=series, horizon=horizon)
    model = Arima.fit(table_of(frame, name=series, sha256=""), request, lambda _: None)
    document = model.document()
    return {
        "model": {
            "name": model.NAME,
            "version": model.VERSION,
            "order": document["order"],
            "season": document["season"],
            "coverage": document["coverage"],
        },
        "backtest": {name: model.metrics[name] for name in _MEASURES},
        "steps": [
            {
                "step": step.step,
                "time_ms": first_ms + (len(values) + step.step - 1) * length_ms,
                "value": max(step.value, 0.0),
                "lower": max(step.lower, 0.0),
                "upper": max(step.upper, 0.0),
                "naive": step.naive,
            }
            for step in model.forecast(horizon)
        ],
    }
