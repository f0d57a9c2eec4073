"""Columns as the matrix that estimators take, and the matrix's columns back to the table's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from analytics.models.columns import Column, Role
from analytics.models.limits import CATEGORIES_MAX

if TYPE_CHECKING:
    import numpy as np
    from sklearn.compose import ColumnTransformer

RARE_SHARE: Final = 0.01
"""Share of rows below which a category shares its place with other rare ones."""


def new_encoder(
    columns: Sequence[Column], *, is_scaled: bool = True, has_gaps: bool = True
) -> ColumnTransformer:
    """Return an untrained encoder with one transformer for each column, named by its position.

    A number becomes its value (the training's median where it is missing; scaled to mean 0 and
    variance 1 unless told otherwise) and, with ``has_gaps`` and if the training has some, whether
    it is missing. A
    category becomes a 0 or 1 for each category; rare ones and those never seen share a place.
    """
    from sklearn.compose import ColumnTransformer  # noqa: PLC0415
    from sklearn.impute import SimpleImputer  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import OneHotEncoder, StandardScaler  # noqa: PLC0415

    def encode(column: Column) -> Any:
        if column.role is Role.CATEGORY:
            return OneHotEncoder(
                handle_unknown="infrequent_if_exist",
                min_frequency=RARE_SHARE,
                max_categories=CATEGORIES_MAX,
                sparse_output=False,
            )
        imputer = SimpleImputer(strategy="median", add_indicator=has_gaps)
        return make_pipeline(imputer, StandardScaler()) if is_scaled else make_pipeline(imputer)

    return ColumnTransformer(
        [(str(place), encode(column), [column.name]) for place, column in enumerate(columns)],
        sparse_threshold=0.0,
    )


def owners(encoder: ColumnTransformer, columns: Sequence[Column]) -> np.ndarray:
    """Return for each column of the encoded matrix the position of the table's column it is of."""
    import numpy as np  # noqa: PLC0415

    places = encoder.output_indices_
    owner = np.zeros(max(place.stop for place in places.values()), dtype=np.intp)
    for position in range(len(columns)):
        owner[places[str(position)]] = position
    return owner


def by_column(values: np.ndarray, owner: np.ndarray, columns: int) -> np.ndarray:
    """Return sums of (rows, encoded) over the encoded columns of each column: (rows, columns)."""
    import numpy as np  # noqa: PLC0415

    sums = np.zeros((len(values), columns))
    np.add.at(sums.T, owner, values.T)
    return sums
