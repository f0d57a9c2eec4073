"""Everything that the analytics process answers, part by part."""

from __future__ import annotations

from typing import Final

from analytics import status
from analytics.server import Route
from analytics.warehouse import comparison

ROUTES: Final[tuple[Route, ...]] = (*status.ROUTES, *comparison.ROUTES)
