"""The benchmarks run, say what they measured and write it in the documented shape."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.bench import main
from scripts.benchmarks.binary_tree import BinaryStateTree
from scripts.benchmarks.measure import Better, Figure, Verdict, compare, quantile
from scripts.benchmarks.report import table

ROOT = Path(__file__).resolve().parents[2]

FIGURE_FIELDS = {
    "name", "value", "unit", "better", "limit", "limit_name", "ratio", "goal", "spread", "runs",
    "detail", "verdict",
}  # fmt: skip


def _run(tmp_path: Path, *names: str) -> dict[str, Any]:
    """Return the JSON of a quick run of some benchmarks in a process of its own."""
    target = tmp_path / "results" / "bench.json"
    command = [sys.executable, "-P", "-m", "scripts.bench", "--quick", "--only", ",".join(names)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, "--json", str(target)],
        cwd=tmp_path, env=environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    result: dict[str, Any] = json.loads(target.read_text())
    for figure in result["figures"]:
        assert figure["name"] in done.stdout
    return result


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One quick run of everything that needs no network."""
    names = ("single", "batch", "state-tree", "hashing", "finality")
    return _run(tmp_path_factory.mktemp("bench"), *names)


def test_document_says_when_where_and_how(result: dict[str, Any]) -> None:
    """The JSON carries its schema, the program's version, the command and the machine's shape."""
    assert result["schema"] == 1
    assert result["quick"] is True
    assert result["command"].startswith("scripts/bench --quick --only single,batch")
    assert result["time"].endswith("Z")
    assert result["machine"]["cores"] >= 1
    assert set(result["machine"]) == {
        "processor", "cores", "memory_mib", "python", "system", "clock", "load_before",
    }  # fmt: skip


def test_every_figure_has_all_fields(result: dict[str, Any]) -> None:
    """A figure has the documented fields, and a ratio exactly where it has a limit."""
    for figure in result["figures"]:
        assert set(figure) == FIGURE_FIELDS
        assert figure["value"] > 0
        assert (figure["ratio"] is None) == (figure["limit"] is None)
        assert figure["verdict"] in set(Verdict)


def test_single_payments_are_held_against_bare_verification(result: dict[str, Any]) -> None:
    """The first figure is the one with the goal of 0.6, and its steps are told apart."""
    figure = result["figures"][0]
    assert figure["goal"] == 0.6
    assert 0 < figure["ratio"] < 1
    steps = {name for name in figure["detail"] if name.endswith("_us_per_leg")}
    assert steps == {f"{step}_us_per_leg" for step in ("decode", "verify", "validate", "commit")}


@pytest.mark.slow
def test_network_is_measured_end_to_end(tmp_path: Path) -> None:
    """A development network starts, is paid through, measured, and leaves no process behind."""
    figures = {figure["name"]: figure for figure in _run(tmp_path, "network")["figures"]}
    rate = figures["single payments finalized, 4 nodes"]
    assert rate["detail"]["accounts"] == 10
    assert rate["detail"]["processor_s_of_nodes"] > 0
    assert (
        figures["submission answered, p99"]["value"] >= figures["submission answered, p50"]["value"]
    )
    worst = figures["submission to finality, worst"]
    assert worst["value"] >= figures["submission to finality, median"]["value"] > 0


def test_unknown_name_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    """A benchmark that does not exist is refused before anything runs."""
    with pytest.raises(SystemExit) as refused:
        main(["--only", "single,nothing"])
    assert refused.value.code == 2
    assert "unknown benchmark nothing" in capsys.readouterr().err


def test_ratio_is_the_median_of_the_pairs_and_larger_is_better() -> None:
    """A rate is divided by its limit, a cost divides it."""
    rate = compare("r", values=[5, 1, 9], limits=[10, 1, 10], unit="x/s", limit_name="l", goal=0.9)
    cost = compare(
        "c", values=[5, 4], limits=[10, 8], unit="us", limit_name="l", better=Better.LOWER
    )
    assert rate.ratio == 0.9
    assert rate.verdict is Verdict.MET
    assert cost.ratio == 2
    assert cost.verdict is Verdict.RECORDED


@pytest.mark.parametrize(
    ("better", "value", "verdict"),
    [
        (Better.HIGHER, 11, Verdict.MET),
        (Better.HIGHER, 9, Verdict.MISSED),
        (Better.LOWER, 9, Verdict.MET),
        (Better.LOWER, 11, Verdict.MISSED),
    ],
)
def test_goal_without_limit_is_for_the_value(
    better: Better, value: float, verdict: Verdict
) -> None:
    """Where nothing is measured beside it, the value itself must reach the goal."""
    figure = Figure(name="f", value=value, unit="u", better=better, goal=10)
    assert figure.verdict is verdict
    assert verdict.value in table([figure])


def test_quantile_is_a_value_that_was_seen() -> None:
    """The nearest-rank rule: the median of 1 to 100 is 50, the largest is the quantile of 1."""
    values = list(range(1, 101))
    assert [quantile(values, share) for share in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]
    assert quantile([7], 0.5) == 7


def test_the_binary_tree_is_an_honest_rival() -> None:
    """Its root depends on the entries alone, not on the order or the batches of their changes."""
    source = random.Random(1)
    entries = [(source.randbytes(8), source.randbytes(4)) for _ in range(500)]
    at_once, in_steps = BinaryStateTree(), BinaryStateTree()
    empty = at_once.root
    root = at_once.update(entries)
    for change in reversed(entries):
        in_steps.update([(change[0], b"other")])
        in_steps.update([change])
    assert in_steps.root == root != empty
    assert in_steps.update([(key, None) for key, _ in entries]) == empty
