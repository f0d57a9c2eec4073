"""`sunlit audit simulate`: what people read of a simulated freeze, and what the command refuses."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from auditor.cli import audit
from auditor.simulating import simulation_lines
from ledger.identity import AssetCode
from tests.unit.node.api.played import ANALYTICS_ANSWERS


def test_people_read_sums_as_decimals() -> None:
    """Who is frozen and until when, what stops, who misses it, which texts, which transactions."""
    document = ANALYTICS_ANSWERS["POST /simulations"]
    lines = list(simulation_lines(document, {AssetCode("CNY"): 2}))
    assert lines[0] == "sun1 frozen in block 1, replayed up to block 2"
    assert lines[1].startswith("1 of 2 transactions refused: 1 of frozen accounts, 0 that lack")
    assert "stopped: 0.05 CNY of frozen accounts, 0.00 in turn" in lines
    assert "sun1 would hold 0.05 CNY, and holds 0.00" in lines
    words = "\n".join(lines).split()
    assert {"AFFECTED", "rent", "00" * 32, "frozen"} <= set(words)
    assert lines[-1] == "1 alerts rest on refused transactions"


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--height", "3"),
        ("--account", "alice"),
        ("--account", "alice", "--case", "case-0", "--height", "3"),
    ],
)
def test_accounts_with_a_height_or_a_case(words: tuple[str, ...]) -> None:
    """One of both is asked about, and nothing tells when accounts would have been frozen but --height."""
    ended = CliRunner().invoke(audit, ["simulate", *words])
    assert ended.exit_code == 2
    assert "--account" in ended.stderr
