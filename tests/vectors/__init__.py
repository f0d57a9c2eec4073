"""Frozen bytes and published test vectors, one folder a standard; each file names its source."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def load_vectors(name: str) -> Any:
    """Return the vectors of one JSON file, named relative to this folder."""
    return json.loads((FOLDER / name).read_text("utf-8"))
