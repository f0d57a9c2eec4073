"""A network that tells rows again from few coordinates, and what is hidden from it of them.

Autoencoder: Hinton and Salakhutdinov (2006). In training some columns of half of the rows are hidden,
and it is asked for them too (denoising: Vincent et al., 2008): so it can fill gaps. A gap of the
data is hidden in the same way and never asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    import numpy as np

    from analytics.models.network_training import Batch

HIDDEN_SHARE: Final = 0.2
"""Share of the columns that is hidden from half of a batch's rows."""


class DenoisingNetwork(nn.Module):
    """Two layers down to the coordinates, two layers up again.

    ``owner`` says of which column of the table each encoded value is.
    """

    owner: Tensor

    def __init__(self, *, owner: np.ndarray, columns: int, layer: int, coordinates: int) -> None:
        super().__init__()
        self.register_buffer("owner", torch.as_tensor(owner, dtype=torch.int64), persistent=False)
        self.layer, self.width, values = layer, coordinates, len(owner)
        self.down = nn.Sequential(
            nn.Linear(values + columns, layer), nn.GELU(),
            nn.Linear(layer, layer), nn.GELU(),
            nn.Linear(layer, coordinates),
        )  # fmt: skip
        self.up = nn.Sequential(
            nn.Linear(coordinates, layer), nn.GELU(),
            nn.Linear(layer, layer), nn.GELU(),
            nn.Linear(layer, values),
        )  # fmt: skip

    def coordinates(self, values: Tensor, shown: Tensor) -> Tensor:
        """Return coordinates of rows: encoded values, and 1 for each column that is shown, else 0."""
        found: Tensor = self.down(torch.cat([values * shown[:, self.owner], shown], dim=1))
        return found

    def forward(self, values: Tensor, shown: Tensor) -> Tensor:
        """Return the rows as told from their coordinates: (rows, encoded)."""
        again: Tensor = self.up(self.coordinates(values, shown))
        return again


def squared_error(module: nn.Module, batch: Batch) -> Tensor:
    """Return the mean square of what is told again less what is there, of what is there.

    In training columns are hidden by chance.
    """
    network = cast("DenoisingNetwork", module)
    values, present = batch
    shown = present
    if network.training:
        kept = torch.rand(present.shape) >= HIDDEN_SHARE
        whole = torch.rand(len(present), 1) >= 1 / 2
        shown = present * (kept | whole)
    there = present[:, network.owner]
    errors = (network(values, shown) - values) ** 2 * there
    mean: Tensor = errors.sum() / there.sum().clamp(min=1.0)
    return mean
