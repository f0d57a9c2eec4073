"""Texts as TF-IDF of words and of pieces of words, in any script (Salton and Buckley, 1988).

    weight = (1 + log count) · (log((1 + texts) / (1 + texts with it)) + 1), rows of length 1

Words are one and two in a row; in scripts without spaces (Chinese, Japanese, Thai, …) each letter
counts as a word. Pieces are runs of letters inside a word with its ends, so that a word that is new
is known by its parts; without spaces they are longer runs of letters. Words and pieces are two
blocks, each of length 1.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, Self

from analytics.models.limits import TERMS_MAX

if TYPE_CHECKING:
    import numpy as np

_UNSPACED: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Thai, Lao, Burmese, Khmer, kana and Han: scripts that put no space between words."""
_MARKS: Final = "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u064b-\u065f\u0900-\u0dff"
"""Marks and vowel signs that belong to the letter before them and are none to `re`."""
_TOKEN: Final = re.compile(rf"([{_UNSPACED}]+)|((?:[^\W{_UNSPACED}]|[{_MARKS}])+)|([!?%$€£¥])")
"""A run without spaces, a word, or a sign that says something."""
_UNSPACED_ONLY: Final = re.compile(rf"[{_UNSPACED}]+")
PIECES: Final = (2, 5)
"""Letters of a piece of a word, its ends counted."""
UNSPACED_PIECES: Final = (3, 4)
"""Letters of a piece where there are no spaces; one and two count as words."""
COMMON_TEXTS: Final = 1_000
"""Texts from which on a term must be in two of them to count."""
NO_TEXT: Final = "(no text)"
"""The word of a text that has none."""

Analysis = Callable[[str], Iterator[tuple[str, tuple[str, ...]]]]
"""Yields the terms of a text, each with the words that a reason names for it, in equal shares."""


def words_of(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the words of a text, and two in a row.

    A letter of a script without spaces is of the pairs that it stands in: these read as words.
    """
    spans = spans_of(normal(text))
    joined = [
        first + len(word) == second and _UNSPACED_ONLY.fullmatch(word + following) is not None
        for (first, word), (second, following) in pairwise(spans)
    ]
    words = [word for _, word in spans]
    for place, word in enumerate(words):
        pairs = [at for at in (place - 1, place) if 0 <= at < len(joined) and joined[at]]
        yield word, tuple(words[at] + words[at + 1] for at in pairs) or (word,)
    for is_joined, (word, following) in zip(joined, pairwise(words), strict=True):
        pair = word + following if is_joined else f"{word} {following}"
        yield pair, (pair,)
    if not spans:
        yield NO_TEXT, (NO_TEXT,)


def pieces_of(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the pieces of a text's words, or of its runs of letters without spaces."""
    for match in _TOKEN.finditer(normal(text)):
        unspaced, word = match[1], match[2]
        if unspaced is not None:
            for piece in _runs(unspaced, UNSPACED_PIECES):
                yield piece, tuple(_runs(piece, (2, 2)))
        elif word is not None:
            yield from ((piece, (word,)) for piece in _runs(f" {word} ", PIECES))


def spans_of(text: str) -> list[tuple[int, str]]:
    """Return where each word of a `normal` text begins, and the word."""
    spans: list[tuple[int, str]] = []
    for match in _TOKEN.finditer(text):
        if match[1] is not None:
            spans += [(match.start() + place, letter) for place, letter in enumerate(match[1])]
        else:
            spans.append((match.start(), match[0]))
    return spans


def normal(text: str) -> str:
    """Return a text in one case, with one form for each letter and digit (Unicode's NFKC)."""
    return unicodedata.normalize("NFKC", text).casefold()


BLOCKS: Final[Mapping[str, Analysis]] = {"words": words_of, "pieces": pieces_of}
"""The blocks of a text's row by name, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """The terms of one kind, and how much each counts."""

    terms: tuple[str, ...]
    """The terms, sorted."""
    idf: np.ndarray
    """Inverse frequency of each, float64 (terms,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """What a training's texts say of words."""

    blocks: tuple[Block, ...]
    """As `BLOCKS`."""

    @classmethod
    def of(cls, texts: Sequence[str]) -> tuple[Self, Counts]:
        """Return the terms of texts, and how often each text has each."""
        blocks, counted = [], []
        for analysis in BLOCKS.values():
            terms, counts = _counted(texts, analysis)
            idf = inverse_frequency(counts)
            kept = _kept(counts, idf)
            blocks.append(Block(terms=tuple(terms[place] for place in kept), idf=idf[kept]))
            counted.append(counts[:, kept])
        return cls(blocks=tuple(blocks)), Counts(matrices=tuple(counted))

    @property
    def width(self) -> int:
        """Terms in all."""
        return sum(len(block.terms) for block in self.blocks)

    def shares(self, texts: Sequence[str]) -> Iterator[tuple[list[str], np.ndarray, np.ndarray]]:
        """Yield each text's words, the columns that they have a share in, and their shares.

        A word comes once for each of its columns; a column's shares add up to its weight.
        """
        import numpy as np  # noqa: PLC0415

        encoded = self.encode(texts)
        offsets = np.cumsum([0, *(len(block.terms) for block in self.blocks)])
        places = [
            {term: int(offset) + place for place, term in enumerate(block.terms)}
            for block, offset in zip(self.blocks, offsets, strict=False)
        ]
        for row, text in enumerate(texts):
            part = slice(encoded.indptr[row], encoded.indptr[row + 1])
            weights = dict(zip(encoded.indices[part], encoded.data[part], strict=True))
            names: list[str] = []
            columns: list[int] = []
            shares: list[float] = []
            for own, analysis in zip(places, BLOCKS.values(), strict=True):
                found = [pair for pair in analysis(text) if pair[0] in own]
                totals = Counter(term for term, _ in found)
                for (term, words), count in Counter(found).items():
                    share = float(weights[own[term]]) * count / totals[term] / len(words)
                    names += words
                    columns += [own[term]] * len(words)
                    shares += [share] * len(words)
            yield names, np.asarray(columns, dtype=np.intp), np.asarray(shares)

    def encode(self, texts: Sequence[str]) -> Any:
        """Return the weights of texts: a sparse float64 matrix (texts, `width`)."""
        matrices = [
            _counted(texts, analysis, block.terms)[1]
            for block, analysis in zip(self.blocks, BLOCKS.values(), strict=True)
        ]
        return Counts(matrices=tuple(matrices)).weighed([block.idf for block in self.blocks])


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How often each text has each term."""

    matrices: tuple[Any, ...]
    """Sparse int32 matrices (texts, terms), as `BLOCKS`."""

    def take(self, rows: np.ndarray) -> Counts:
        """Return the counts of some texts."""
        return Counts(matrices=tuple(each[rows] for each in self.matrices))

    def frequencies(self) -> list[np.ndarray]:
        """Return the inverse frequencies of the terms in these texts, 0 for those too rare."""
        return [inverse_frequency(each) for each in self.matrices]

    def weighed(self, idf: Sequence[np.ndarray]) -> Any:
        """Return weights, each block's rows of length 1: a sparse matrix (texts, all terms)."""
        from scipy import sparse  # noqa: PLC0415

        blocks = [_weighed(each, own) for each, own in zip(self.matrices, idf, strict=True)]
        return sparse.hstack(blocks, format="csr")


def inverse_frequency(counts: Any) -> np.ndarray:
    """Return the inverse frequency of each term, 0 where it is in too few texts to count."""
    import numpy as np  # noqa: PLC0415

    texts = counts.shape[0]
    having = np.bincount(counts.indices, minlength=counts.shape[1])
    is_kept = having >= (2 if texts >= COMMON_TEXTS else 1)
    return np.where(is_kept, np.log((1.0 + texts) / (1.0 + having)) + 1.0, 0.0)


def _kept(counts: Any, idf: np.ndarray) -> np.ndarray:
    """Return the places of the terms that count, the most usual `TERMS_MAX`, in order."""
    import numpy as np  # noqa: PLC0415

    having = np.bincount(counts.indices, minlength=counts.shape[1])
    kept = np.flatnonzero(idf)
    usual = kept[np.argsort(-having[kept], kind="stable")[:TERMS_MAX]]
    return np.sort(usual)


def _counted(
    texts: Sequence[str], analysis: Analysis, terms: Sequence[str] | None = None
) -> tuple[Sequence[str], Any]:
    """Return terms, sorted (those given, else all that there are), and a matrix of counts."""
    import numpy as np  # noqa: PLC0415
    from scipy import sparse  # noqa: PLC0415

    places = {} if terms is None else {term: place for place, term in enumerate(terms)}
    columns: list[int] = []
    values: list[int] = []
    ends = [0]
    for text in texts:
        counted = Counter(term for term, _ in analysis(text))
        for term, count in counted.items():
            place = places.setdefault(term, len(places)) if terms is None else places.get(term)
            if place is not None:
                columns.append(place)
                values.append(count)
        ends.append(len(columns))
    shape = (len(texts), len(places))
    arrays = np.asarray(values, np.int32), np.asarray(columns, np.int64), np.asarray(ends, np.int64)
    counts = sparse.csr_matrix(arrays, shape=shape)
    if terms is None:
        found = list(places)
        order = sorted(range(len(found)), key=found.__getitem__)
        terms, counts = [found[place] for place in order], counts[:, order]
    counts.sort_indices()
    return terms, counts


def _weighed(counts: Any, idf: np.ndarray) -> Any:
    import numpy as np  # noqa: PLC0415
    from scipy import sparse  # noqa: PLC0415

    data = (1.0 + np.log(counts.data)) * idf[counts.indices]
    squares = sparse.csr_matrix((data**2, counts.indices, counts.indptr), shape=counts.shape)
    lengths = np.sqrt(np.asarray(squares.sum(axis=1)).ravel())
    lengths[lengths == 0.0] = 1.0
    data /= np.repeat(lengths, np.diff(counts.indptr))
    return sparse.csr_matrix((data, counts.indices, counts.indptr), shape=counts.shape)


def _runs(text: str, lengths: tuple[int, int]) -> Iterator[str]:
    for length in range(lengths[0], lengths[1] + 1):
        for start in range(len(text) - length + 1):
            yield text[start : start + length]
