"""scripts/demo: what a newcomer sees first, and that nothing of it stays behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from node.probe import NodeUnreachable, fetch_status
from tests.barriers import HANG_S

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "scripts" / "demo.py"
STEPS = 7

WITHOUT_STEPS = """
from scripts import demo

for step in ("open_and_fund", "pay", "watch", "warn", "prove"):
    setattr(demo.Demo, step, lambda *_: [{"txid": ""}])
demo.main()
"""
"""The demonstration's network alone: up, shown to the newcomer, and held until Ctrl-C."""


@contextmanager
def demo(directory: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Start the demonstration with a temporary directory of its own; on leaving it has ended."""
    with subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(directory)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def assert_nothing_stays(directory: Path, output: str) -> None:
    """Check that no node that was shown still answers, and that its files are gone."""
    nodes = re.findall(r"(http://\S+)/docs", output)
    assert len(nodes) == 4
    for node in nodes:
        with pytest.raises(NodeUnreachable):
            fetch_status(node)
    assert list(directory.iterdir()) == []


@pytest.mark.slow
def test_once_shows_every_step_and_cleans_up(tmp_path: Path) -> None:
    """Accounts, payments, the stream, an alert and the proof; then status 0 and silence."""
    with demo(tmp_path, str(DEMO), "--once") as process:
        output, errors = process.communicate(timeout=HANG_S)
    assert (process.returncode, errors) == (0, "")
    assert re.findall(r"^(\d)  ", output, flags=re.MULTILINE) == [str(n + 1) for n in range(STEPS)]
    assert "dave to erin: 1250.00 CNY, 'invoice 7'" in output
    assert re.search(r"structuring, (high|critical): bob scores 0\.\d\d\n", output)
    assert re.search(r"\+0\.\d\d  \d payments just under 10,000\.00 CNY\n", output)
    assert "it holds: in block" in output
    assert re.search(r"http://\S+/dashboard  the regulator's dashboard\n", output)
    assert_nothing_stays(tmp_path, output)


@pytest.mark.slow
def test_it_runs_until_ctrl_c(tmp_path: Path) -> None:
    """The network stays up for the newcomer, and one Ctrl-C stops all of it with status 0."""
    with demo(tmp_path, "-c", WITHOUT_STEPS) as process:
        assert process.stdout is not None
        shown = []
        for line in process.stdout:
            shown.append(line)
            if "until Ctrl-C" in line:
                break
        for node in re.findall(r"(http://\S+)/docs", "".join(shown)):
            assert fetch_status(node)["finality"] == "live"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=HANG_S)
    assert (process.returncode, errors) == (0, "")
    assert_nothing_stays(tmp_path, "".join(shown))


def test_ctrl_c_at_the_start_stops_it_too(tmp_path: Path) -> None:
    """Whoever changes his mind while nodes start leaves nothing behind either."""
    with demo(tmp_path, str(DEMO)) as process:
        assert process.stdout is not None
        assert any("$ sunlit dev up" in line for line in process.stdout)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=HANG_S)
    assert (process.returncode, errors) == (130, "")
    assert list(tmp_path.iterdir()) == []


def test_a_failure_is_one_clear_line(tmp_path: Path) -> None:
    """It names the command that failed, and where its traces are."""
    script = (
        "import shutil, sys\nfrom scripts import demo\nsys.executable = shutil.which('false')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{script}demo.main()"],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error[demo_failed]: sunlit dev up ended with status 1")
    assert str(tmp_path) in line
