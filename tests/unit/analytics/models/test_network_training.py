"""Networks are trained alike by a seed, stop in time, and are kept as plain arrays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from analytics.models import network_training
from analytics.models.errors import DataRefused, ModelUnusable
from analytics.models.network_training import (
    Batch,
    Course,
    Schedule,
    follow,
    held_for_choice,
    load_network,
    mean_loss,
    outputs,
    parameters_of,
    save_network,
    seeded,
    tensors,
    train,
)
from tests.unit.analytics.models.tables import silent

SCHEDULE = Schedule(epochs_max=90, patience_epochs=8, slower_epochs=2, rate=0.1)


def line(rows: int = 300, *, noise: float = 0.1) -> tuple[Batch, Batch]:
    """Return rows of y = 2 a - b and noise, to learn from and to stop by."""
    chance = np.random.default_rng(3)
    known = chance.normal(size=(rows, 2))
    said = known @ [2.0, -1.0] + noise * chance.normal(size=rows)
    learned, held_out = held_for_choice(rows, 0)
    return tensors(known[learned], said[learned]), tensors(known[held_out], said[held_out])


def squares(network: nn.Module, batch: Batch) -> Tensor:
    """Return the mean square of a network's errors."""
    known, said = batch
    return nn.functional.mse_loss(network(known)[:, 0], said)


def learned(seed: int = 1, progress: Callable[[str], None] = silent) -> tuple[nn.Module, Course]:
    """Return a network trained on `line`, and its course."""
    rows, held_out = line()
    with seeded(seed):
        network = nn.Linear(2, 1)
        course = train(
            network, rows, held_out,
            loss=squares, schedule=SCHEDULE, seed=seed, progress=progress, what="line",
        )  # fmt: skip
    return network, course


def test_a_line_is_learned_and_the_training_stops(tmp_path: Path) -> None:
    """The weights are near those of least squares; it ends before the last epoch and tells each."""
    told: list[str] = []
    network, course = learned(progress=told.append)
    rows, held_out = line()
    known = rows[0].numpy()
    judge = np.linalg.lstsq(np.column_stack([known, np.ones(len(known))]), rows[1].numpy())[0]
    assert network.get_parameter("weight").detach().numpy()[0] == pytest.approx(judge[:2], abs=0.1)
    assert course.epochs < len(told) < SCHEDULE.epochs_max
    assert told[0].startswith("line: epoch 1 of at most 90, loss ")
    assert mean_loss(network, held_out, squares) == course.loss
    assert min(course.rates) < SCHEDULE.rate
    assert parameters_of(network) == 3


def test_a_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    """One seed gives one file, another one another; nothing of it is left in torch."""
    torch.manual_seed(7)
    expected, threads = torch.rand(1), torch.get_num_threads()
    torch.manual_seed(7)
    files = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        save_network(learned(seed)[0], tmp_path / name)
        files.append((tmp_path / name).read_bytes())
    assert files[0] == files[1] != files[2]
    assert torch.rand(1) == expected
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == (
        threads,
        False,
    )


def test_a_course_is_followed_without_rows_to_stop_by() -> None:
    """The same rows, seed and course give the weights of the training that took the course."""
    network, course = learned()
    with seeded(1):
        again = nn.Linear(2, 1)
        follow(
            again, line()[0], course,
            loss=squares, schedule=SCHEDULE, seed=1, progress=silent, what="line",
        )  # fmt: skip
    for one, other in zip(network.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


def test_an_epoch_draws_a_share_of_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the most rows of an epoch others have their turn in the next."""
    monkeypatch.setattr(network_training, "EPOCH_ROWS_MAX", 40)
    monkeypatch.setattr(network_training, "STOPPING_ROWS_MAX", 10)
    seen: list[int] = []

    def counted(network: nn.Module, batch: Batch) -> Tensor:
        if network.training:
            seen.extend(batch[2].tolist())
        return squares(network, (batch[0], batch[1]))

    rows, held_out = line()
    numbers = torch.arange(len(rows[0]))
    with seeded(0):
        train(
            nn.Linear(2, 1), (*rows, numbers), (*held_out, numbers[: len(held_out[0])]),
            loss=counted, schedule=Schedule(epochs_max=8), seed=0, progress=silent, what="line",
        )  # fmt: skip
    assert len(seen) == 8 * 40
    assert len(set(seen[:40])) == 40
    assert len(set(seen)) > 180


def test_a_loss_that_is_no_number_is_told() -> None:
    """A training whose every loss is infinite is refused instead of kept."""
    rows, held_out = line()
    with seeded(0), pytest.raises(DataRefused) as refused:
        train(
            nn.Linear(2, 1), rows, held_out,
            loss=lambda network, batch: squares(network, batch) * float("inf"),
            schedule=Schedule(epochs_max=2), seed=0, progress=silent, what="line",
        )  # fmt: skip
    assert refused.value.code == "no_convergence"


def test_weights_come_back_or_are_refused(tmp_path: Path) -> None:
    """Another shape, weights that are no numbers and other bytes are refused with one code."""
    network, _ = learned()
    path = tmp_path / "weights"
    save_network(network, path)
    again = nn.Linear(2, 1)
    load_network(again, path)
    known = line()[0][0]
    assert np.array_equal(outputs(again, known), outputs(network, known))
    wrong: list[tuple[nn.Module, bytes | None]] = [(nn.Linear(3, 1), None), (again, b"no weights")]
    for other, content in wrong:
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ModelUnusable) as refused:
            load_network(other, path)
        assert refused.value.code == "model_corrupt"
    nn.init.constant_(network.get_parameter("bias"), float("nan"))
    save_network(network, path)
    with pytest.raises(ModelUnusable, match="no finite numbers"):
        load_network(again, path)
