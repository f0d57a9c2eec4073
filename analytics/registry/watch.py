"""What asks for a training: enough accounts for a first model, and drift of what one learned from.

A first model of each question that needs no outcomes is trained by itself once there are enough
accounts; it is a candidate, and an officer decides about it. After that nothing is trained without
an officer: an alert of drift since a champion's blocks, or a feature whose distribution has shifted
(population stability index; Siddiqi, Credit Risk Scorecards, 2006), makes a proposal to train again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import duckdb
import pyarrow as pa

from analytics.features.reference import reference_height
from analytics.models.errors import DataRefused
from analytics.models.measures import Reference
from analytics.progress import Progress
from analytics.registry.datasets import active_features
from analytics.registry.limits import (
    CHECK_MS,
    FIRST_ACCOUNTS_MIN,
    SHIFT_ACCOUNTS_MIN,
    SHIFT_MIN,
)
from analytics.registry.records import Order, Version
from analytics.registry.series import SERIES
from analytics.registry.store import Registry
from analytics.warehouse.sql import first_row
from analytics.warehouse.store import Warehouse

LAG_BLOCKS_MAX: Final = 10
"""Blocks that detection may be behind the warehouse when it is looked for first models."""
FIRST_SEED: Final = 0
_DRIFT: Final = """
SELECT id, score, height FROM alerts WHERE typology = 'drift' AND height > ? AND height <= ?
ORDER BY height
"""

Json = dict[str, Any]


class Watching:
    """Follows detection until the process ends; runs in a thread of its own."""

    def __init__(
        self,
        warehouse: Warehouse,
        progress: Progress,
        registry: Registry,
        wake: Callable[[], None],
    ) -> None:
        """``wake`` is called when a training was asked for."""
        self._warehouse = warehouse
        self._progress = progress
        self._registry = registry
        self._wake = wake

    def run(self) -> None:
        """Look after blocks until there is nothing more to come."""
        height = -1
        while (detected := self._progress.wait_for_alerts(height)) is not None:
            height = detected.height
            if self._progress.ingested.height - height <= LAG_BLOCKS_MAX:
                self.look(height)

    def look(self, height: int) -> None:
        """Look at the alerts of drift up to a block and, once an hour of the chain, at features."""
        watched, checked_ms = self._registry.proposals.watched
        with self._warehouse.reading() as cursor:
            drifts = cursor.execute(_DRIFT, [watched, height]).fetchall()
            now_ms = _time_ms(cursor, height)
            is_due = now_ms - checked_ms >= CHECK_MS
            if not drifts and not is_due:
                return
            table = self._features(cursor, height) if is_due else None
            first = table
            if is_due and (reference := reference_height(cursor, height)) != height:
                first = self._features(cursor, reference)
        if drifts:
            self._propose_for_alerts(drifts, height)
        if table is not None:
            self._propose_for_shifts(table, height)
        if first is not None:
            self._ask_for_first(len(first))
        self._registry.proposals.watch(height, now_ms if is_due else checked_ms)

    def _features(self, cursor: duckdb.DuckDBPyConnection, height: int) -> pa.Table | None:
        try:
            return active_features(cursor, height)
        except DataRefused:
            return None  # nobody paid for a week: nothing to compare

    def _propose_for_alerts(self, drifts: list[Any], height: int) -> None:
        for champion in self._registry.champions():
            learned = champion.data.to_height if champion.data is not None else height
            reasons = [
                {
                    "kind": "drift_alert",
                    "name": alert,
                    "value": score,
                    "text": f"the market drifted at block {at}, after the model's last block",
                }
                for alert, score, at in drifts
                if at > learned
            ]
            if reasons:
                self._registry.proposals.open_one(champion, height=height, reasons=reasons)

    def _propose_for_shifts(self, table: pa.Table, height: int) -> None:
        if len(table) < SHIFT_ACCOUNTS_MIN:
            return
        for champion in self._registry.champions():
            reasons = sorted(shifts(champion, table), key=lambda reason: -reason["value"])
            if reasons:
                self._registry.proposals.open_one(champion, height=height, reasons=reasons)

    def _ask_for_first(self, accounts: int) -> None:
        if accounts < FIRST_ACCOUNTS_MIN:
            return
        for name, series in SERIES.items():
            if series.has_outcomes or self._registry.trainings.was_asked(name):
                continue
            order = Order(
                series=name,
                method=series.methods[0],
                seed=FIRST_SEED,
                height=None,
                features=None,
                by=None,
            )
            self._registry.trainings.ask(order)
            self._wake()


def shifts(version: Version, table: pa.Table) -> Iterator[Json]:
    """Yield the reasons that features give whose stability index since training is too large."""
    for name, kept in version.reference.items():
        reference = Reference(edges=tuple(kept["edges"]), shares=tuple(kept["shares"]))
        value = reference.stability(table[name].to_numpy())
        if value >= SHIFT_MIN:
            yield {
                "kind": "feature_shift",
                "name": name,
                "value": value,
                "text": f"the stability index of {name} since the training is {value:.2f}",
            }


def _time_ms(cursor: duckdb.DuckDBPyConnection, height: int) -> int:
    row = first_row(cursor, "SELECT epoch_ms(time) FROM blocks WHERE height = ?", [height])
    return 0 if row is None else int(row[0])
