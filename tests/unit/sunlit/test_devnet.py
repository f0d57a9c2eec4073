"""The development network, with stand-ins for its nodes: real processes that only say "ready"."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from consensus.target import bits_to_target
from ledger.genesis_document import parse_genesis
from ledger.identity import AssetCode, is_lei
from sunlit import devnet
from sunlit.cli import main
from sunlit.dev_cli import NODES_MAX
from sunlit.devnet_document import load_devnet, lock_devnet, save_devnet
from sunlit.devnet_plan import consensus_parameters, make_lei
from sunlit.errors import DevnetError
from sunlit.processes import ProcessIdentity, birth_of, spawn_detached, stop_processes
from wallet.errors import KeystoreError
from wallet.keystore import Keystore
from wallet.profile import load_profile

STAND_IN = """
import http.server, sys, tomllib
config = tomllib.load(open(sys.argv[1], "rb"))
host, _, port = config["api"]["listen"].rpartition(":")
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"head": {"height": 7}, "finalized": {"height": 6}}')
    def log_message(self, *_):
        pass
http.server.HTTPServer((host, int(port)), Answer).serve_forever()
"""

STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + STAND_IN


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the stand-in where a node would run."""
    monkeypatch.setattr(devnet, "NODE_COMMAND", (sys.executable, "-c", STAND_IN))


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """Return where a network may be made; whatever runs there is stopped after the test."""
    path = tmp_path / "dev"
    yield path
    if (path / "dev.json").exists():
        devnet.stop_devnet(path)


@pytest.fixture(autouse=True)
def reaped(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Wait for the processes that a detached network leaves to its caller."""
    left: list[subprocess.Popen[bytes]] = []

    def spawn(arguments: list[str], *, log: Path) -> subprocess.Popen[bytes]:
        left.append(spawn_detached(arguments, log=log))
        return left[-1]

    monkeypatch.setattr(devnet, "spawn_detached", spawn)
    yield
    for process in left:
        process.kill()
        process.wait()


def _dev(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["dev", *arguments])


def _up(directory: Path, *arguments: str) -> Result:
    return _dev("up", "--nodes", "2", "--detach", "--dir", str(directory), *arguments)


def test_up_prints_what_a_user_needs(directory: Path, home: Path) -> None:
    """Names, URLs, processes and accounts are as the contract says, and really there."""
    result = _up(directory, "--json")
    assert result.exit_code == 0, result.stderr
    printed = json.loads(result.stdout)
    assert list(printed) == ["dir", "home", "chain_id", "nodes", "accounts"]
    assert (printed["dir"], printed["home"]) == (str(directory), str(home))
    assert [node["name"] for node in printed["nodes"]] == ["bank1", "regulator"]
    for node in printed["nodes"]:
        assert list(node) == ["name", "member", "api", "p2p", "pid", "config"]
        assert node["api"].startswith("http://127.0.0.1:")
        assert birth_of(node["pid"]) is not None
        assert Path(node["config"]).exists()
    assert list(printed["accounts"]) == ["alice", "bob", "carol", "treasury"]
    assert all(account.startswith("sun1") for account in printed["accounts"].values())


def test_up_leaves_a_home_that_a_wallet_can_use(directory: Path, home: Path) -> None:
    """The random passphrase opens the keys, and the profile names the nodes."""
    printed = json.loads(_up(directory, "--json").stdout)
    file = home / "passphrase"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    keystore = Keystore(home, passphrase=lambda: file.read_text().strip())
    officers = {"bank1-officer", "regulator", "regulator-checker"}
    assert set(keystore.names()) == officers | {"alice", "bob", "carol", "treasury"}
    assert keystore.signing_key("regulator").sign(b"x")
    profile = load_profile(home)
    assert profile.chain_id == printed["chain_id"]
    assert [node.api for node in profile.nodes] == [node["api"] for node in printed["nodes"]]


def test_users_fall_to_bank1_in_a_small_network(directory: Path, home: Path) -> None:
    """With one bank all accounts are its own, with the balances of the contract."""
    _up(directory)
    genesis = parse_genesis((directory / "genesis.json").read_bytes())
    assert {record.member for record in genesis.accounts.values()} == {"bank1"}
    held = sorted(balance[AssetCode("CNY")] for balance in genesis.balances.values())
    assert held == [100_000_000, 100_000_000, 100_000_000, 10_000_000_000]


def test_a_chosen_passphrase_is_used_and_not_kept(
    directory: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A passphrase from the environment leaves no file behind."""
    monkeypatch.setenv("SUNLIT_PASSPHRASE", "correct horse")
    _up(directory)
    assert not (home / "passphrase").exists()
    Keystore(home, passphrase=lambda: "correct horse").signing_key("alice")
    with pytest.raises(KeystoreError, match="wrong_passphrase"):
        Keystore(home, passphrase=lambda: "battery staple").signing_key("alice")


def test_threat_60_nodes_do_not_inherit_the_passphrase(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node's environment, which its user can read for as long as it runs, holds no secret."""
    monkeypatch.setenv("SUNLIT_PASSPHRASE", "correct horse")
    log = tmp_path / "log"
    command = [sys.executable, "-c", "import os; print(sorted(os.environ))"]
    assert spawn_detached(command, log=log).wait() == 0
    assert "PATH" in log.read_text()
    assert "SUNLIT_PASSPHRASE" not in log.read_text()


def test_up_again_starts_only_what_is_down(directory: Path) -> None:
    """Ports stay; a node that still runs keeps its process."""
    before = json.loads(_up(directory, "--json").stdout)["nodes"]
    lost = ProcessIdentity(pid=before[0]["pid"], birth=birth_of(before[0]["pid"]) or "")
    os.kill(lost.pid, signal.SIGKILL)
    stop_processes([lost], grace_s=0)
    after = json.loads(_up(directory, "--json").stdout)["nodes"]
    assert [node["api"] for node in after] == [node["api"] for node in before]
    assert [node["p2p"] for node in after] == [node["p2p"] for node in before]
    assert after[0]["pid"] != before[0]["pid"]
    assert after[1]["pid"] == before[1]["pid"]


def test_up_refuses_to_be_another_network(directory: Path) -> None:
    """A network in the directory is not quietly taken for one of another size or pace."""
    _up(directory)
    for option, value in (("--nodes", "3"), ("--block-time-ms", "500")):
        result = _dev("up", "--detach", "--dir", str(directory), option, value)
        assert result.exit_code == 1
        assert result.stderr.startswith("error[devnet_differs]: ")


def test_up_leaves_a_stranger_directory_alone(directory: Path) -> None:
    """Files that are not a network's are not mixed with one."""
    directory.mkdir()
    (directory / "thesis.txt").touch()
    result = _up(directory)
    assert result.exit_code == 1
    assert "thesis.txt" in result.stderr
    assert result.stderr.startswith("error[directory_in_use]: ")

    assert [path.name for path in directory.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("step", ["plan_network", "init_network", "save_profile", "save_devnet"])
def test_up_that_fails_half_way_leaves_nothing_behind(
    directory: Path, home: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """No directory, no home: the same command works once what was wrong is right."""

    def fail(*_: object, **__: object) -> None:
        raise DevnetError("no_free_port", "the disk is full")

    with monkeypatch.context() as broken:
        broken.delenv("SUNLIT_PASSPHRASE", raising=False)
        broken.setattr(devnet, step, fail)
        result = _up(directory)
        assert result.stderr.splitlines()[-1] == "error[no_free_port]: the disk is full"
        assert not directory.exists()
        assert not home.exists()
    assert _up(directory).exit_code == 0


def test_a_home_keeps_its_network_when_another_does_not_come_to_be(
    tmp_path: Path, directory: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keys that were set aside for a network are back when it could not be made."""
    first = json.loads(_up(directory, "--json").stdout)
    before = {path.relative_to(home): path.read_bytes() for path in home.rglob("*.json")}

    def fail(*_: object, **__: object) -> None:
        raise DevnetError("no_free_port", "the disk is full")

    monkeypatch.setattr(devnet, "save_profile", fail)
    assert _up(tmp_path / "two").exit_code == 1
    assert {path.relative_to(home): path.read_bytes() for path in home.rglob("*.json")} == before
    assert load_profile(home).chain_id == first["chain_id"]
    assert not (tmp_path / "two").exists()
    assert not (home / "former").exists()


def test_down_stops_exactly_its_processes(directory: Path) -> None:
    """Nodes end, a stranger that was given a node's old process id lives on."""
    nodes = json.loads(_up(directory, "--json").stdout)["nodes"]
    document = load_devnet(directory)
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        first = document.nodes[0]
        stopped = first.process
        assert stopped is not None
        stop_processes([stopped], grace_s=5)
        reused = first.model_copy(update={"pid": stranger.pid})
        save_devnet(directory, document.with_node(reused))
        result = _dev("down", "--dir", str(directory), "--json")
        assert json.loads(result.stdout)["stopped"] == ["regulator"]
        assert birth_of(nodes[1]["pid"]) is None
        assert stranger.poll() is None
    finally:
        stranger.communicate()


def test_a_node_that_ignores_sigterm_is_killed(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopping ends, whatever a node does."""
    monkeypatch.setattr(devnet, "NODE_COMMAND", (sys.executable, "-c", STUBBORN))
    monkeypatch.setattr(devnet, "STOP_S_MAX", 0.1)
    nodes = json.loads(_up(directory, "--json").stdout)["nodes"]
    assert _dev("down", "--dir", str(directory)).exit_code == 0
    assert [birth_of(node["pid"]) for node in nodes] == [None, None]


def test_down_and_status_need_a_network(tmp_path: Path) -> None:
    """A mistyped directory is named, and not made."""
    for command in ("down", "status"):
        result = _dev(command, "--dir", str(tmp_path / "typo"))
        assert result.exit_code == 1
        assert result.stderr.startswith("error[no_devnet]: ")
        assert not (tmp_path / "typo").exists()


def test_status_tells_who_runs(directory: Path) -> None:
    """Each node is shown with its process and its own words."""
    _up(directory)
    devnet.stop_devnet(directory, only=["bank1"])
    printed = json.loads(_dev("status", "--dir", str(directory), "--json").stdout)
    bank1, regulator = printed["nodes"]
    assert (bank1["running"], bank1["ready"], bank1["pid"]) == (False, False, None)
    assert (regulator["running"], regulator["ready"]) == (True, True)
    assert regulator["status"]["head"]["height"] == 7
    assert "down" in _dev("status", "--dir", str(directory)).stdout


def test_status_shows_what_an_unready_node_says(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that runs and has no quorum still says where it stands."""
    _up(directory)
    monkeypatch.setattr(devnet, "is_ready", lambda _url: False)
    printed = json.loads(_dev("status", "--dir", str(directory), "--json").stdout)
    assert [(node["running"], node["ready"]) for node in printed["nodes"]] == [(True, False)] * 2
    assert [node["status"]["head"]["height"] for node in printed["nodes"]] == [7, 7]


def test_a_node_that_dies_is_reported_with_its_last_words(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command fails with the node's log, and stops those that it started."""
    dying = "import sys; print('first'); sys.exit('the disk is full')"
    command = f"if 'regulator' in __import__('sys').argv[1]:\n {dying}\nelse:\n exec({STAND_IN!r})"
    monkeypatch.setattr(devnet, "NODE_COMMAND", (sys.executable, "-c", command))
    result = _up(directory)
    assert result.exit_code == 1
    *shown, last = result.stderr.splitlines()
    assert last.startswith("error[node_failed]: regulator ended with status 1: the disk is full")
    assert "regulator: first" in shown
    assert [node.process for node in load_devnet(directory).nodes] == [None, None]


def test_a_home_changes_hands_without_losing_keys(tmp_path: Path, home: Path) -> None:
    """A second development network sets the first one's keys aside; they return with it."""
    one, two = tmp_path / "one", tmp_path / "two"
    try:
        first = json.loads(_up(one, "--json").stdout)
        second = json.loads(_up(two, "--json").stdout)
        assert load_profile(home).chain_id == second["chain_id"]
        assert json.loads(_up(one, "--json").stdout) == first
        assert load_profile(home).chain_id == first["chain_id"]
        alice = Keystore(home, passphrase=str).entry("alice")
        assert (
            json.loads((home / "keystore" / "alice.json").read_bytes())["account"]
            == (first["accounts"]["alice"])
        )
        assert alice.account is not None
    finally:
        for directory in (one, two):
            devnet.stop_devnet(directory)


def test_a_home_of_a_real_network_is_refused(directory: Path, home: Path) -> None:
    """Keys that may be worth something are not moved."""
    home.mkdir()
    (home / "network.json").write_text(
        json.dumps({"chain_id": "pilot", "genesis_hash": "00" * 32, "nodes": []})
    )
    result = _up(directory)
    assert result.exit_code == 1
    assert result.stderr.startswith("error[home_taken]: ")
    assert load_profile(home).chain_id == "pilot"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_up_in_the_foreground_stops_with_its_nodes(directory: Path, number: signal.Signals) -> None:
    """However a terminal ends the command, no node is left behind, and that is no failure."""
    script = (
        "import sys\nfrom sunlit import devnet\nfrom sunlit.cli import main\n"
        f"devnet.NODE_COMMAND = (sys.executable, '-c', {STAND_IN!r})\nmain()"
    )
    command = [sys.executable, "-c", script, "dev", "up", "--nodes", "2", "--json"]
    with subprocess.Popen(
        [*command, "--dir", str(directory)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as up:
        assert up.stdout is not None
        nodes = json.loads(up.stdout.readline())["nodes"]
        assert all(birth_of(node["pid"]) for node in nodes)
        up.send_signal(number)
        assert up.wait() == 0
    assert [birth_of(node["pid"]) for node in nodes] == [None, None]


def test_up_in_the_foreground_ends_when_another_command_stops_the_network(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`dev down` in another terminal ends it without an error; nodes that all die do not."""
    monkeypatch.setattr(devnet, "WATCH_S", 0.01)
    _up(directory)
    devnet.stop_devnet(directory)
    devnet.watch_nodes(directory, [], report=lambda _: None)
    _up(directory)
    for record in load_devnet(directory).nodes:
        process = record.process
        assert process is not None
        stop_processes([process], grace_s=5)
    reports: list[str] = []
    with pytest.raises(DevnetError, match="node_failed"):
        devnet.watch_nodes(directory, [], report=reports.append)
    assert reports == ["bank1 has ended", "regulator has ended"]


def test_two_commands_do_not_change_one_network(directory: Path) -> None:
    """The second is told that it comes at a bad time."""
    with lock_devnet(directory):
        result = _up(directory)
    assert result.exit_code == 1
    assert result.stderr.startswith("error[devnet_busy]: ")


def test_addresses_are_free_and_distinct() -> None:
    """Ports lie where outgoing connections do not take them."""
    addresses = devnet.free_addresses(2 * NODES_MAX)
    assert len(set(addresses)) == 2 * NODES_MAX
    assert all(int(address.rpartition(":")[2]) in devnet.PORTS for address in addresses)


def test_development_leis_have_right_check_digits() -> None:
    """Each member of a network has its own well-formed identifier."""
    leis = [make_lei(number) for number in range(1, NODES_MAX + 1)]
    assert len(set(leis)) == NODES_MAX
    assert all(is_lei(lei) for lei in leis)


@pytest.mark.parametrize(
    ("sealers", "block_time_ms", "hashes"),
    [(4, 1_000, 150_000), (4, 200, 30_000), (2, 1_000, 100_000), (7, 1_000, 250_000)],
)
def test_work_at_the_start_fits_the_block_time(
    sealers: int, block_time_ms: int, hashes: int
) -> None:
    """Blocks come at the intended pace from the first on, on a workstation of today."""
    parameters = consensus_parameters(sealers=sealers, block_time_ms=block_time_ms)
    expected = 2**256 / bits_to_target(parameters["genesis_bits"])
    assert expected == pytest.approx(hashes, rel=0.01)
    easiest = bits_to_target(parameters["easiest_bits"])
    assert 2**256 / easiest == pytest.approx(hashes / 64, rel=0.01)


def test_processes_are_told_apart_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no /proc, ps tells when a process was born."""
    monkeypatch.setattr("sunlit.processes._PROC", Path("absent"))
    own = birth_of(os.getpid())
    assert own
    assert birth_of(os.getpid()) == own
    assert birth_of(2**22 + 1) is None
