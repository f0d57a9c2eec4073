"""Aggregates for publication over real processes: released, refused beyond the budget, listed."""

from __future__ import annotations

import pytest

from tests.functional.devnet import Devnet

pytest.importorskip("opendp")


def test_the_budget_of_a_regulator_holds(net: Devnet) -> None:
    """A release spends, one that the budget does not hold is refused by its code and spends nothing."""
    asked = ("audit", "aggregates", "accounts", "--by", "member", "--epsilon")
    one = net.done(*asked, "0.75")
    assert [row["key"] for row in one["rows"]] == ["bank1", "bank2", "regulator"]
    assert one["budget"]["left"] == pytest.approx(0.25)
    refused = net.sunlit(*asked, "0.5", "--json")
    assert refused.status == 1
    assert "error[privacy_budget_spent]" in refused.stderr
    last = net.done(*asked, "0.25")
    assert last["budget"]["left"] == pytest.approx(0, abs=1e-6)
    assert net.done("audit", "aggregates")["items"] == [last, one]
