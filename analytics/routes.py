"""Everything that the analytics process answers, part by part."""

from __future__ import annotations

from typing import Final

from analytics import alerting, status
from analytics.market import accounts, flows, reports
from analytics.privacy import routes as privacy
from analytics.registry import routes as registry
from analytics.response import routes as response
from analytics.risk import answers as risk
from analytics.sandbox import routes as sandbox
from analytics.server import Route
from analytics.serving import forecasts, predictions
from analytics.warehouse import comparison, export

ROUTES: Final[tuple[Route, ...]] = (
    *status.ROUTES,
    *alerting.ROUTES,
    *accounts.ROUTES,
    *flows.ROUTES,
    *reports.ROUTES,
    *registry.ROUTES,
    *response.ROUTES,
    *risk.ROUTES,
    *comparison.ROUTES,
    *export.ROUTES,
    *privacy.ROUTES,
    *sandbox.ROUTES,
    *forecasts.ROUTES,
    *predictions.ROUTES,
)
