"""When Python looks for garbage that reference counting does not free."""

from __future__ import annotations

import gc
from typing import Final

YOUNG_OBJECTS: Final = 10_000
"""New objects between two looks. A transaction is some thirty, and lives until it is final: with
Python's own 700 a node that is busy spends a sixth of its time looking at transactions that wait."""
YOUNG_LOOKS, MIDDLE_LOOKS = 10, 10
"""Looks at a generation between two looks at the next older one: Python's own."""


def settle_collector() -> None:
    """Look seldom, and never again at what is loaded by now; call once, when imports are done."""
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, YOUNG_LOOKS, MIDDLE_LOOKS)
