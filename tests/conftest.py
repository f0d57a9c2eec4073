"""What every test gets: a home of its own, repeatable property tests, one worker for real processes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

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


class FunctionalInOneWorker(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """Keeps functional tests in one worker: they start processes, and two at once starve each other.

    ``xdist_group`` would say the same, but groups nothing with pytest 9.2 and xdist 3.8.
    """

    def _split_scope(self, nodeid: str) -> str:
        return "functional" if nodeid.startswith("tests/functional/") else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Give xdist the scheduler."""
    return FunctionalInOneWorker(config, log)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty SUNLIT_HOME, so that no test reads or writes the developer's own keys."""
    directory = tmp_path / "home"
    monkeypatch.setenv("SUNLIT_HOME", str(directory))
    monkeypatch.delenv("SUNLIT_PASSPHRASE", raising=False)
    return directory
