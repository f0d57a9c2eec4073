"""What every test gets: a home of its own, repeatable property tests, one worker for real processes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

TESTS = Path(__file__).parent

# Repeatable by default, because a suite that fails now and then is soon ignored. To look for new
# failures: HYPOTHESIS_PROFILE=explore. Deadlines are wall-clock assertions, so there are none.
settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("explore", parent=settings.get_profile("repeatable"), derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Keep functional tests in one worker: they start processes, and two at once starve each other."""
    for item in items:
        if item.path.is_relative_to(TESTS / "functional"):
            item.add_marker(pytest.mark.xdist_group("functional"))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty SUNLIT_HOME, so that no test reads or writes the developer's own keys."""
    directory = tmp_path / "home"
    monkeypatch.setenv("SUNLIT_HOME", str(directory))
    monkeypatch.delenv("SUNLIT_PASSPHRASE", raising=False)
    return directory
