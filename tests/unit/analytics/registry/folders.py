"""Folders of models as a training leaves them, made without one."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from analytics.registry.records import DataRange, NewVersion

MAKER, CHECKER = "01" * 33, "02" * 33
"""Keys of two officers."""
GENESIS = "ab" * 32


def filled(folder: Path, text: str) -> Path:
    """Return a folder that holds a whole model whose card is a text."""
    (folder / "card.md").write_text(text)
    card = hashlib.sha256(text.encode()).hexdigest()
    manifest = {"format": 1, "model": "kmeans", "files": {"card.md": card}}
    (folder / "model.json").write_text(json.dumps(manifest))
    return folder


def new(series: str = "groups", method: str = "kmeans", by: str | None = MAKER) -> NewVersion:
    """Return what is said of a version beside its folder."""
    data = DataRange(from_height=0, to_height=9, block_hash="cd" * 32)
    return NewVersion(
        series=series, method=method, data=data, seed=1, rows=30,
        metrics={"silhouette": 0.5}, reference={}, compared=None, by=by, training="training-1",
    )  # fmt: skip
