"""Reasons add up, and tell the largest first."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from analytics.models.limits import REASONS_MAX
from analytics.models.reasons import BASELINE, OTHERS, plain_value, reasons_of


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40), st.floats(-1, 1))
def test_reasons_add_up(contributions: list[float], baseline: float) -> None:
    """Whatever is left out of the list is in its last reason."""
    names = [f"c{place}" for place in range(len(contributions))]
    reasons = reasons_of(names, contributions, contributions, baseline=baseline, unit="points")
    total = math.fsum(reason.contribution for reason in reasons)
    assert math.isclose(total, math.fsum([*contributions, baseline]), rel_tol=1e-9, abs_tol=1e-6)
    assert reasons[0].feature == BASELINE
    assert len(reasons) <= REASONS_MAX + 2
    sizes = [abs(r.contribution) for r in reasons if r.feature not in {BASELINE, OTHERS}]
    assert sizes == sorted(sizes, reverse=True)


def test_values_are_what_json_holds() -> None:
    """Gaps are null, whole floats are integers, and what is none of these is text."""
    given_values = [np.float64(2.0), np.nan, None, "x", np.bool_(True), 1.5, np.datetime64("NaT")]
    assert [plain_value(value) for value in given_values] == [2, None, None, "x", True, 1.5, None]
