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

needs_prometheus = pytest.mark.skipif(
    not shutil.which("prometheus"), reason="Prometheus is not installed"
)
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


def write_prometheus_config(composition: Composition, directory: Path) -> Path:
    """Write what Compose mounts, with the members at their ports here and their certificates here."""
    text = (ROOT / "docker" / "prometheus.yml").read_text()
    for node in load_profile(composition.home).nodes:
        text = text.replace(f"{node.member}:8100", node.api.removeprefix("https://"))
    certificates = directory / "certificates"
    composition.compose("cp", "network:/network/certificates", str(certificates))
    config = directory / "prometheus.yml"
    config.write_text(text.replace("/etc/prometheus/certificates", str(certificates)))
    return config


@needs_prometheus
async def test_prometheus_scrapes_every_member(composition: Composition, tmp_path: Path) -> None:
    """The configuration that Compose mounts finds four members up, whose certificates hold."""
    config = write_prometheus_config(composition, tmp_path)
    assert "insecure_skip_verify" not in config.read_text()
    with running_prometheus(config) as prometheus:

        async def all_are_up() -> bool:
            targets = await asyncio.to_thread(prometheus.targets)
            return [targets[name].health for name in NAMES if name in targets] == ["up"] * 4

        async def all_have_figures() -> bool:
            found = await asyncio.to_thread(prometheus.count, 'sunlit_head_height{job="sunlit"}')
            return found == len(NAMES)

        await composition.until(all_are_up)
        await composition.until(all_have_figures)


@needs_prometheus
async def test_threat_9_prometheus_takes_no_other_members_certificate(
    composition: Composition, tmp_path: Path
) -> None:
    """A member that answers in another's place is reported down, by its certificate."""
    config = write_prometheus_config(composition, tmp_path)
    certificates = tmp_path / "certificates"
    shutil.copyfile(certificates / "bank2.crt", certificates / "bank1.crt")
    with running_prometheus(config) as prometheus:

        async def one_is_down() -> bool:
            targets = await asyncio.to_thread(prometheus.targets)
            return {name: target.health for name, target in targets.items()} == {
                **dict.fromkeys(NAMES, "up"),
                "bank1": "down",
            }

        await composition.until(one_is_down)
        assert "x509" in prometheus.targets()["bank1"].last_error


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


async def test_the_network_outlives_its_containers(composition: Composition) -> None:
    """`down` and `up` with the volumes kept: the same chain, the same money, and finality goes on."""
    receipt = composition.send("alice", "bob", "5.00", wait="final")
    height = receipt["height"]
    before = composition.posted("bob")
    kept = {name: await composition.hashes(name, height) for name in NAMES}
    identities = {name: composition.container(name)["Id"] for name in NAMES}
    genesis = load_profile(composition.home).genesis_hash

    composition.compose("down", "--timeout", "20")
    composition.compose("up", "--detach", "--wait")

    for name in NAMES:
        assert composition.container(name)["Id"] != identities[name]
        assert await composition.hashes(name, height) == kept[name]
    made_again = composition.home.parent / "made-again"
    composition.compose("cp", "network:/network/home", str(made_again))
    assert load_profile(made_again).genesis_hash == genesis
    assert composition.posted("bob") == before
    again = composition.send("bob", "alice", "5.00", wait="final")
    assert again["height"] > height
    assert composition.posted("bob") == before - 500
    await assert_one_history(composition, again["height"])

    async def everybody_votes() -> bool:
        return all([await asyncio.to_thread(composition.votes, name) for name in NAMES])

    await composition.until(everybody_votes)
