"""How tests state a refusal: by the error's type and its stable code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ledger.errors import LedgerError


@contextmanager
def refuses(error: type[LedgerError], code: str) -> Iterator[None]:
    """Expect the block to raise exactly ``error`` with ``code``."""
    with pytest.raises(error) as caught:
        yield
    assert type(caught.value) is error
    assert caught.value.code == code
    assert str(caught.value) == f"{code}: {caught.value.detail}"
