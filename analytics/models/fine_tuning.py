"""An encoder of sentences that learns a target: its last step is a layer that is thrown away.

The network is the encoder with a linear layer over its embedding. It is trained on most of the
learning part until the rest says stop; then all rows follow the same course. What is kept is the
encoder: the linear model that uses it (`text_line`) chooses by rows that it has not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import torch
from torch import nn

from analytics.models.network_training import Course, Schedule, follow, seeded, train
from analytics.models.sentences import Sentences, pooled

if TYPE_CHECKING:
    import numpy as np
    from transformers.models.bert.modeling_bert import BertModel

    from analytics.models.interface import Progress
    from analytics.models.network_training import Batch
    from analytics.models.text_line import Fold

SCHEDULE: Final = Schedule(
    epochs_max=8, patience_epochs=2, slower_epochs=1, batch_rows=32, rate=1e-4
)
"""A few epochs at a low rate: the encoder knows its language already."""
PIECES_MAX: Final = 64
"""Word pieces of a text that are learned from; an embedding still reads all that it can."""
SHARPNESS: Final = 10.0
"""Factor of an embedding of length 1, so that a layer of small weights can be sure of a class."""
_EVALUATED_TEXTS: Final = 64
"""Texts asked about at a time."""


class Tuned(nn.Module):
    """An encoder and a linear layer over its embedding."""

    def __init__(self, encoder: BertModel, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.layer = nn.Linear(int(encoder.config.hidden_size), classes)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return logits (texts, classes) of word pieces and their mask, (texts, pieces) each."""
        size = len(ids) if self.training else _EVALUATED_TEXTS
        firsts = range(0, len(ids), size)
        return torch.cat(
            [self._said(ids[first : first + size], mask[first : first + size]) for first in firsts]
        )

    def _said(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        longest = int(mask.sum(dim=1).max())
        embedded = pooled(self.encoder, ids[:, :longest], mask[:, :longest])
        said: torch.Tensor = self.layer(SHARPNESS * embedded)
        return said


def tune(
    name: str,
    texts: Sequence[str],
    codes: np.ndarray,
    fold: Fold,
    *,
    seed: int,
    progress: Progress,
) -> tuple[Sentences, Course]:
    """Return an encoder that has learned from a fold's rows, and how its training went."""

    def learn(network: Tuned, sentences: Sentences) -> Course:
        learned, held_out = (_batch(sentences, texts, codes, rows) for rows in fold)
        return train(
            network,
            learned,
            held_out,
            loss=_loss,
            schedule=SCHEDULE,
            seed=seed,
            progress=progress,
            what="fine-tuning",
        )

    return _tuned(name, int(codes.max()) + 1, seed, learn)


def tune_again(
    name: str,
    texts: Sequence[str],
    codes: np.ndarray,
    course: Course,
    *,
    seed: int,
    progress: Progress,
) -> Sentences:
    """Return an encoder that has learned from all rows as the first one did from its own."""
    import numpy as np  # noqa: PLC0415

    def learn(network: Tuned, sentences: Sentences) -> Course:
        follow(
            network,
            _batch(sentences, texts, codes, np.arange(len(texts))),
            course,
            loss=_loss,
            schedule=SCHEDULE,
            seed=seed,
            progress=progress,
            what="fine-tuning on all rows",
        )
        return course

    return _tuned(name, int(codes.max()) + 1, seed, learn)[0]


def _tuned(
    name: str, classes: int, seed: int, learn: Callable[[Tuned, Sentences], Course]
) -> tuple[Sentences, Course]:
    with seeded(seed):
        sentences = Sentences.of(name)
        network = Tuned(sentences.network, classes)
        course = learn(network, sentences)
        network.eval()
    sentences.is_tuned = True
    return sentences, course


def _batch(
    sentences: Sentences, texts: Sequence[str], codes: np.ndarray, rows: np.ndarray
) -> Batch:
    pieces = sentences.pieces([texts[row] for row in rows], PIECES_MAX)
    return (*pieces, torch.as_tensor(codes[rows], dtype=torch.int64))


def _loss(network: nn.Module, rows: Batch) -> torch.Tensor:
    ids, mask, codes = rows
    return nn.functional.cross_entropy(network(ids, mask), codes)
