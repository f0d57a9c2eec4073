"""Members and the market as their accounts' scores change one by one."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.risk.bands import Band
from analytics.risk.standing import WORST_MAX, Account, Standings

MEMBER_OF = {f"account{number}": f"bank{number % 3}" for number in range(9)}

changes = st.lists(
    st.tuples(st.sampled_from(sorted(MEMBER_OF)), st.floats(0, 1), st.sampled_from(Band)),
    max_size=60,
)


@given(changes)
def test_changes_one_by_one_give_the_sums_of_all(changes: list[tuple[str, float, Band]]) -> None:
    """Whatever came before, sums, counts and the worst are those of the last scores."""
    standings, last = Standings(), dict[str, Account]()
    for name, score, band in changes:
        last[name] = Account(MEMBER_OF[name], score, band)
        standings.put(name, last[name])
    anew = Standings.of(last)
    assert standings.market == anew.market
    assert standings.members == anew.members
    scores = sorted(one.score for one in last.values())
    assert standings.market.worst == scores[-WORST_MAX:]
    assert standings.market.mean * max(len(scores), 1) == pytest.approx(math.fsum(scores))
    assert standings.market.at_risk == sum(
        one.band in (Band.HIGH, Band.CRITICAL) for one in last.values()
    )
