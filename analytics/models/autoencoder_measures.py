"""What stands beside an autoencoder: as many principal components, and medians in the gaps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from analytics.models.network_training import outputs

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from analytics.models.encoded_rows import Encoded, RowEncoder
    from analytics.models.interface import Metrics


def told_by_components(learned: Encoded, held_out: Encoded, components: int) -> np.ndarray:
    """Return held-out rows as told by principal components of the rows learned from.

    float64 of shape (rows, encoded); a gap counts as the mean. Jolliffe (2002).
    """
    import numpy as np  # noqa: PLC0415
    from sklearn.decomposition import PCA  # noqa: PLC0415

    kept = min(components, *learned.values.shape)
    fitted = PCA(n_components=kept, svd_solver="full").fit(learned.values)
    return np.asarray(fitted.inverse_transform(fitted.transform(held_out.values)))


def filling(
    network: nn.Module, encoder: RowEncoder, held_out: Encoded, *, share: float, seed: int
) -> Metrics:
    """Return how far off numbers are that were hidden, by the network and by their medians.

    ``filling_rmse`` and ``median_filling_rmse``, in standard deviations; nothing without numbers.
    """
    import numpy as np  # noqa: PLC0415

    chance = np.random.default_rng(seed)
    hidden = (chance.random(held_out.present.shape) < share) * held_out.present
    shown = held_out.present - hidden
    told = outputs(network, torch.from_numpy(held_out.values), torch.from_numpy(shown))
    asked = (hidden[:, encoder.owner] > 0) & encoder.numbers()
    if not asked.any():
        return {}
    true = held_out.values[asked]
    medians = np.broadcast_to(encoder.medians(), asked.shape)[asked]
    return {
        "filling_rmse": float(np.sqrt(np.mean((told[asked] - true) ** 2))),
        "median_filling_rmse": float(np.sqrt(np.mean((medians - true) ** 2))),
    }
