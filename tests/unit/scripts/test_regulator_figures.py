"""The figures of the regulator's benchmark: goals for quiet phases, ratios for those under load."""

from __future__ import annotations

import pytest

from scripts.benchmarks.measure import Figure, Verdict
from scripts.benchmarks.noise import Slices
from scripts.benchmarks.regulator_figures import Measure, Samples, figures_of


def samples(interval_s: float) -> Samples:
    """Return a phase whose blocks come nearly steadily and whose alerts take a tenth of that."""
    slices: Slices = [[interval_s * share for share in (0.8, 1.0, 1.2)] for _ in range(4)]
    alerts: Slices = [[interval_s / 10], [interval_s / 5]]
    return {
        Measure.ALERT: alerts,
        Measure.PAGE: alerts,
        Measure.INTERVAL: slices,
        Measure.FINALITY: slices,
    }


def figures(loaded_s: float) -> dict[str, Figure]:
    """Return the figures of two rounds with one load, by name."""
    rounds = [{"quiet": samples(1.0), "load": samples(loaded_s)} for _ in range(2)]
    return {figure.name: figure for figure in figures_of(rounds, {"nodes": 4})}


def test_a_quiet_phase_has_goals_in_seconds() -> None:
    """Median and worst of alerts and pages are held against 1 and 2 s; the ledger has no goal."""
    found = figures(1.0)
    assert found["final block to alert, quiet, median"].value == pytest.approx(0.15)
    worst = found["final block to alert, quiet, worst"]
    assert (worst.value, worst.goal, worst.verdict) == (0.2, 1.0, Verdict.MET)
    assert found["final block to analytics page, quiet, worst"].goal == 2.0
    assert found["block interval, quiet, median"].verdict is Verdict.RECORDED


@pytest.mark.parametrize(("loaded_s", "verdict"), [(1.0, Verdict.MET), (3.0, Verdict.MISSED)])
def test_a_loaded_ledger_is_held_against_the_quiet_one(loaded_s: float, verdict: Verdict) -> None:
    """The ratio is quiet to loaded, larger is better; beyond chance the goal is missed."""
    found = figures(loaded_s)
    for name in ("block interval, load, median", "submission to finality, load, median"):
        assert found[name].ratio == pytest.approx(1 / loaded_s)
        assert found[name].verdict is verdict
        assert found[name].runs == 2
    alert = found["final block to alert, load, median"]
    assert alert.ratio == pytest.approx(1 / loaded_s)
    assert alert.verdict is Verdict.RECORDED
