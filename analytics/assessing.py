"""The third stage: risk, after the alerts of the blocks that it is due with; each score once.

    wait for alerts  ->  what is due  ->  Assessor  ->  one commit: scores, features, cursor

It follows detection and never holds it up: to assess all accounts of a large market takes seconds. A
score depends on rows up to its block's height alone, so it is the same however far behind it is made.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

import duckdb

from analytics.features.reading import prepare_features
from analytics.limits import ASSESSMENT_BLOCKS_MAX
from analytics.progress import Progress
from analytics.risk.assessing import Assessor, Due
from analytics.risk.kept import write_kept
from analytics.risk.scores import insert_scores
from analytics.warehouse.schema import ASSESSMENT
from analytics.warehouse.store import Warehouse, advance, block_cursor

_BLOCKS: Final = """
SELECT height, epoch_ms(time) FROM blocks WHERE height BETWEEN ? AND ? ORDER BY height
"""
_WARNED: Final = """
SELECT DISTINCT height, account FROM alerts
WHERE height BETWEEN ? AND ? AND account IS NOT NULL ORDER BY height, account
"""


class Assessing:
    """Follows detection until the process ends; runs in a thread of its own."""

    def __init__(self, warehouse: Warehouse, progress: Progress) -> None:
        self._warehouse = warehouse
        self._progress = progress
        self._height = warehouse.cursor(ASSESSMENT).height
        with warehouse.reading() as cursor:
            self._assessor = Assessor.load(cursor, self._height)

    def run(self) -> None:
        """Assess until there is nothing more to come.

        Raises:
            duckdb.Error: the file took no commit.
        """
        prepare_features()
        while (detected := self._progress.wait_for_alerts(self._height)) is not None:
            self.assess_until(detected.height)

    def assess_until(self, height: int) -> None:
        """Assess what is due with the blocks up to one that detection has done."""
        while self._height < height:
            last = min(height, self._height + ASSESSMENT_BLOCKS_MAX)
            with self._warehouse.reading() as cursor:
                dues = list(self._dues(cursor, self._height + 1, last))
            for due in dues:
                self._commit(due)
                if self._progress.is_ending:
                    return
            self._height = last

    def _dues(self, cursor: duckdb.DuckDBPyConnection, first: int, last: int) -> Iterator[Due]:
        """Yield what is due with the blocks from one height to another."""
        warned: defaultdict[int, list[str]] = defaultdict(list)
        for height, account in cursor.execute(_WARNED, [first, last]).fetchall():
            warned[height].append(account)
        for height, time_ms in cursor.execute(_BLOCKS, [first, last]).fetchall():
            if self._assessor.see(height, time_ms):
                yield Due(height, time_ms, None)
            elif height in warned:
                yield Due(height, time_ms, tuple(warned[height]))

    def _commit(self, due: Due) -> None:
        # Everything is read before: a commit of blocks or alerts need not wait for that.
        with self._warehouse.reading() as cursor:
            assessed = self._assessor.assess(cursor, due)
        with self._warehouse.writing() as cursor:
            insert_scores(cursor, assessed.scores)
            if assessed.kept is not None:
                write_kept(cursor, assessed.kept)
            advance(cursor, ASSESSMENT, block_cursor(cursor, due.height))
        self._assessor.note(assessed.scores)
