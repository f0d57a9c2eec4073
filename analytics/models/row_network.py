"""A network of encoded rows: what it tells of a row, and how badly a row's columns tell each other.

    row ─encode─▶ values ─down─▶ coordinates ─up─▶ values again
    every other column ─▶ the columns between them, and the other way     score = Σ error² ÷ usual²

A network that is shown a strange value can tell it again. So a row is scored by what its columns say of
each other: each half of them is told from the other half, as gaps are filled. What a column is told
wrong by, in units of what is usual, is its part of the score.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self

import torch

from analytics.models.denoising_network import DenoisingNetwork
from analytics.models.encoding import by_column
from analytics.models.network_training import outputs

if TYPE_CHECKING:
    import numpy as np

    from analytics.models.encoded_rows import Encoded, RowEncoder
    from analytics.models.tabular import Table

COORDINATES_MIN: Final = 2
"""Fewest coordinates."""
COORDINATES_MAX: Final = 32
"""Most coordinates."""
ENCODED_PER_COORDINATE: Final = 4
"""Encoded columns that a coordinate stands for."""
OUTLIER_DEVIATIONS: Final = 3.0
"""Robust deviations of a row's log score from the median that make it an outlier."""
_LAYER: Final = ((5_000, 128), (500, 64), (0, 32))
"""Rows learned from, at least, and the numbers of a layer."""
_WINSOR: Final = 0.99
"""Quantile that a squared error counts as at most when the usual one is measured."""
_NORMAL_QUARTILE: Final = 1.4826
"""Distance of a normal distribution's quartile from its median to its standard deviation."""
_HALVES: Final = 2
"""Parts of the columns that are told from one another when a row is scored."""
_ERROR_FLOOR: Final = 1e-6
"""Smallest usual error, a square of standard deviations: a column that is told exactly has none."""
_TINY: Final = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """What is usual of rows."""

    errors: tuple[float, ...]
    """Mean square of each column's error, the largest ones cut."""
    median: float
    """Median of the log scores."""
    deviation: float
    """Their robust standard deviation."""

    @classmethod
    def of(cls, squares: np.ndarray, present: np.ndarray) -> Self:
        """Return what squared errors (rows, columns) say, of the values that are present."""
        import numpy as np  # noqa: PLC0415

        cut = np.minimum(squares, np.quantile(squares, _WINSOR, axis=0))
        errors = cut.sum(axis=0) / np.maximum(present.sum(axis=0), 1.0)
        errors = np.maximum(errors, _ERROR_FLOOR)
        logs = np.log(np.maximum((squares / errors).sum(axis=1), _TINY))
        median, upper = (float(np.quantile(logs, share)) for share in (0.5, 0.75))
        # Of the upper half alone: rows that are told well have logarithms far below.
        deviation = max((upper - median) * _NORMAL_QUARTILE, _TINY)
        return cls(errors=tuple(errors.tolist()), median=median, deviation=deviation)

    def parts(self, squares: np.ndarray) -> np.ndarray:
        """Return what each column adds to each row's score, (rows, columns), by its error's square."""
        import numpy as np  # noqa: PLC0415

        return np.asarray(squares / np.asarray(self.errors))

    def is_outlier(self, parts: np.ndarray) -> np.ndarray:
        """Return which rows are outliers by their `parts`."""
        import numpy as np  # noqa: PLC0415

        logs = np.log(np.maximum(parts.sum(axis=1), _TINY))
        return np.asarray(logs > self.median + OUTLIER_DEVIATIONS * self.deviation)


class RowNetwork:
    """An encoder of rows, and the network that was trained on what it encodes."""

    def __init__(self, encoder: RowEncoder, network: DenoisingNetwork) -> None:
        self.encoder = encoder
        # What is said of a row must not depend on the rows beside it, so sums need the digits.
        self.network = network.double()

    def told(self, encoded: Encoded) -> np.ndarray:
        """Return rows as told from their coordinates: (rows, encoded)."""
        return outputs(
            self.network, torch.from_numpy(encoded.values), torch.from_numpy(encoded.present)
        )

    def squares(self, known: Table) -> tuple[np.ndarray, np.ndarray]:
        """Return squared errors of columns, each told from half of the others, and 1 for each value.

        Both have the shape (rows, columns); a gap has no error and counts as 0.
        """
        import numpy as np  # noqa: PLC0415

        encoded, owner = self.encoder.encode(known), self.encoder.owner
        told = np.zeros_like(encoded.values)
        for half in range(_HALVES):
            shown = encoded.present.copy()
            shown[:, half::_HALVES] = 0.0
            is_asked = owner % _HALVES == half
            told[:, is_asked] = self.told(replace(encoded, present=shown))[:, is_asked]
        return self.by_column(encoded, told), encoded.present

    def by_column(self, encoded: Encoded, told: np.ndarray) -> np.ndarray:
        """Return the squared errors of what is told of rows, summed by column; 0 for a gap."""
        owner = self.encoder.owner
        squares = (told - encoded.values) ** 2 * encoded.present[:, owner]
        return by_column(squares, owner, len(self.encoder.features))

    def coordinates(self, encoded: Encoded) -> np.ndarray:
        """Return the coordinates of rows: (rows, coordinates)."""
        with torch.inference_mode():
            return self.network.coordinates(
                torch.from_numpy(encoded.values), torch.from_numpy(encoded.present)
            ).numpy()


def new_network(
    encoder: RowEncoder, rows: int, *, coordinates: int | None = None
) -> DenoisingNetwork:
    """Return an untrained network for so many rows; without ``coordinates`` as many as columns ask."""
    width = coordinates or len(encoder.owner) // ENCODED_PER_COORDINATE
    return DenoisingNetwork(
        owner=encoder.owner,
        columns=len(encoder.features),
        layer=next(layer for least, layer in _LAYER if rows >= least),
        coordinates=min(max(width, COORDINATES_MIN), COORDINATES_MAX),
    )
