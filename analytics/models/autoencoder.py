"""Rows in few coordinates by a network, the gaps of rows, and the rows that do not fit.

How a row is scored `row_network` tells. A row whose logarithm of the score is far above the usual is an
outlier, as in `pca`. What is usual is measured on rows that the network did not learn from, where there
are enough of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import torch

from analytics.models.columns import Column, Role, require, survey
from analytics.models.denoising_network import DenoisingNetwork, squared_error
from analytics.models.encoded_rows import Encoded, RowEncoder
from analytics.models.folder import load_estimator, save_estimator
from analytics.models.interface import Importance, Metrics, Part, Prediction, Request, Transformer
from analytics.models.limits import PREDICTION_ROWS
from analytics.models.network_training import (
    Course,
    Schedule,
    follow,
    held_for_choice,
    load_network,
    parameters_of,
    save_network,
    seeded,
    tensors,
    train,
)
from analytics.models.profile import column_quality, quality_table
from analytics.models.reasons import reasons_of
from analytics.models.row_network import RowNetwork, Usual, new_network
from analytics.models.splitting import split_rows

if TYPE_CHECKING:
    import numpy as np
    from pandas import DataFrame

    from analytics.models.interface import Progress
    from analytics.models.network_training import Batch
    from analytics.models.tabular import Table

REFERENCE_ROWS_MIN: Final = 50
"""Fewest rows not learned from that say what is usual; with fewer, those learned from say it."""
HIDE_SHARE: Final = 0.1
"""Share of the held-out values that are hidden to measure how well gaps are filled."""
SCHEDULE: Final = Schedule(
    epochs_max=80, patience_epochs=8, slower_epochs=3, batch_rows=128, rate=3e-3, decay=1e-4
)
"""How it is trained."""
_FILES: Final = ("encoder.skops", "network.safetensors")


class Autoencoder(Transformer):
    """A denoising autoencoder of encoded columns."""

    NAME: ClassVar[str] = "autoencoder"
    VERSION: ClassVar[int] = 1
    PARTS: ClassVar[frozenset[Part]] = frozenset()

    usual: Usual
    """What scores are measured by."""
    course: Course
    """How the first training went."""
    column_errors: tuple[tuple[str, float, float], ...]
    """Mean square of each column's error on held-out rows, and that of principal components."""
    importances: tuple[Importance, ...]
    """Mean part of the score on held-out rows."""
    quality: Mapping[str, Any]
    """The state of the data."""
    sample: list[list[float]]
    """Two coordinates of some rows, and 1 for each that is an outlier."""

    def __init__(self, encoder: RowEncoder, network: DenoisingNetwork) -> None:
        self.rows, self.features = RowNetwork(encoder, network), encoder.features

    @classmethod
    def fit(cls, table: Table, request: Request, progress: Progress) -> Self:
        """Return the network of a table; `metrics` are of rows held out of a first training."""
        surveyed = survey(table, named=request.features)
        split = split_rows(table, request, None)
        known = require(table, surveyed.features)
        learned, held_out = known.take(split.train), known.take(split.test)
        with seeded(request.seed):
            judged = cls._first(learned, surveyed.features, request.seed, progress)
            progress("measuring on held-out rows")
            judged.judge(learned, held_out, request.seed)
            progress("learning from all rows")
            model = cls._again(known, judged, request.seed, progress)
        if len(held_out) >= REFERENCE_ROWS_MIN:
            model.usual = Usual.of(*judged.rows.squares(held_out))
        else:
            model.usual = Usual.of(*model.rows.squares(known))
        model.metrics, model.importances = judged.metrics, judged.importances
        model.column_errors, model.course = judged.column_errors, judged.course
        model.seed, model.split, model.excluded = request.seed, split.document(), surveyed.excluded
        model.quality, model.sample = column_quality(table), model.drawn(known)
        return model

    @classmethod
    def _first(
        cls, learned: Table, features: tuple[Column, ...], seed: int, progress: Progress
    ) -> Self:
        """Return a model of the learning part, whose training some of its rows have stopped."""
        kept, stopping = (learned.take(rows) for rows in held_for_choice(len(learned), seed))
        encoder = RowEncoder.learn(kept, features)
        network = new_network(encoder, len(learned))
        progress(f"{len(encoder.owner)} values to {network.width} coordinates and back")
        course = train(
            network, _batch(encoder.encode(kept)), _batch(encoder.encode(stopping)),
            loss=squared_error, schedule=SCHEDULE, seed=seed, progress=progress, what=cls.NAME,
        )  # fmt: skip
        model = cls(encoder, network)
        model.course = course
        enough = len(stopping) >= REFERENCE_ROWS_MIN
        model.usual = Usual.of(*model.rows.squares(stopping if enough else kept))
        return model

    @classmethod
    def _again(cls, known: Table, judged: Self, seed: int, progress: Progress) -> Self:
        """Return a model of all rows, trained as far as another one was."""
        torch.manual_seed(seed)
        encoder = RowEncoder.learn(known, judged.features)
        network = new_network(encoder, len(known), coordinates=judged.coordinates)
        follow(
            network, _batch(encoder.encode(known)), judged.course,
            loss=squared_error, schedule=SCHEDULE, seed=seed, progress=progress, what="all rows",
        )  # fmt: skip
        return cls(encoder, network)

    @property
    def coordinates(self) -> int:
        """Return how many coordinates a row has."""
        return self.rows.network.width

    def predict(self, table: Table) -> Iterator[Prediction]:
        """Yield whether each row is an outlier; the score says how badly its columns tell each other.

        The reasons add up to it; a gap has no part.
        """
        import numpy as np  # noqa: PLC0415

        known = require(table, self.features)
        names = [column.name for column in self.features]
        for first in range(0, len(known), PREDICTION_ROWS):
            rows = known.take(np.arange(first, min(first + PREDICTION_ROWS, len(known))))
            parts = self._parts(rows)
            is_outlier = self.usual.is_outlier(parts)
            for place, row in enumerate(rows.frame.itertuples(index=False, name=None)):
                yield Prediction(
                    row=first + place + 1,
                    prediction="outlier" if is_outlier[place] else "ordinary",
                    score=float(parts[place].sum()),
                    reasons=reasons_of(
                        names, row, parts[place], baseline=None, unit="of its score"
                    ),
                )

    def transform(self, table: Table) -> DataFrame:
        """Return the columns learned from, gaps filled, and ``coordinate_1`` and so on beside."""
        known = require(table, self.features)
        encoded = self.rows.encoder.encode(known)
        frame = self.rows.encoder.filled(known, self.rows.told(encoded))
        coordinates = self.rows.coordinates(encoded)
        for place in range(self.coordinates):
            frame[f"coordinate_{place + 1}"] = coordinates[:, place]
        return frame

    def evaluate(self, table: Table) -> Metrics:
        """Return the mean square of the error, in standard deviations, and the share of outliers."""
        known = require(table, self.features)
        encoded = self.rows.encoder.encode(known)
        squares = self.rows.by_column(encoded, self.rows.told(encoded))
        values = encoded.present[:, self.rows.encoder.owner].sum()
        return {
            "reconstruction_error": float(squares.sum() / max(values, 1.0)),
            "outlier_share": float(self.usual.is_outlier(self._parts(known)).mean()),
        }

    def explain(self) -> tuple[Importance, ...]:
        """Return the columns by their mean part of the score on held-out rows."""
        return self.importances

    def document(self) -> Mapping[str, Any]:
        """Return the network's shape, how well each column is told, the quality of the data."""
        errors = {
            "title": "How well each column is told",
            "note": "Mean square of the error on held-out rows, in standard deviations; a word "
            "counts its 0s and 1s. Beside it that of as many principal components.",
            "columns": ("column", "error", "principal components"),
            "rows": [[name, f"{own:.4g}", f"{pca:.4g}"] for name, own, pca in self.column_errors],
        }
        return {
            "coordinates": self.coordinates,
            "encoded": len(self.rows.encoder.owner),
            "parameters": parameters_of(self.rows.network),
            "epochs": self.course.epochs,
            "stopping_loss": self.course.loss,
            "quality": self.quality,
            "tables": [errors, quality_table(self.quality)],
        }

    def plots(self, folder: Path) -> tuple[str, ...]:
        """Write rows on the first two coordinates, outliers marked."""
        import numpy as np  # noqa: PLC0415

        from analytics.models.plotting import scatter_plot, written  # noqa: PLC0415

        drawn, names = np.asarray(self.sample), ("ordinary", "outlier")
        return written(folder, {"scatter.png": scatter_plot(drawn[:, :2], drawn[:, 2], names)})

    def save(self, folder: Path) -> Mapping[str, Any]:
        """Write the encoder and the network's weights; the rest is numbers."""
        save_estimator(self.rows.encoder.encoder, folder / _FILES[0])
        save_network(self.rows.network.float(), folder / _FILES[1])
        self.rows.network.double()
        return {
            "features": [asdict(column) for column in self.features],
            "layer": self.rows.network.layer,
            "coordinates": self.coordinates,
            "usual": asdict(self.usual),
            "rates": list(self.course.rates),
            "loss": self.course.loss,
            "column_errors": [list(each) for each in self.column_errors],
            "importances": [asdict(each) for each in self.importances],
            "quality": self.quality,
            "sample": self.sample,
        }

    @classmethod
    def load(cls, folder: Path, state: Mapping[str, Any]) -> Self:
        """Return the model that `save` wrote."""
        features = [
            Column(name=each["name"], role=Role(each["role"])) for each in state["features"]
        ]
        encoder = RowEncoder(load_estimator(folder / _FILES[0]), features)
        network = DenoisingNetwork(
            owner=encoder.owner, columns=len(features),
            layer=state["layer"], coordinates=state["coordinates"],
        )  # fmt: skip
        load_network(network, folder / _FILES[1])
        model = cls(encoder, network)
        usual = state["usual"]
        model.usual = Usual(**{**usual, "errors": tuple(usual["errors"])})
        model.course = Course(rates=tuple(state["rates"]), loss=state["loss"])
        model.column_errors = tuple((n, own, pca) for n, own, pca in state["column_errors"])
        model.importances = tuple(Importance(**each) for each in state["importances"])
        model.quality, model.sample = state["quality"], state["sample"]
        return model

    def _parts(self, known: Table) -> np.ndarray:
        """Return what each column adds to each row's score: (rows, columns)."""
        return self.usual.parts(self.rows.squares(known)[0])

    def judge(self, learned: Table, held_out: Table, seed: int) -> None:
        """Measure the model on held-out rows, beside principal components and medians."""
        import numpy as np  # noqa: PLC0415

        from analytics.models.autoencoder_measures import (  # noqa: PLC0415
            filling,
            told_by_components,
        )

        encoder, encoded = self.rows.encoder, self.rows.encoder.encode(held_out)
        told = told_by_components(encoder.encode(learned), encoded, self.coordinates)
        own, other = (
            self.rows.by_column(encoded, self.rows.told(encoded)),
            self.rows.by_column(encoded, told),
        )
        cells = np.bincount(encoder.owner) * np.maximum(encoded.present.sum(axis=0), 1.0)
        names = [column.name for column in self.features]
        errors = zip(names, own.sum(axis=0) / cells, other.sum(axis=0) / cells, strict=True)
        self.column_errors = tuple((name, float(one), float(two)) for name, one, two in errors)
        parts = self._parts(held_out).mean(axis=0)
        ranked = sorted(zip(names, parts, strict=True), key=lambda each: (-each[1], each[0]))
        self.importances = tuple(
            Importance(feature=n, importance=float(part)) for n, part in ranked
        )
        found = self.evaluate(held_out)
        self.metrics = {
            "reconstruction_error": found["reconstruction_error"],
            "pca_reconstruction_error": float(
                other.sum() / max(encoded.present[:, encoder.owner].sum(), 1.0)
            ),
            "outlier_share": found["outlier_share"],
            **filling(self.rows.network, encoder, encoded, share=HIDE_SHARE, seed=seed),
            "coordinates": float(self.coordinates),
            "epochs": float(self.course.epochs),
        }

    def drawn(self, known: Table) -> list[list[float]]:
        """Return two coordinates of a sample of rows, and 1 for each that is an outlier."""
        from analytics.models.plotting import sample_rows  # noqa: PLC0415

        rows = known.take(sample_rows(len(known)))
        is_outlier = self.usual.is_outlier(self._parts(rows))
        drawn = self.rows.coordinates(self.rows.encoder.encode(rows))
        return [
            [float(f"{row[0]:.6g}"), float(f"{row[1]:.6g}"), int(outlier)]
            for row, outlier in zip(drawn, is_outlier, strict=True)
        ]


def _batch(encoded: Encoded) -> Batch:
    return tensors(encoded.values, encoded.present)
