"""The network of ``cnn``: convolutions over time, and what each input did to what it says.

    image ──▶ convolution ──▶ convolution ──┬──▶ every step ──────────┐
                                            └──▶ mean and soft peak ──┼──▶ hidden ──▶ logits
    beside ───────────────────────────────────────────────────────────┘

Convolutions with shared weights over neighbouring steps: LeCun et al. (1998). SiLU and the soft peak
(log-sum-exp) are smooth, so that the integrals along a line, of which reasons are made, are exact but
for what their rule misses. Integrated gradients: Sundararajan, Taly and Yan (2017).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from analytics.models.images import Layout

CHANNELS: Final = 16
"""Channels of a convolution."""
KERNEL_STEPS: Final = 3
"""Neighbouring steps that a convolution sees."""
HIDDEN: Final = 32
"""Values of the hidden layer."""
DROPOUT: Final = 0.2
"""Share of hidden values that a step of the training leaves out."""
LINE_POINTS: Final = 32
"""Points of Gauss and Legendre's rule along the line from the baseline to a row."""
PASS_CELLS_MAX: Final = 4_000_000
"""Values of a convolution that are held at a time."""


class ImageNetwork(nn.Module):
    """Logits (rows, outputs) of images (rows, channels, steps) and of what is beside them."""

    def __init__(self, shapes: Sequence[tuple[int, int]], width: int, outputs: int) -> None:
        """Take channels and steps of each image, values beside them and outputs.

        Without an image the values beside are one themselves, of one channel.
        """
        super().__init__()
        self.has_images = bool(shapes)
        shapes = shapes or [(1, width)]
        self.branches = nn.ModuleList(_branch(channels) for channels, _ in shapes)
        values = width + sum(CHANNELS * (steps + 2) for _, steps in shapes)
        self.head = nn.Sequential(
            nn.Linear(values, HIDDEN), nn.SiLU(), nn.Dropout(DROPOUT), nn.Linear(HIDDEN, outputs)
        )

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the logits of images, one tensor each, and what is beside them, the last one."""
        images = inputs[:-1] if self.has_images else (inputs[-1].unsqueeze(1),)
        values = [inputs[-1]]
        for branch, image in zip(self.branches, images, strict=True):
            seen = branch(image)
            peak = torch.logsumexp(seen, dim=2) - math.log(seen.shape[2])
            values += [seen.flatten(1), seen.mean(dim=2), peak]
        said: Tensor = self.head(torch.cat(values, dim=1))
        return said


def new_network(layout: Layout, classes: int) -> ImageNetwork:
    """Return an untrained network for a layout: one output of two classes, else one each."""
    shapes = [(image.channels, image.steps) for image in layout.images]
    return ImageNetwork(shapes, layout.width, 1 if classes == 2 else classes)


def _branch(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv1d(channels, CHANNELS, KERNEL_STEPS, padding="same"),
        nn.SiLU(),
        nn.Conv1d(CHANNELS, CHANNELS, KERNEL_STEPS, padding="same"),
        nn.SiLU(),
    )


Said = Callable[[Sequence[Tensor]], Tensor]
"""Takes inputs and returns a value for each row (rows,)."""


def line_parts(
    said: Said, rows: Sequence[np.ndarray], baseline: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Return what each input did to a value, from the baseline to each row: shaped as the rows.

    The gradient along the straight line, integrated by `LINE_POINTS` points, times the way. Inputs
    are float64 with a row a case, the baseline's without one.
    """
    count = len(rows[0])
    ways = [torch.from_numpy(row - base) for row, base in zip(rows, baseline, strict=True)]
    starts = [torch.from_numpy(np.ascontiguousarray(base)) for base in baseline]
    slopes = [torch.zeros_like(way) for way in ways]
    places, weights = np.polynomial.legendre.leggauss(LINE_POINTS)
    for place, weight in zip((places + 1.0) / 2.0, weights / 2.0, strict=True):
        points = [
            (start.unsqueeze(0) + place * way).requires_grad_()
            for start, way in zip(starts, ways, strict=True)
        ]
        found = torch.autograd.grad(said(points).sum(), points, allow_unused=True)
        for slope, gradient in zip(slopes, found, strict=True):
            if gradient is not None:
                slope.add_(weight * gradient)
    return [
        (slope * way).reshape(count, -1).numpy() for slope, way in zip(slopes, ways, strict=True)
    ]


def rows_a_pass(layout: Layout) -> int:
    """Return how many rows are sent through a network at a time, at least one."""
    steps = [image.steps for image in layout.images] or [layout.width]
    return max(1, PASS_CELLS_MAX // (CHANNELS * max(1, sum(steps))))
