"""A series as windows of what was known, and what a network is told of them.

At an origin the last `Frame.window` values are known. A network sees them as departures from their own
mean and as changes, each in units learned from the training's values alone, so that a price learned
from at 900 says something of it at 2,800. What it is asked for is how far the values to come will
lie from a line that needs no model, the last value or the last season's, in units of that line's
errors: a network that has learned nothing says the line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from analytics.models.columns import numbers_of
from analytics.models.series import Series, grows_with_level, phases, series_of
from analytics.models.times import later_last

if TYPE_CHECKING:
    import numpy as np

    from analytics.models.interface import Request
    from analytics.models.tabular import Table

FAR: Final = 8.0
"""Units beyond which a value counts as this far."""
HARMONICS_MAX: Final = 3
"""Waves that tell the place in a season."""
LOG_RANGE: Final = 2.0
"""Largest over smallest value from which a positive series is modelled in logarithms: a price that
was learned from at 900 then says something of it at 2,800."""
SEASON: Final = "(season)"
"""The group of inputs that tell the place in the season."""
_FLOOR: Final = 1e-6
"""Smallest unit, as a share of the values' spread."""
_SMALLEST_SHARE: Final = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A series and the columns beside it, at the same times."""

    series: Series
    """What is forecast."""
    names: tuple[str, ...]
    """Columns beside it."""
    beside: np.ndarray
    """Their values, float64 of shape (points, columns)."""

    @classmethod
    def of(
        cls, table: Table, request: Request, names: Sequence[str], *, points_min: int | None = None
    ) -> Self:
        """Return the panel of a table, in order of time.

        Raises: DataRefused as `series_of`, for each of the columns.
        """
        import numpy as np  # noqa: PLC0415

        limits = {} if points_min is None else {"points_min": points_min}
        series = series_of(table, request, **limits)
        order = later_last(table, str(request.time))
        columns = [numbers_of(table, name, asked_by="--features")[order] for name in names]
        beside = np.column_stack(columns) if columns else np.empty((len(series), 0))
        return cls(series=series, names=tuple(names), beside=beside)

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.series)

    def tail(self, points: int) -> Self:
        """Return the last points."""
        series = Series(
            name=self.series.name,
            times=self.series.times[-points:],
            values=self.series.values[-points:],
            step=self.series.step,
            season=self.series.season,
        )
        return type(self)(series=series, names=self.names, beside=self.beside[-points:])

    def then(self, later: Panel) -> Self:
        """Return a panel of these points and later ones."""
        import numpy as np  # noqa: PLC0415

        series = self.series.then(later.series)
        beside = np.concatenate([self.beside, later.beside])
        return type(self)(series=series, names=self.names, beside=beside)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """How windows are cut and in which units; learned from the training's values alone."""

    window: int
    """Values that the network sees."""
    horizon: int
    """Steps that it tells."""
    season: int
    """Steps of the season; 1 without one."""
    line: int
    """Steps that the line goes back: the season's, or 1."""
    is_log: bool
    """Whether logarithms are modelled."""
    smallest: float
    """In logarithms, what smaller values count as: a hundredth of the smallest learned from."""
    levels: tuple[float, ...]
    """Usual departure from the window's mean, of the series and of each column beside it."""
    changes: tuple[float, ...]
    """Usual change of one step, of the same."""
    seasonal: float
    """Usual change of a season of the series."""
    units: tuple[float, ...]
    """Usual error of the line at each step."""

    @classmethod
    def learn(cls, panel: Panel, *, known: int, window: int, horizon: int) -> Self:
        """Return the frame that the first ``known`` points of a panel say."""
        import numpy as np  # noqa: PLC0415

        values, season = panel.series.values[:known], panel.series.season
        season = season if known >= 2 * season + window + 2 * horizon else 1
        is_log = _asks_for_logarithms(values, season)
        smallest = float(values.min()) * _SMALLEST_SHARE if is_log else 0.0
        bent = np.asarray(np.log(values) if is_log else values)
        all_values = np.column_stack([bent, panel.beside[:known]])
        floor = np.maximum(all_values.std(axis=0), np.finfo(float).tiny) * _FLOOR
        cut = np.lib.stride_tricks.sliding_window_view(all_values, window, axis=0)
        errors = {
            steps: bent[_ahead(known, window + season, horizon)]
            - bent[_back(known, window + season, horizon, steps)]
            for steps in {1, season}
        }
        line = min(errors, key=lambda steps: (float(np.abs(errors[steps]).mean()), steps))
        units = np.sqrt((errors[line] ** 2).mean(axis=0))
        return cls(
            window=window,
            horizon=horizon,
            season=season,
            line=line,
            is_log=is_log,
            smallest=smallest,
            levels=_plain(np.maximum(np.sqrt(cut.var(axis=-1).mean(axis=0)), floor)),
            changes=_plain(np.maximum(np.diff(all_values, axis=0).std(axis=0), floor)),
            seasonal=float(max((bent[season:] - bent[:-season]).std(), floor[0])),
            units=_plain(np.maximum(units, floor[0])),
        )

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Return the frame that `document` told."""
        plain: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in document.items()
        }
        return cls(**plain)

    def document(self) -> Mapping[str, Any]:
        """Return the frame as JSON values."""
        return asdict(self)

    @property
    def history(self) -> int:
        """Return how many points must be known at an origin."""
        return self.window + self.season

    def origins(self, first: int, known: int) -> np.ndarray:
        """Return the origins from ``first`` on whose horizon is among the first ``known``."""
        import numpy as np  # noqa: PLC0415

        return np.arange(max(first, self.history), known - self.horizon + 1)

    def groups(self, panel: Panel) -> list[tuple[str, list[int]]]:
        """Return the inputs' columns by what they tell: the series, its season, each column."""
        own = 4 if self.season > 1 else 3
        waves = 2 * self._harmonics
        found = [(panel.series.name, list(range(own)))]
        if waves:
            found.append((SEASON, list(range(own, own + waves))))
        start = own + waves
        found += [(n, [start + 2 * at, start + 2 * at + 1]) for at, n in enumerate(panel.names)]
        return found

    def inputs(self, panel: Panel, origins: np.ndarray) -> np.ndarray:
        """Return what a network is told at origins, float64 of shape (origins, window, inputs).

        Of the values after an origin nothing is looked at.
        """
        import numpy as np  # noqa: PLC0415

        places = origins[:, np.newaxis] + np.arange(-self.window, 0)
        bent = self.bent(panel.series.values)
        own = bent[places]
        changes = (own - bent[places - 1]) / self.changes[0]
        # How lively the window is beside the training: what widens a band.
        lively = np.log(np.maximum(np.abs(changes).mean(axis=1), _FLOOR))[:, np.newaxis]
        told = [_departures(own) / self.levels[0], changes, lively + np.zeros(own.shape)]
        if self.season > 1:
            told.append((own - bent[places - self.season]) / self.seasonal)
            turns = phases(panel.series)[places] * (2 * np.pi / self.season)
            for harmonic in range(1, self._harmonics + 1):
                told += [np.sin(harmonic * turns), np.cos(harmonic * turns)]
        for at in range(len(panel.names)):
            column = panel.beside[:, at]
            told.append(_departures(column[places]) / self.levels[at + 1])
            told.append((column[places] - column[places - 1]) / self.changes[at + 1])
        return np.asarray(np.clip(np.stack(told, axis=-1), -FAR, FAR))

    def lines(self, values: np.ndarray, origins: np.ndarray) -> np.ndarray:
        """Return the line at origins, as modelled: float64 of shape (origins, horizon)."""
        import numpy as np  # noqa: PLC0415

        back = np.arange(self.horizon) % self.line - self.line
        return np.asarray(self.bent(values)[origins[:, np.newaxis] + back])

    def targets(self, values: np.ndarray, origins: np.ndarray) -> np.ndarray:
        """Return how far the values lie from the line, in its units: (origins, horizon)."""
        import numpy as np  # noqa: PLC0415

        ahead = self.bent(values)[origins[:, np.newaxis] + np.arange(self.horizon)]
        return np.asarray((ahead - self.lines(values, origins)) / np.asarray(self.units))

    def bent(self, values: np.ndarray) -> np.ndarray:
        """Return values as they are modelled."""
        import numpy as np  # noqa: PLC0415

        return np.asarray(np.log(np.maximum(values, self.smallest)) if self.is_log else values)

    def straight(self, bent: np.ndarray) -> np.ndarray:
        """Return modelled values as they are told."""
        import numpy as np  # noqa: PLC0415

        return np.asarray(np.exp(bent) if self.is_log else bent)

    @property
    def _harmonics(self) -> int:
        return min(HARMONICS_MAX, self.season // 2) if self.season > 1 else 0


def _asks_for_logarithms(values: np.ndarray, season: int) -> bool:
    """Return whether a positive series varies by shares of its level, or has doubled."""
    smallest, largest = float(values.min()), float(values.max())
    has_doubled = smallest > 0 and largest >= LOG_RANGE * smallest
    return has_doubled or grows_with_level(values, season)


def _ahead(known: int, first: int, horizon: int) -> np.ndarray:
    import numpy as np  # noqa: PLC0415

    return np.arange(first, known - horizon + 1)[:, np.newaxis] + np.arange(horizon)


def _back(known: int, first: int, horizon: int, steps: int) -> np.ndarray:
    import numpy as np  # noqa: PLC0415

    origins = np.arange(first, known - horizon + 1)[:, np.newaxis]
    return origins + np.arange(horizon) % steps - steps


def _departures(windows: np.ndarray) -> np.ndarray:
    import numpy as np  # noqa: PLC0415

    return np.asarray(windows - windows.mean(axis=1, keepdims=True))


def _plain(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
