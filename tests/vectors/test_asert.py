"""The published vectors of aserti3-2d, in seconds and in our milliseconds."""

from typing import Any

import pytest

from consensus.target import asert_target, bits_to_target, target_to_bits
from tests.vectors import FOLDER, load_vectors

RUNS = sorted(path.relative_to(FOLDER).as_posix() for path in (FOLDER / "asert").glob("*.json"))
EASIEST_TARGET = bits_to_target(0x1D00FFFF)
BLOCK_INTERVAL_SECONDS = 600
HALF_LIFE_SECONDS = 172_800


def _next_bits(run: dict[str, Any], height: int, time: int, units_per_second: int) -> str:
    """Return the bits after the block at `height`, whose time is in seconds, as hexadecimal."""
    target = asert_target(
        anchor_target=bits_to_target(int(run["anchor_bits"], 16)),
        easiest_target=EASIEST_TARGET,
        elapsed=(time - run["anchor_parent_time"]) * units_per_second,
        height_delta=height - run["anchor_height"] + 1,
        block_interval=BLOCK_INTERVAL_SECONDS * units_per_second,
        half_life=HALF_LIFE_SECONDS * units_per_second,
    )
    return f"{target_to_bits(target):#010x}"


@pytest.mark.parametrize("units_per_second", [1, 1000], ids=["seconds", "milliseconds"])
@pytest.mark.parametrize("name", RUNS)
def test_published_runs(name: str, units_per_second: int) -> None:
    """Every row gives the published bits, whatever the unit of time."""
    run = load_vectors(name)
    computed = [
        [height, time, _next_bits(run, height, time, units_per_second)]
        for height, time, _ in run["rows"]
    ]
    assert computed == run["rows"]


def test_all_runs_are_present() -> None:
    """A lost file fails rather than passes unseen."""
    assert len(RUNS) == 10
