"""What serving models holds while the analytics process lives."""

from __future__ import annotations

from analytics.serving.kept import KeptForecasts
from analytics.serving.predictor import Predictor


class Serving:
    """The processes that work with models, none of them before somebody asks."""

    def __init__(self) -> None:
        self.forecasts = KeptForecasts()
        """Forecasts of the ledger's series."""
        self.predictor = Predictor()
        """Predictions of rows."""

    async def close(self) -> None:
        """End them."""
        await self.forecasts.close()
        await self.predictor.close()
