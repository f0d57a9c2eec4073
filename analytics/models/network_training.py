"""How networks are trained and kept: the same seed and rows give the same bytes.

    batches drawn by seed ──▶ loss ──▶ Adam ──▶ the epoch's loss on rows held out of them
                                                  │ better: keep the weights
                                                  │ worse: half the rate; too long: stop

The rows that stop a training are of its learning part and never those that judge. Whoever learns once
more from all rows follows the `Course` that the first training took, and needs no rows to stop by.
Sums are made by one thread in one order, so weights do not depend on the number of cores; torch and
the kind of processor do matter to their last digits. Weights are kept as safetensors, never as pickle.

Adam: Kingma and Ba (2015); with the weights' decay apart: Loshchilov and Hutter (2019). Early stopping:
Prechelt, Early Stopping - But When? (1998).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from analytics.models.errors import DataRefused, ModelUnusable
from analytics.models.limits import EPOCH_ROWS_MAX

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from analytics.models.interface import Progress

EPOCHS_MAX: Final = 200
"""Most epochs of a training: passes over its rows."""
STOPPING_ROWS_MAX: Final = 20_000
"""Most rows by whose loss a training stops: the same in every epoch, evenly spread."""
BATCH_ROWS: Final = 64
"""Rows of a batch."""
INFERENCE_ROWS: Final = 1_024
"""Rows that a network is asked about at a time."""
VALIDATION_SHARE: Final = 0.15
"""Share of the learning part that stops a training and is not learned from."""
GRADIENT_NORM_MAX: Final = 1.0
"""Largest norm of a gradient; a longer one is shortened (Pascanu, Mikolov and Bengio, 2013)."""
_BETTER: Final = 1e-4
"""Share of the best loss that an epoch must save to be better."""

Batch = tuple["Tensor", ...]
"""Tensors with a row a case: what a network takes, and what it should say."""
Loss = Callable[["nn.Module", Batch], "Tensor"]
"""Returns the mean loss of a network over a batch: a tensor with one value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How a network is trained."""

    epochs_max: int = EPOCHS_MAX
    """Most epochs."""
    patience_epochs: int = 10
    """Epochs without a better loss on the rows held out that end a training."""
    slower_epochs: int = 4
    """Epochs without a better loss after which the rate is halved."""
    batch_rows: int = BATCH_ROWS
    """Rows of a batch."""
    rate: float = 1e-3
    """Adam's rate at first."""
    decay: float = 1e-4
    """Share of a weight, times the rate, that a step takes off it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How a training went, as far as its best epoch; another one can follow it."""

    rates: tuple[float, ...]
    """Adam's rate in each epoch."""
    loss: float
    """The loss on the rows held out after the last of them."""

    @property
    def epochs(self) -> int:
        """Return how many epochs led to the weights."""
        return len(self.rates)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Let torch draw by a seed, on one thread and in one order; what was before comes back."""
    threads, was_fixed = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(was_fixed)
            torch.set_num_threads(threads)


def tensors(*arrays: np.ndarray) -> Batch:
    """Return arrays as tensors: floats in single precision, whole numbers as int64."""
    return tuple(
        torch.as_tensor(array, dtype=torch.float32 if array.dtype.kind == "f" else torch.int64)
        for array in arrays
    )


def train(
    network: nn.Module,
    rows: Batch,
    held_out: Batch,
    *,
    loss: Loss,
    schedule: Schedule,
    seed: int,
    progress: Progress,
    what: str,
) -> Course:
    """Train a network until the rows held out say stop; it is left with its best weights.

    Called within `seeded`, in which the network was made too. ``what`` names it in progress lines.

    Raises: DataRefused (``no_convergence``) when no epoch has a finite loss.
    """
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=schedule.rate, weight_decay=schedule.decay
    )
    draw = torch.Generator().manual_seed(seed)
    held_out = _spread(held_out, STOPPING_ROWS_MAX)
    best, rates, rate, waited = math.inf, list[float](), schedule.rate, 0
    kept, kept_epochs = copy.deepcopy(network.state_dict()), 0
    for epoch in range(1, schedule.epochs_max + 1):
        rates.append(rate)
        _epoch(network, rows, loss, optimiser, rate, draw, schedule.batch_rows)
        found = mean_loss(network, held_out, loss)
        if found < best - _BETTER * abs(best if math.isfinite(best) else 0.0):
            best, waited = found, 0
            kept, kept_epochs = copy.deepcopy(network.state_dict()), epoch
        else:
            waited += 1
        progress(f"{what}: epoch {epoch} of at most {schedule.epochs_max}, loss {found:.5g}")
        if waited >= schedule.patience_epochs:
            break
        if waited and waited % schedule.slower_epochs == 0:
            rate /= 2
    if not math.isfinite(best):
        raise DataRefused("no_convergence", f"{what}: no epoch of the training has a finite loss")
    network.load_state_dict(kept)
    return Course(rates=tuple(rates[:kept_epochs]), loss=best)


def follow(
    network: nn.Module,
    rows: Batch,
    course: Course,
    *,
    loss: Loss,
    schedule: Schedule,
    seed: int,
    progress: Progress,
    what: str,
) -> None:
    """Train a new network over the epochs and rates of a course that another one took.

    Called within `seeded`, in which the network was made too.
    """
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=schedule.rate, weight_decay=schedule.decay
    )
    draw = torch.Generator().manual_seed(seed)
    for epoch, rate in enumerate(course.rates, start=1):
        _epoch(network, rows, loss, optimiser, rate, draw, schedule.batch_rows)
        progress(f"{what}: epoch {epoch} of {course.epochs}")


def mean_loss(network: nn.Module, rows: Batch, loss: Loss) -> float:
    """Return the mean loss of a network over rows, which it does not learn from."""
    network.eval()
    total, count = 0.0, len(rows[0])
    with torch.inference_mode():
        for first in range(0, count, INFERENCE_ROWS):
            part = tuple(tensor[first : first + INFERENCE_ROWS] for tensor in rows)
            total += float(loss(network, part)) * len(part[0])
    return total / count


def outputs(network: nn.Module, *inputs: Tensor) -> np.ndarray:
    """Return what a network says of rows, asked `INFERENCE_ROWS` at a time."""
    network.eval()
    count = len(inputs[0])
    parts = [slice(first, first + INFERENCE_ROWS) for first in range(0, count, INFERENCE_ROWS)]
    with torch.inference_mode():
        said = [network(*(tensor[part] for tensor in inputs)) for part in parts]
    return torch.cat(said).numpy()


def held_for_choice(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return positions of the rows to learn from and of those that stop the training, by chance."""
    order = torch.randperm(rows, generator=torch.Generator().manual_seed(seed))
    first = max(1, round(rows * VALIDATION_SHARE))
    return order[first:].sort().values.numpy(), order[:first].sort().values.numpy()


def save_network(network: nn.Module, path: Path) -> None:
    """Write a network's weights as safetensors; equal ones give equal bytes."""
    save_file({name: t.contiguous() for name, t in network.state_dict().items()}, path)


def load_network(network: nn.Module, path: Path) -> None:
    """Give a network of the same shape the weights that `save_network` wrote.

    Raises: ModelUnusable (``model_corrupt``) when they are of another shape, not finite or none.
    """
    try:
        weights = load_file(path)
        network.load_state_dict(weights)
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ModelUnusable("model_corrupt", f"{path}: {reason}") from None
    if not all(bool(torch.isfinite(each).all()) for each in weights.values()):
        raise ModelUnusable("model_corrupt", f"{path} holds weights that are no finite numbers")
    network.eval()


def _epoch(
    network: nn.Module,
    rows: Batch,
    loss: Loss,
    optimiser: torch.optim.Optimizer,
    rate: float,
    draw: torch.Generator,
    batch_rows: int,
) -> None:
    """Let a network learn from rows once, in an order by chance."""
    network.train()
    for group in optimiser.param_groups:
        group["lr"] = rate
    order = torch.randperm(len(rows[0]), generator=draw)[:EPOCH_ROWS_MAX]
    for first in range(0, len(order), batch_rows):
        drawn = order[first : first + batch_rows]
        optimiser.zero_grad()
        loss(network, tuple(tensor[drawn] for tensor in rows)).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), GRADIENT_NORM_MAX)
        optimiser.step()


def _spread(rows: Batch, most: int) -> Batch:
    count = len(rows[0])
    if count <= most:
        return rows
    places = torch.linspace(0, count - 1, most).long()
    return tuple(tensor[places] for tensor in rows)


def parameters_of(network: nn.Module) -> int:
    """Return the number of a network's parameters."""
    return sum(each.numel() for each in network.parameters())
