"""Every limit of the models, with its unit."""

from __future__ import annotations

from typing import Final

DATA_BYTES_MAX: Final = 4 * 1024**3
"""Largest file of data, bytes."""
DATA_ROWS_MAX: Final = 5_000_000
"""Most rows of a table."""
DATA_COLUMNS_MAX: Final = 2_000
"""Most columns of a table."""
ROWS_MIN: Final = 20
"""Fewest rows that anything is learned from."""
CLASS_ROWS_MIN: Final = 5
"""Fewest rows of each class of a target, so that each part of a split holds some."""
CLASSES_MAX: Final = 50
"""Most classes of a target."""
CATEGORIES_MAX: Final = 30
"""Categories of a column that get a place of their own; rarer ones share one."""
CATEGORIES_KEPT_MAX: Final = 1_000
"""Words of a column that a model's folder keeps, to tell new ones; of a column with more it keeps none."""
NAMED_ROWS_MAX: Final = 5
"""Rows that an error names."""
REASONS_MAX: Final = 12
"""Reasons of a prediction; what remains is added up in the last one."""
PREDICTION_ROWS: Final = 4_096
"""Rows predicted at a time."""
PREDICTION_CELLS_MAX: Final = 4_000_000
"""Contributions held at a time: rows by columns by classes."""
IMPORTANCE_ROWS_MAX: Final = 2_000
"""Held-out rows that importances are the mean of."""
CHOICE_ROWS_MAX: Final = 10_000
"""Rows of the learning part by which a model chooses its options."""
DESIGN_CELLS_MAX: Final = 400_000_000
"""Largest design of a linear model, rows by its columns of 8 bytes."""
EPOCH_ROWS_MAX: Final = 20_000
"""Most rows that an epoch of a network draws. Of more rows each epoch draws others, so that all have
their turn."""
SERIES_POINTS_MAX: Final = 400_000
"""Most values of a series that a network learns from."""
SERIES_WINDOWS_MAX: Final = 20_000
"""Most windows of a series that a network learns from, evenly spread; together they hold all of it."""
SERIES_BESIDE_MAX: Final = 8
"""Most columns beside a series, those of ``--features``."""
IMAGE_CELLS_MAX: Final = 200_000_000
"""Largest training of a network of images, rows by the values that each becomes, of 8 bytes."""
MANIFEST_BYTES_MAX: Final = 64 * 1024**2
"""Largest ``model.json``, bytes."""
TEXT_CHARACTERS_MAX: Final = 100_000
"""Longest text of a row, characters."""
CORPUS_CHARACTERS_MAX: Final = 100_000_000
"""Longest texts of a table together, characters."""
TERMS_MAX: Final = 50_000
"""Words that a model of texts learns from, and pieces of words: the most usual so many of each."""
EMBEDDED_TEXTS_MAX: Final = 20_000
"""Texts whose embeddings are kept in memory while a model is learned."""
TEXT_IMPORTANCE_ROWS_MAX: Final = 500
"""Held-out texts that the importances of words are the mean of."""
IMPORTANT_WORDS_MAX: Final = 50
"""Words that a model of texts lists by importance."""
