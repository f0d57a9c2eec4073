"""The process that predicts, and the folders of models that it is given."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from analytics.errors import RequestRefused
from analytics.registry.records import RULES, Version
from analytics.registry.store import Registry
from analytics.serving.limits import FOLDERS_KNOWN_MAX, PREDICT_SECONDS_MAX, PREDICT_WAITING_MAX
from analytics.serving.worker import TaskRefused, Worker

_DAMAGED: Final = frozenset({"model_corrupt", "model_missing", "model_format"})
"""What a process says of a folder that it cannot load."""


def refuse_rules(version: Version) -> None:
    """Refuse what was never trained.

    Raises:
        RequestRefused: ``no_predictions`` (422).
    """
    if version.method == RULES:
        detail = f"{version.series} is a rule, which reads the ledger and predicts no rows"
        raise RequestRefused(422, "no_predictions", detail, id=version.id)


class Predictor:
    """Predicts rows by models of a registry."""

    def __init__(self) -> None:
        self._worker = Worker(seconds_max=PREDICT_SECONDS_MAX, waiting_max=PREDICT_WAITING_MAX)
        self._folders: OrderedDict[str, Path] = OrderedDict()

    async def predict(
        self, registry: Registry, version: Version, rows: Sequence[Any], about: Mapping[str, Any]
    ) -> bytes:
        """Return the JSON document of predictions, reasons and ``about``.

        Raises:
            RequestRefused: ``model_damaged`` (409), and what `Worker.run_for_bytes` raises.
        """
        folder = await self._folder(registry, version)
        try:
            return await self._worker.run_for_bytes(
                "predict",
                folder=str(folder),
                manifest_hash=version.manifest_hash,
                rows=rows,
                about=about,
            )
        except TaskRefused as error:
            if error.code not in _DAMAGED:
                raise
            self._folders.pop(version.id, None)
            raise RequestRefused(409, "model_damaged", error.detail, id=version.id) from None

    async def close(self) -> None:
        """End the process."""
        await self._worker.close()

    async def _folder(self, registry: Registry, version: Version) -> Path:
        """Return a version's folder, which was whole when it was first asked for.

        Not every request reads it again: the process checks every file when it loads the model.
        """
        folder = self._folders.get(version.id)
        if folder is None:
            folder = await asyncio.to_thread(registry.folder, version)
            self._folders[version.id] = folder
            while len(self._folders) > FOLDERS_KNOWN_MAX:
                self._folders.popitem(last=False)
        return folder
