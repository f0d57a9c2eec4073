"""Every limit of the analytics, with its unit."""

from __future__ import annotations

from typing import Final

COMMIT_BLOCKS_MAX: Final = 2_000
"""Most blocks of one commit of the warehouse, while it catches up."""
COMMIT_LEGS_MAX: Final = 250_000
"""Legs after which a commit of the warehouse takes no further block."""
OPEN_DAY_ROWS_MAX: Final = 1_000_000
"""Most balances of the day that is not over, rows, before each account is cut to its last one."""
FACTS_LEGS_MAX: Final = 50_000
"""Legs after which a read for detection begins another query."""
