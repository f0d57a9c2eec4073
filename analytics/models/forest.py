"""A random forest (Breiman, 2001) of scikit-learn, tuned, calibrated and explained path by path.

Tuning tries `GRID` by cross-validated log-loss on at most `CHOICE_ROWS_MAX` rows of the learning
part. Calibration is learned from the out-of-bag probabilities of the learning part: each row is
judged by the trees that have not drawn it, which is cross-fitting without a second forest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from analytics.models.attribution import attribute, attribute_classes
from analytics.models.calibration import Calibration
from analytics.models.classifier import Classifier
from analytics.models.encoding import by_column, new_encoder, owners
from analytics.models.errors import DataRefused
from analytics.models.folder import load_estimator, save_estimator
from analytics.models.limits import CHOICE_ROWS_MAX
from analytics.models.trees import Trees

if TYPE_CHECKING:
    import numpy as np
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import RandomForestClassifier

    from analytics.models.columns import Column
    from analytics.models.interface import Progress, Request
    from analytics.models.tabular import Table

TREES: Final = 300
"""Trees of a forest."""
TUNING_TREES: Final = 100
"""Trees of the forests that tuning compares."""
FOLDS: Final = 3
"""Folds by which tuning compares them."""
COLUMN_SHARES: Final = (0.1, 0.3)
"""Shares of the columns that a node may ask about, of which the best is taken."""
LEAF_ROWS: Final = (2, 5, 15)
"""Fewest rows of a leaf, of which the best is taken."""
JOBS: Final = 2
"""Threads that grow trees."""
_FILES: Final = ("encoder.skops", "trees.npz")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """A point of the grid and its figure."""

    column_share: float
    """Share of the columns that a node may ask about, scikit-learn's ``max_features``."""
    leaf_rows: int
    """Fewest rows of a leaf, ``min_samples_leaf``."""
    log_loss: float
    """Cross-validated, before calibration."""


class RandomForest(Classifier):
    """A calibrated random forest."""

    NAME: ClassVar[str] = "random-forest"
    VERSION: ClassVar[int] = 1

    def __init__(
        self,
        encoder: ColumnTransformer,
        trees: Trees,
        *,
        calibration: Calibration,
        chosen: Tuning,
        tried: Sequence[Tuning],
    ) -> None:
        self._encoder, self._trees, self._calibration = encoder, trees, calibration
        self._chosen, self._tried = chosen, tried

    @classmethod
    def learn_first(
        cls,
        features: tuple[Column, ...],
        table: Table,
        codes: np.ndarray,
        *,
        classes: int,
        request: Request,
        progress: Progress,
    ) -> tuple[Self, np.ndarray]:
        """Return a model of the learning part with all choices made, and its out-of-bag scores."""
        import numpy as np  # noqa: PLC0415

        encoder = new_encoder(features, is_scaled=False)
        values = encoder.fit_transform(table.frame).astype(np.float32)
        tried = list(_tried(values, codes, classes, request.seed, progress))
        chosen = min(tried, key=lambda tuning: tuning.log_loss)
        progress(
            f"growing {TREES} trees: {chosen.column_share:.0%} of the columns a node, "
            f"{chosen.leaf_rows} rows a leaf"
        )
        forest = _forest(chosen, TREES, request.seed, is_judged=True).fit(values, codes)
        crossed = forest.oob_decision_function_
        drawn_by_all = np.isnan(crossed).any(axis=1)
        crossed[drawn_by_all] = np.bincount(codes, minlength=classes) / len(codes)
        calibration = Calibration.of(crossed[~drawn_by_all], codes[~drawn_by_all])
        trees = Trees.of(forest)
        model = cls(encoder, trees, calibration=calibration, chosen=chosen, tried=tried)
        return model, calibration(crossed)

    def learn_again(self, table: Table, codes: np.ndarray) -> Self:
        """Return a model with the same choices, learned from other rows."""
        import numpy as np  # noqa: PLC0415

        encoder = new_encoder(self.features, is_scaled=False)
        values = encoder.fit_transform(table.frame).astype(np.float32)
        forest = _forest(self._chosen, TREES, self.seed, is_judged=False).fit(values, codes)
        return type(self)(
            encoder,
            Trees.of(forest),
            calibration=self._calibration,
            chosen=self._chosen,
            tried=self._tried,
        )

    def probabilities(self, known: Table) -> np.ndarray:
        """Return the calibrated probability of every class, (rows, classes)."""
        import numpy as np  # noqa: PLC0415

        chunks = [
            self._trees.probabilities(self._encoder.transform(rows.frame))
            for _, rows in self._chunks(known)
        ]
        return self._calibration(np.concatenate(chunks))

    def _attributed(self, known: Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        import numpy as np  # noqa: PLC0415

        encoded = self._trees.contributions(self._encoder.transform(known.frame))
        owner = owners(self._encoder, self.features)
        moves = [
            by_column(encoded[:, :, place], owner, len(self.features))
            for place in range(encoded.shape[2])
        ]
        raw = self._trees.baseline
        gained = np.stack([each.sum(axis=1) for each in moves], axis=1)
        if len(self.classes) == 2:
            said = raw[1] + gained[:, 0]
            probabilities = self._calibration(np.stack([1.0 - said, said], axis=1))
            parts = attribute(moves[0], float(raw[1]), self._calibrated_event)
        else:
            probabilities = self._calibration(raw + gained)
            parts = attribute_classes(
                np.stack(moves, axis=2),
                raw,
                probabilities.argmax(axis=1),
                function=self._calibration,
                slopes=self._slopes,
            )
        return probabilities, self._calibration(raw[np.newaxis])[0], parts

    def _calibrated_event(self, said: np.ndarray) -> np.ndarray:
        import numpy as np  # noqa: PLC0415

        return self._calibration(np.stack([1.0 - said, said], axis=1))[:, 1]

    def _slopes(self, said: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """Return derivatives of the chosen class's calibrated probability by each raw one."""
        import numpy as np  # noqa: PLC0415

        rows = np.arange(len(said))
        if self._calibration.kind == "identity":
            slopes = np.zeros_like(said)
            slopes[rows, chosen] = 1.0
            return slopes
        calibrated = self._calibration(said)
        own = calibrated[rows, chosen][:, np.newaxis]
        slopes = -own * calibrated
        slopes[rows, chosen] += own[:, 0]
        return np.asarray(self._calibration.slope * slopes / np.maximum(said, 1e-6))

    def document(self) -> Mapping[str, Any]:
        """Return the tuning, the calibration, and what every classifier tells."""
        common = dict(super().document())
        heads = ("columns a node", "rows a leaf", "log-loss")
        rows = [
            (f"{each.column_share:.0%}", str(each.leaf_rows), f"{each.log_loss:.5f}")
            for each in self._tried
        ]
        note = f"Cross-validated, {TUNING_TREES} trees; the least log-loss is taken."
        table = {"title": "Tuning", "note": note, "columns": heads, "rows": rows}
        return {
            **common,
            "tables": [*common["tables"], table],
            "trees": len(self._trees.roots),
            "chosen": asdict(self._chosen),
            "tried": [asdict(each) for each in self._tried],
            "calibration": self._calibration.document(),
        }

    def save(self, folder: Path) -> Mapping[str, Any]:
        """Write the encoder and the trees; the rest is numbers."""
        save_estimator(self._encoder, folder / _FILES[0])
        self._trees.save(folder / _FILES[1])
        return {
            **self._common_state(),
            "calibration": self._calibration.document(),
            "chosen": asdict(self._chosen),
            "tried": [asdict(each) for each in self._tried],
        }

    @classmethod
    def load(cls, folder: Path, state: Mapping[str, Any]) -> Self:
        """Return the model that `save` wrote."""
        model = cls(
            load_estimator(folder / _FILES[0]),
            Trees.load(folder / _FILES[1]),
            calibration=Calibration.load(state["calibration"]),
            chosen=Tuning(**state["chosen"]),
            tried=[Tuning(**each) for each in state["tried"]],
        )
        return model._restore(state)


def _tried(
    values: np.ndarray, codes: np.ndarray, classes: int, seed: int, progress: Progress
) -> Iterator[Tuning]:
    import numpy as np  # noqa: PLC0415
    from sklearn.model_selection import StratifiedKFold  # noqa: PLC0415

    rows = np.arange(len(codes))
    if len(rows) > CHOICE_ROWS_MAX:
        drawn = np.random.default_rng(seed).choice(rows, size=CHOICE_ROWS_MAX, replace=False)
        rows = np.sort(drawn)
    folds = min(FOLDS, int(np.bincount(codes[rows], minlength=classes).min()))
    if folds < 2:
        raise DataRefused("too_few_rows", "a class has one row to tune by; two are needed")
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    parts = list(splitter.split(rows, codes[rows]))
    grid = list(product(COLUMN_SHARES, LEAF_ROWS))
    for place, (column_share, leaf_rows) in enumerate(grid):
        progress(f"tuning {place + 1} of {len(grid)}")
        tuning = Tuning(column_share=column_share, leaf_rows=leaf_rows, log_loss=0.0)
        crossed = np.empty((len(rows), classes))
        for learned, held_out in parts:
            forest = _forest(tuning, TUNING_TREES, seed, is_judged=False)
            forest.fit(values[rows[learned]], codes[rows[learned]])
            # Threads would add the trees up in an order of chance, and sums differ by it.
            forest.set_params(n_jobs=1)
            crossed[held_out] = forest.predict_proba(values[rows[held_out]])
        true = np.maximum(crossed[np.arange(len(rows)), codes[rows]], 0.5 / TUNING_TREES)
        loss = float(-np.log(true).mean())
        yield Tuning(column_share=column_share, leaf_rows=leaf_rows, log_loss=loss)


def _forest(tuning: Tuning, trees: int, seed: int, *, is_judged: bool) -> RandomForestClassifier:
    from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415

    return RandomForestClassifier(
        n_estimators=trees,
        max_features=tuning.column_share,
        min_samples_leaf=tuning.leaf_rows,
        oob_score=is_judged,
        n_jobs=JOBS,
        random_state=seed,
    )
