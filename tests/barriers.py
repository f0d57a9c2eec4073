"""How long tests wait for what must come.

Nothing is measured by it: a barrier that is never reached fails its test instead of hanging it. It
is far above what a machine needs that does many other things, or that runs everything for the
first time.
"""

from __future__ import annotations

from typing import Final

HANG_S: Final = 300
"""Seconds."""
