"""Rows as a network of a table takes them: encoded values, and which columns of each have one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from analytics.models.columns import MISSING, Column, Role
from analytics.models.encoding import new_encoder, owners
from analytics.models.errors import DataRefused
from analytics.models.limits import DESIGN_CELLS_MAX

if TYPE_CHECKING:
    import numpy as np
    from pandas import DataFrame

    from analytics.models.tabular import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """Rows of a table."""

    values: np.ndarray
    """Encoded values, 0 where there is a gap: float64 of shape (rows, encoded)."""
    present: np.ndarray
    """1 where a column has a value, else 0: float64 of shape (rows, columns)."""


class RowEncoder:
    """Columns to values and back; learned from the rows of a training alone."""

    def __init__(self, encoder: Any, features: Sequence[Column]) -> None:
        self.encoder, self.features = encoder, tuple(features)
        self.owner = owners(encoder, features)

    @classmethod
    def learn(cls, known: Table, features: Sequence[Column]) -> Self:
        """Return the encoder of a table's columns.

        Raises: DataRefused (``data_too_large``).
        """
        encoder = cls(new_encoder(features, has_gaps=False).fit(known.frame), features)
        if len(known) * len(encoder.owner) > DESIGN_CELLS_MAX:
            detail = f"{len(known)} rows of {len(encoder.owner)} encoded columns are too many"
            raise DataRefused("data_too_large", detail, rows=len(known))
        return encoder

    def encode(self, known: Table) -> Encoded:
        """Return the rows of a table that has been required."""
        import numpy as np  # noqa: PLC0415

        present = np.column_stack(
            [
                known.frame[each.name].ne(MISSING)
                if each.role is Role.CATEGORY
                else known.frame[each.name].notna()
                for each in self.features
            ]
        ).astype(np.float64)
        values = self.encoder.transform(known.frame) * present[:, self.owner]
        return Encoded(values=values, present=present)

    def medians(self) -> np.ndarray:
        """Return what a number's gap counts as elsewhere, its median, in encoded units."""
        import numpy as np  # noqa: PLC0415

        found = np.zeros(len(self.owner))
        for place, column in enumerate(self.features):
            if column.role is Role.NUMBER:
                imputer, scaler = self._steps(place)
                found[self.owner == place] = scaler.transform(imputer.statistics_[np.newaxis])[0]
        return found

    def numbers(self) -> np.ndarray:
        """Return which encoded columns are numbers: bool of shape (encoded,)."""
        import numpy as np  # noqa: PLC0415

        is_number = np.array([column.role is Role.NUMBER for column in self.features])
        return np.asarray(is_number[self.owner])

    def filled(self, known: Table, told: np.ndarray) -> DataFrame:
        """Return the columns with their gaps filled from encoded values (rows, encoded)."""
        import numpy as np  # noqa: PLC0415

        frame = known.frame.copy()
        present = self.encode(known).present
        for place, column in enumerate(self.features):
            gaps = np.flatnonzero(present[:, place] == 0)
            if not gaps.size:
                continue
            block = told[np.ix_(gaps, np.flatnonzero(self.owner == place))]
            frame.loc[gaps, column.name] = self._decoded(place, column, block)
        return frame

    def _steps(self, place: int) -> tuple[Any, Any]:
        """Return the imputer and the scaler of a column of numbers."""
        steps = self.encoder.named_transformers_[str(place)].named_steps
        return steps["simpleimputer"], steps["standardscaler"]

    def _decoded(self, place: int, column: Column, block: np.ndarray) -> np.ndarray:
        import numpy as np  # noqa: PLC0415

        if column.role is Role.NUMBER:
            return np.asarray(self._steps(place)[1].inverse_transform(block)[:, 0])
        kind = self.encoder.named_transformers_[str(place)]
        shared = kind.infrequent_categories_[0]
        rare = set() if shared is None else set(shared)
        own = [word for word in kind.categories_[0] if word not in rare]
        # A place that rare words share says none of them; that a value is missing is no value.
        is_word = np.array([word != MISSING for word in own] + [False] * bool(rare))
        if not is_word.any():
            return np.full(len(block), MISSING, dtype=object)
        block = np.where(is_word, block, -np.inf)
        words = np.array(own + [MISSING] * bool(rare), dtype=object)
        return np.asarray(words[block.argmax(axis=1)])
