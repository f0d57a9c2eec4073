"""A market as a chain: written by its generator, started by `sunlit dev up`, judged over the API."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.genesis_document import parse_genesis
from scripts import market
from scripts.markets.asking import judge_node
from scripts.markets.judge import judge
from scripts.markets.labels import LabelsDocument, load_labels
from scripts.markets.plan import plan_market
from tests.functional.devnet import Devnet, running_devnet

pytestmark = pytest.mark.slow

DAYS, ACCOUNTS, SEED, RATE = 24, 80, 903, 0.02
"""A market of everything but sleepers, who need longer; no parameter was chosen on its seed."""
PRECISION_MIN = 0.8


def write(net: Path, home: Path, *words: str) -> int:
    """Run the generator and return its exit status."""
    return market.main(
        [
            *("--days", str(DAYS), "--accounts", str(ACCOUNTS), "--seed", str(SEED)),
            *("--rate", str(RATE), "--out", str(net), "--home", str(home), *words),
        ]
    )


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    """A network whose chain holds the market, started."""
    directory = tmp_path_factory.mktemp("market")
    assert write(directory / "network", directory / "home") == 0
    with running_devnet(directory) as net:
        yield net


@pytest.fixture(scope="module")
def labels(net: Devnet) -> LabelsDocument:
    """What was planted."""
    return load_labels(net.directory)


def test_every_node_goes_on_from_the_market(net: Devnet, labels: LabelsDocument) -> None:
    """Finality is live past the market's last block, and a payment becomes final."""
    paid = net.sunlit(
        *("wallet", "send", "--from", "alice", "--to", "bob", "12.50", "CNY", "--wait", "final")
    )
    assert paid.status == 0, paid.stderr
    nodes = net.sunlit("dev", "status", "--dir", str(net.directory), "--json").document["nodes"]
    assert len(nodes) == 4
    for node in nodes:
        assert node["status"]["finalized"]["height"] > labels.height
        assert node["status"]["finality"] == "live"


def test_a_node_says_what_detection_in_memory_says(net: Devnet, labels: LabelsDocument) -> None:
    """Over the API every planted pattern is found, eight alerts in ten are right, all as in memory."""
    verdict = judge_node(net.directory, node=None, report=lambda _: None)
    figures = market.summary([verdict])
    assert verdict.missed == ()
    assert {row["typology"] for row in figures["typologies"]} == {
        one.typology for one in labels.patterns
    }
    assert figures["precision"] >= PRECISION_MIN
    plan = plan_market(days=DAYS, accounts=ACCOUNTS, seed=SEED, rate=RATE)
    assert figures == market.summary([judge(plan)])


def test_the_warehouse_is_the_written_chain(net: Devnet, labels: LabelsDocument) -> None:
    """Replayed block by block the chain holds every payment, and the warehouse the same."""
    ended = net.sunlit("analytics", "verify-warehouse", "--as", "regulator", "--json")
    assert ended.status == 0, ended.stderr + ended.stdout
    result: dict[str, Any] = ended.document
    assert result["equal"] is True
    assert result["transactions"] >= labels.payments
    assert result["blocks"] > labels.height


def test_nothing_that_a_node_reads_tells_of_the_labels(net: Devnet, labels: LabelsDocument) -> None:
    """No file of a member's directory but the chain and its copies holds a planted txid."""
    planted = [one.transactions[0].encode() for one in labels.patterns]
    for node in net.description["nodes"]:
        for path in Path(node["config"]).parent.iterdir():
            if path.is_file() and path.name != "node.log":
                content = path.read_bytes()
                assert not any(txid in content for txid in planted), path


def test_a_seed_gives_the_same_accounts_and_times(net: Devnet, labels: LabelsDocument) -> None:
    """Accounts, what they hold and when it begins follow from the seed; the members' keys are new."""
    genesis = parse_genesis((net.directory / "genesis.json").read_bytes())
    other = net.directory.parent / "other"
    assert write(other / "network", other / "home", "--days", "10") == 0
    again = parse_genesis((other / "network" / "genesis.json").read_bytes())
    assert again.time_ms == genesis.time_ms
    assert labels.accounts == load_labels(other / "network").accounts
    assert again.header().hash != genesis.header().hash
    shutil.rmtree(other)


def test_a_market_is_never_written_over_a_network(
    net: Devnet, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is there stays, and the error says why."""
    before = (net.directory / "dev.json").read_bytes()
    assert write(net.directory, net.home) == 1
    assert "error[directory_in_use]" in capsys.readouterr().err
    assert (net.directory / "dev.json").read_bytes() == before
    assert json.loads(before)["format"] == "sunlit-devnet/1"
