"""Every limit of the registry and of its trainings, with its unit."""

from __future__ import annotations

from typing import Final

MIB: Final = 1024 * 1024

MODELS_MAX: Final = 10_000
"""Most versions that a registry keeps; nothing is ever removed from it."""
MODELS_PAGE_MAX: Final = 1_000
"""Most models, trainings or proposals of one answer."""
TRAININGS_WAITING_MAX: Final = 8
"""Trainings that may wait for their turn; one runs at a time."""
TRAINING_SECONDS_MAX: Final = 1_800.0
"""Longest training, seconds by the clock; it is ended then."""
TRAINING_CPU_SECONDS_MAX: Final = 1_200
"""Processor time of a training, seconds."""
TRAINING_MEMORY_MIB: Final = 3_072
"""Memory that a training's process may ask for, MiB; libraries ask for more than they use."""
TRAINING_FILES_MAX: Final = 256
"""File descriptors of a training's process."""
TRAINING_FILE_MIB: Final = 512
"""Largest file that a training writes, MiB."""
OUTCOME_MS: Final = 7 * 86_400_000
"""How long after its features what comes of an account counts, milliseconds."""
TRAINING_NICE: Final = 5
"""How much lower than the analytics process's the priority of a training is."""
TRAINING_READ_SECONDS_MAX: Final = 120.0
"""Longest reading of the features that a training learns from, seconds."""
LINE_CHARACTERS_MAX: Final = 500
"""Longest line of progress that is kept."""
MESSAGE_BYTES_MAX: Final = 1024 * 1024
"""Longest message of a training's process, bytes."""
FIRST_ACCOUNTS_MIN: Final = 50
"""Accounts with payments in the window from which a first model of each kind is trained."""
CHECK_MS: Final = 3_600_000
"""Time of the chain between two looks for drift of the features, milliseconds."""
SHIFT_MIN: Final = 0.25
"""Population stability index of a feature from which training again is proposed (Siddiqi, 2006)."""
SHIFT_ACCOUNTS_MIN: Final = 50
"""Accounts from which the index of a feature says something: bands of a few are noise."""
PLOT_BARS_MAX: Final = 20
"""Columns of a plot, those that say most."""
PLOT_PROFILED_MAX: Final = 8
"""Columns by which the plots of groups show what these are like."""
PLOT_SCORED_MAX: Final = 6
"""Features of a scorecard that have a plot, those whose points differ most."""
PLOT_POINTS_MAX: Final = 1_000
"""Rows of a plot of rows."""
