"""`docker compose up` for real: payments over TLS, a crash, a partition, and one history after all."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compose.composition import (
    NAMES,
    ROOT,
    Composition,
    engine_answers,
    running_composition,
)
from tests.compose.monitoring import running_prometheus
from wallet.profile import load_profile

pytestmark = pytest.mark.compose

SIDES = (("bank1", "bank2"), ("bank3", "regulator"))
UNFINAL_BLOCKS = 3
"""Blocks that each side of a partition goes on for while nothing becomes final."""

can_cut_links = os.geteuid() == 0 and shutil.which("nsenter") and shutil.which("iptables")


@pytest.fixture(scope="module")
def composition(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composition]:
    """Return the running network; one for all tests, each of which leaves it whole."""
    if not engine_answers():
        pytest.skip("no container engine answers")
    with running_composition(tmp_path_factory.mktemp("compose")) as running:
        yield running


async def assert_one_history(composition: Composition, height: int) -> None:
    """Check that all members have the same final blocks up to a height."""
    for name in NAMES:
        await composition.until_height(name, "finalized", height)
    first, *others = [await composition.hashes(name, height) for name in NAMES]
    assert len(first) == height + 1
    assert all(other == first for other in others)


async def test_members_are_healthy_and_payments_pass_through_published_ports(
    composition: Composition,
) -> None:
    """A home copied out of its volume pays over TLS, and the payee's own bank shows the money."""
    for name in NAMES:
        container = composition.container(name)
        assert container["State"]["Health"]["Status"] == "healthy", name
        assert container["HostConfig"]["ReadonlyRootfs"]
    before = composition.posted("bob")
    receipt = composition.send("alice", "bob", "12.50", wait="final")
    assert await composition.until_final("bank2", receipt["txid"]) == receipt["height"]
    assert composition.posted("bob") == before + 1_250


@pytest.mark.skipif(not shutil.which("prometheus"), reason="Prometheus is not installed")
async def test_prometheus_scrapes_every_member(composition: Composition, tmp_path: Path) -> None:
    """The configuration that Compose mounts finds four members up, at their published ports here."""
    text = (ROOT / "docker" / "prometheus.yml").read_text()
    for node in load_profile(composition.home).nodes:
        text = text.replace(f"{node.member}:8100", node.api.removeprefix("https://"))
    config = tmp_path / "prometheus.yml"
    config.write_text(text)
    with running_prometheus(config) as ask:

        async def all_are_up() -> bool:
            return await asyncio.to_thread(ask, "count(up == 1)") == str(len(NAMES))

        await composition.until(all_are_up)


async def test_threat_51_a_killed_member_catches_up(composition: Composition) -> None:
    """Three members go on without the fourth, and it has every block soon after it is back."""
    composition.compose("kill", "--signal", "SIGKILL", "bank2")
    receipt = composition.send("alice", "carol", "3.00", wait="final")
    composition.compose("start", "bank2")
    assert await composition.until_final("bank2", receipt["txid"]) == receipt["height"]
    await assert_one_history(composition, receipt["height"])


@pytest.mark.skipif(not can_cut_links, reason="cutting links takes root, nsenter and iptables")
async def test_threat_47_no_side_of_a_partition_finalizes_and_nothing_is_lost(
    composition: Composition,
) -> None:
    """Two against two: both sides take payments, neither makes them final until they meet again."""
    accounts = ("alice", "bob", "carol")
    before = [composition.posted(account) for account in accounts]
    composition.partition(*SIDES)
    # What becomes final now was decided before the cut, so it is counted from the next block on.
    heads = {side[0]: await composition.height(side[0], "head") for side in SIDES}
    for name, head in heads.items():
        await composition.until_height(name, "head", head + 1)
    finals = {name: await composition.height(name, "finalized") for name in heads}
    receipts = [
        composition.send("alice", "bob", "1.00", wait="included"),
        composition.send("carol", "bob", "2.00", wait="included"),
    ]
    for name, head in heads.items():
        await composition.until_height(name, "head", head + 1 + UNFINAL_BLOCKS)
    assert finals == {name: await composition.height(name, "finalized") for name in heads}

    composition.heal()
    heights = [
        await composition.until_final(name, receipt["txid"])
        for receipt in receipts
        for name in NAMES
    ]
    await assert_one_history(composition, max(heights) + 1)
    after = [composition.posted(account) for account in accounts]
    assert after == [before[0] - 100, before[1] + 300, before[2] - 200]
