"""Tagged hashes: framed, one tag a type."""

from __future__ import annotations

from hashlib import sha256

import pytest

from ledger import hashing
from ledger.hashing import TAG_BYTES_MAX, Tag, double_sha256

TAGS = [value for value in vars(hashing).values() if isinstance(value, Tag)]


def test_tagged_hash_by_definition() -> None:
    """Length of the name, the name, the data."""
    assert Tag("ab")(b"c") == sha256(b"\x02abc").digest()
    assert double_sha256(b"c") == sha256(sha256(b"c").digest()).digest()


def test_threat_41_concatenation_cannot_collide() -> None:
    """Moving a byte between tag and data changes the hash, for each pair of tags too."""
    assert Tag("a")(b"bc") != Tag("ab")(b"c")
    assert len({tag(b"data") for tag in TAGS}) == len(TAGS)
    assert len({tag.name for tag in TAGS}) == len(TAGS) >= 12


@pytest.mark.parametrize("name", ["", "x" * (TAG_BYTES_MAX + 1)])
def test_tag_length(name: str) -> None:
    """A tag's length fits its one byte and is not zero."""
    with pytest.raises(ValueError, match="1 to 255 bytes"):
        Tag(name)
