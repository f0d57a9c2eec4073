"""Texts as TF-IDF: any script, the weights of scikit-learn, shares that add up."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from analytics.models import wording
from analytics.models.wording import NO_TEXT, Wording, pieces_of, spans_of, words_of

TEXTS = ("Late fee for May", "late fee, late fee!", "滞纳金 for 五月", "ค่าเช่า May", "")


def test_weights_are_those_of_scikit_learn() -> None:
    """Each block is scikit-learn's TF-IDF of the same terms, with logarithms of counts."""
    texts = ["rent for may", "rent rent june", "tax for june", "tax"]
    made, counts = Wording.of(texts)
    judge = TfidfVectorizer(
        analyzer=lambda text: [term for term, _ in words_of(text)], sublinear_tf=True
    ).fit(texts)
    assert made.blocks[0].terms == tuple(judge.get_feature_names_out())
    width = len(made.blocks[0].terms)
    assert made.encode(texts)[:, :width].toarray() == pytest.approx(
        judge.transform(texts).toarray()
    )
    weighed = counts.weighed([block.idf for block in made.blocks])
    assert abs(weighed - made.encode(texts)).max() < 1e-12


def test_words_of_scripts_with_spaces_and_without() -> None:
    """English falls into words, Chinese into letters and pairs of them, mixed text into both."""
    assert [term for term, _ in words_of("Late FEE, due!")] == [
        *("late", "fee", "due", "!"),
        *("late fee", "fee due", "due !"),
    ]
    assert [term for term, _ in words_of("付手续费 ok")] == [
        *("付", "手", "续", "费", "ok"),
        *("付手", "手续", "续费", "费 ok"),
    ]
    assert dict(pieces_of("手续费用"))["手续费"] == ("手续", "续费")
    assert dict(words_of("手续费 税"))["续"] == ("手续", "续费")
    assert dict(words_of("手续费 税"))["税"] == ("税",)
    assert ("ee ", ("fee",)) in set(pieces_of("Fee"))
    assert [word for _, word in spans_of("किराया")] == ["किराया"]


def test_forms_of_one_letter_are_one() -> None:
    """Full-width letters, capitals and composed accents make no difference."""
    assert list(words_of("ＦＥＥ １２")) == list(words_of("fee 12"))
    assert list(words_of("Cafe\u0301")) == list(words_of("café"))


def test_a_text_without_words_has_a_word_for_that() -> None:
    """Emptiness is something that can be learned from, and not a row of nothing."""
    assert list(words_of(" ,. ")) == [(NO_TEXT, (NO_TEXT,))]
    made, _ = Wording.of(["", "rent"])
    assert NO_TEXT in made.blocks[0].terms


def test_shares_of_words_add_up_to_the_weights() -> None:
    """What pieces weigh goes to the words they stand in, and nothing is lost."""
    made, _ = Wording.of(TEXTS)
    encoded = made.encode(TEXTS)
    for row, (names, columns, shares) in enumerate(made.shares(TEXTS)):
        sums = np.zeros(made.width)
        np.add.at(sums, columns, shares)
        assert sums == pytest.approx(encoded[row].toarray().ravel())
        assert len(names) == len(columns)
    assert "late" in next(made.shares(TEXTS))[0]


def test_terms_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of too many terms the most usual are kept; rare ones do not count in many texts."""
    monkeypatch.setattr(wording, "TERMS_MAX", 2)
    made, counts = Wording.of(["tax rent", "tax rent may", "tax june"])
    assert made.blocks[0].terms == ("rent", "tax")
    assert counts.matrices[0].shape == (3, 2)
    monkeypatch.setattr(wording, "COMMON_TEXTS", 2)
    monkeypatch.setattr(wording, "TERMS_MAX", 100)
    made, _ = Wording.of(["tax rent", "tax rent may", "tax june"])
    assert made.blocks[0].terms == ("rent", "tax", "tax rent")
