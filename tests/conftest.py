"""What every test gets: a home of its own, repeatable property tests, few workers for real processes."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Generator, Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from wallet.encryption import Derivation

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

MEASURED = tuple(
    Path(__file__).parent / name
    for name in ("unit/ledger", "unit/consensus", "property", "vectors")
)
"""Tests that count for coverage: those of what is measured, in their own directories.

Measuring doubles the processor time of a test, and a line that only a test of something else runs
is not held by it.
"""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let coverage look away from tests that do not count for it."""
    if not item.config.getoption("cov_source", None) or _is_measured(item.path):
        return (yield)
    tracing, tracing_threads = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(tracing)
        threading.settrace(tracing_threads)


def _is_measured(path: Path) -> bool:
    return any(path.is_relative_to(directory) for directory in MEASURED)


FIRST = ("tests/functional/shared/", "tests/functional/", "tests/simulation/")
"""What takes longest begins first, so that no worker is left alone with it in the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the directories of ``FIRST`` before the others; modules stay together and in order."""
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    within = (at for at, prefix in enumerate(FIRST) if item.nodeid.startswith(prefix))
    return next(within, len(FIRST))


class ByProcessesAndFixtures(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """Keeps each directory of functional tests in one worker, and each module of others.

    Functional tests start processes and mostly wait for them: with one worker for each of their
    directories and one for all other tests nobody waits for long, and no more than two networks run
    at once, which would starve each other. Modules share what their fixtures build; only the
    simulations, long and without fixtures, go one by one.

    ``xdist_group`` would say the same, but groups nothing with pytest 9.2 and xdist 3.8.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        if path.startswith("tests/functional/"):
            return path.rpartition("/")[0]
        return nodeid if path.startswith("tests/simulation/") else path


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Give xdist the scheduler, and keep it from putting groups of many tests first."""
    config.option.loadscopereorder = False
    return ByProcessesAndFixtures(config, log)


@pytest.fixture(scope="session", autouse=True)
def ctrl_c() -> None:
    """Let tests hear Ctrl-C, and with them what they start.

    A shell without job control starts what it puts into the background deaf to it (POSIX, 2.11).
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def derivations() -> Iterator[None]:
    """Derive each key of each passphrase once: Argon2id is as costly as ever, and a pure function."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Derivation, "derive", cache(Derivation.derive))
        yield


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty SUNLIT_HOME, so that no test reads or writes the developer's own keys."""
    directory = tmp_path / "home"
    monkeypatch.setenv("SUNLIT_HOME", str(directory))
    monkeypatch.delenv("SUNLIT_PASSPHRASE", raising=False)
    return directory
