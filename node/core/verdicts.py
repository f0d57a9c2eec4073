"""Signatures that were found good before, so that a block does not pay for them again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from ledger.keys import verdict_key
from node.core import limits

Item = tuple[bytes, bytes, bytes]
"""Public key, signature, message."""


class VerdictCache:
    """The hashes of (key, signature, message) triples that hold; the oldest are forgotten first."""

    def __init__(self, count_max: int = limits.VERDICTS_MAX) -> None:
        self._good: OrderedDict[bytes, None] = OrderedDict()
        self._count_max = count_max

    def unknown(self, items: Iterable[Item]) -> list[Item]:
        """Return the items that were not found good before."""
        good = self._good
        return [item for item in items if verdict_key(*item) not in good]

    def remember(self, items: Iterable[Item]) -> None:
        """Keep items whose signatures hold."""
        for item in items:
            self._good[verdict_key(*item)] = None
        while len(self._good) > self._count_max:
            self._good.popitem(last=False)
