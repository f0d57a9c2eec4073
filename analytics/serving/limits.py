"""Every limit of serving models, with its unit."""

from __future__ import annotations

from typing import Final

MIB: Final = 1024 * 1024

SPANS_MAX: Final = 336
"""Most spans that a forecast is made from, the latest: two weeks of hours."""
SPANS_MIN: Final = 30
"""Fewest spans that a forecast is made from."""
SPANS_A_STEP: Final = 3
"""Spans that each step of a horizon needs: one that judges, and two to learn from."""
HORIZON_MAX: Final = SPANS_MAX // SPANS_A_STEP
"""Most steps of a forecast."""
HORIZON_DEFAULT: Final = 24
"""Steps of a forecast unless told otherwise."""
HISTORY_SPANS_MAX: Final = 120
"""Most spans of its history that a forecast shows, the latest."""
SERIES_LISTED_MAX: Final = 1_000
"""Most series of a list; there are more of them than that in a large network."""
FORECAST_SECONDS_MAX: Final = 240.0
"""Longest computation of a forecast, seconds; it has a low priority."""
FORECAST_WAIT_SECONDS: Final = 20.0
"""How long a request waits for a forecast before it is told to come back, seconds."""
FORECAST_FRESH_MS: Final = 60_000
"""How long of the chain's time a forecast of short spans is given again, milliseconds."""
FORECASTS_KEPT_MAX: Final = 64
"""Forecasts that are kept to be given again."""
FORECASTS_WAITING_MAX: Final = 8
"""Forecasts that wait for their turn; one more is told to come back."""

CHILD_NICE: Final = 5
"""How much lower than the analytics process's the priority of a process with models is."""
CHILD_MEMORY_MIB: Final = 3_072
"""Memory that a process with models may hold, MiB."""
CHILD_IDLE_SECONDS: Final = 300.0
"""After how long without a task a process with models ends, seconds."""
FRAME_BYTES_MAX: Final = 64 * MIB
"""Largest task or answer, bytes."""

PREDICT_ROWS_MAX: Final = 1_000
"""Most rows, or accounts, of one request for predictions."""
PREDICT_BODY_BYTES_MAX: Final = MIB
"""Largest body of such a request, bytes; between the processes it may grow to three times that."""
PREDICT_SECONDS_MAX: Final = 120.0
"""Longest prediction, seconds, the start of its process and the loading of its model with it: longer
than a request waits, so that a busy machine loads a model at all and the next request finds it."""
PREDICT_WAITING_MAX: Final = 64
"""Predictions that wait for their turn; one more is told to come back."""
MODELS_LOADED_MAX: Final = 4
"""Models that a process holds ready; the longest unused leaves first."""
FOLDERS_KNOWN_MAX: Final = 64
"""Folders of models whose places are remembered."""
