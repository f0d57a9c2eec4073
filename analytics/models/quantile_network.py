"""An LSTM that tells the quantiles of all steps of a horizon at once.

Long short-term memory: Hochreiter and Schmidhuber (1997). All steps come from one state, so no step
is built on another's error (direct forecasts). Its loss is that of quantiles (Koenker and Bassett,
1978); the lower and the upper one are the median less and plus something positive, so that they
never cross.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn

from analytics.models.backtest import COVERAGE

if TYPE_CHECKING:
    from analytics.models.network_training import Batch

QUANTILES: Final = ((1 - COVERAGE) / 2, 0.5, (1 + COVERAGE) / 2)
"""Lower end, median and upper end of the band."""
_NORMAL_GAP: Final = 0.955
"""What softplus makes the distance of 10 % and 50 % of a normal distribution, 1.28."""
_DROPPED: Final = 0.1
"""Share of the state that a batch does without (Srivastava et al., 2014)."""


class QuantileNetwork(nn.Module):
    """An LSTM over a window, and one linear layer from its last state to the quantiles."""

    def __init__(self, *, inputs: int, hidden: int, horizon: int) -> None:
        super().__init__()
        self.horizon = horizon
        self.lstm = nn.LSTM(inputs, hidden, batch_first=True)
        self.dropout = nn.Dropout(_DROPPED)
        self.head = nn.Linear(hidden + inputs, 3 * horizon)
        # Before it has learned anything it says the line and a band of a normal width.
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        with torch.no_grad():
            self.head.bias[horizon:] = _NORMAL_GAP

    def forward(self, windows: Tensor) -> Tensor:
        """Return quantiles (rows, 3, horizon) of windows (rows, window, inputs), in units."""
        states, _ = self.lstm(windows)
        last = torch.cat([self.dropout(states[:, -1]), windows[:, -1]], dim=1)
        median, below, above = self.head(last).reshape(-1, 3, self.horizon).unbind(1)
        low = median - nn.functional.softplus(below)
        return torch.stack([low, median, median + nn.functional.softplus(above)], dim=1)


def pinball(network: nn.Module, batch: Batch) -> Tensor:
    """Return the mean loss of quantiles over a batch of windows and targets (rows, horizon)."""
    windows, targets = batch
    errors = targets.unsqueeze(1) - network(windows)
    shares = torch.tensor(QUANTILES).reshape(1, 3, 1)
    return torch.maximum(shares * errors, (shares - 1) * errors).mean()
