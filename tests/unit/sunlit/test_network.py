"""How a network is made: keys by each member, one genesis for all, configurations that load."""

from __future__ import annotations

import base64
import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ledger.genesis_document import parse_genesis
from node.config import load_config
from node.errors import ConfigError
from node.gossip.tls import certificate_der
from sunlit.cli import main
from sunlit.devnet_plan import plan_network
from sunlit.errors import NetworkError
from sunlit.network import Network, init_network, make_member, make_members
from sunlit.network_document import MemberEntry, MembersDocument, NetworkPlan, load_plan
from wallet.keystore import Keystore
from wallet.profile import load_profile

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[3]


def _plan(nodes: int = 3) -> NetworkPlan:
    return plan_network(
        chain_id="dev-00000000",
        p2p=[f"127.0.0.1:{7100 + n}" for n in range(nodes)],
        api=[f"127.0.0.1:{8100 + n}" for n in range(nodes)],
        block_time_ms=1_000,
    )


def _keystore(home: Path) -> Keystore:
    return Keystore(home, passphrase=lambda: "correct horse")


def _make(directory: Path, plan: NetworkPlan | None = None) -> Network:
    keystore = _keystore(directory / "home")
    members = make_members(plan or _plan(), directory=directory, keystore=keystore, now=NOW)
    return init_network(members, directory=directory, now=NOW)


def _entry(directory: Path, member: str = "bank1") -> MemberEntry:
    plan = next(entry for entry in _plan().members if entry.id == member)
    keystore = _keystore(directory / "home")
    return make_member(plan, directory=directory, keystore=keystore, now=NOW)


def _sunlit(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_every_member_gets_a_node_that_can_start(tmp_path: Path) -> None:
    """Each configuration loads, names its member, its peers and the one genesis."""
    network = _make(tmp_path)
    assert [path.parent.name for path in network.configs] == ["bank1", "bank2", "regulator"]
    genesis = parse_genesis((tmp_path / "genesis.json").read_bytes())
    assert genesis.header().hash == network.genesis.header().hash
    for path in network.configs:
        config = load_config(path)
        assert config.member == path.parent.name
        assert set(config.p2p.peers) == {"bank1", "bank2", "regulator"} - {config.member}
        assert parse_genesis(config.genesis.read_bytes()) == genesis
        assert config.data_dir.is_dir()


def test_threat_58_keys_are_their_owners_alone(tmp_path: Path) -> None:
    """Private keys are 0600 in a directory of 0700, and a node refuses them otherwise."""
    _make(tmp_path)
    keys = tmp_path / "bank1" / "keys"
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys.iterdir()} == {0o600}
    (keys / "sealing.pem").chmod(0o640)
    with pytest.raises(ConfigError, match="key_file_exposed"):
        load_config(tmp_path / "bank1" / "node.toml")


def test_the_chain_registers_what_the_keystore_signs_with(tmp_path: Path) -> None:
    """Accounts and officers of genesis are those whose keys were stored under their names."""
    genesis = _make(tmp_path).genesis
    keystore = _keystore(tmp_path / "home")
    alice = keystore.signing_key("alice").entry
    assert alice.account is not None
    assert genesis.accounts[alice.account].keys.keys == (alice.public_key,)
    assert genesis.balances[alice.account] == {"CNY": 100_000_000}
    regulator = genesis.members[keystore.entry("regulator").member]
    names = ("regulator", "regulator-checker")
    assert set(regulator.officers.keys) == {keystore.entry(name).public_key for name in names}
    assert regulator.officers.threshold == 2


def test_a_certificate_counts_for_years_and_from_yesterday(tmp_path: Path) -> None:
    """Clocks that differ by minutes do not keep two new members apart."""
    _entry(tmp_path)
    certificate = x509.load_pem_x509_certificate((tmp_path / "bank1" / "tls.crt").read_bytes())
    assert certificate.not_valid_before_utc == NOW - timedelta(days=1)
    assert certificate.not_valid_after_utc > NOW + timedelta(days=4 * 365)


def _names(directory: Path) -> tuple[list[str], list[str]]:
    """Return the host names and the addresses in bank1's certificate."""
    certificate = x509.load_pem_x509_certificate((directory / "bank1" / "tls.crt").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = names.get_values_for_type(x509.IPAddress)
    return names.get_values_for_type(x509.DNSName), [str(address) for address in addresses]


def test_a_certificate_names_where_its_node_is_met(tmp_path: Path) -> None:
    """The id, the addresses of the plan and of the machine itself, and what the operator adds."""
    changes = {
        "p2p": "Bank1.example:9100",
        "p2p_listen": "0.0.0.0:9100",
        "api_listen": "[2001:db8::7]:8100",
        "api": "https://api.bank1.example",
        "hosts": ["monitor.bank1.example", "localhost"],
    }
    plan = _plan().members[0].model_copy(update=changes)
    make_member(plan, directory=tmp_path, keystore=_keystore(tmp_path / "home"), now=NOW)
    names, addresses = _names(tmp_path)
    assert names == [
        *("bank1", "bank1.example", "api.bank1.example", "localhost", "monitor.bank1.example"),
    ]
    assert addresses == ["2001:db8::7", "127.0.0.1", "::1"]


def test_a_certificate_that_the_chain_cannot_register_is_not_made(tmp_path: Path) -> None:
    """Names beyond the register's bytes are refused before any key is."""
    hosts = [f"{n:02d}{'x' * 61}.{'y' * 63}.example" for n in range(60)]
    plan = _plan().members[0].model_copy(update={"hosts": hosts})
    with pytest.raises(NetworkError, match="too_many_hosts"):
        make_member(plan, directory=tmp_path, keystore=_keystore(tmp_path / "home"), now=NOW)
    assert list(tmp_path.iterdir()) == []


def test_every_members_certificate_is_there_for_others(tmp_path: Path) -> None:
    """Each is what the chain registers, in a file that everybody may read."""
    network = _make(tmp_path)
    for name, member in network.genesis.members.items():
        file = tmp_path / f"{name}.crt"
        assert certificate_der(file.read_bytes()) == member.certificate
        assert stat.S_IMODE(file.stat().st_mode) == 0o644


def test_keys_are_never_overwritten(tmp_path: Path) -> None:
    """A second keygen for one member is refused, and the first key stays."""
    _entry(tmp_path)
    sealing = (tmp_path / "bank1" / "keys" / "sealing.pem").read_bytes()
    with pytest.raises(NetworkError, match="member_exists"):
        _entry(tmp_path)
    assert (tmp_path / "bank1" / "keys" / "sealing.pem").read_bytes() == sealing


def test_members_agree_on_genesis_without_sharing_keys(tmp_path: Path) -> None:
    """Who gets genesis.json and the entries from another makes the same chain of them."""
    one, two = tmp_path / "one", tmp_path / "two"
    members = MembersDocument(
        chain_id="pilot", members=[_entry(one, "bank1"), _entry(two, "bank2")]
    )
    first = init_network(members, directory=one, now=NOW)
    (two / "genesis.json").write_bytes((one / "genesis.json").read_bytes())
    second = init_network(members, directory=two, now=NOW + timedelta(hours=1))
    assert first.genesis.header().hash == second.genesis.header().hash
    assert [path.parent.name for path in first.configs] == ["bank1"]
    assert [path.parent.name for path in second.configs] == ["bank2"]


def test_another_genesis_is_not_taken_for_ours(tmp_path: Path) -> None:
    """A genesis.json that does not follow from the entries is refused and kept."""
    members = MembersDocument(chain_id="pilot", members=[_entry(tmp_path)])
    init_network(members, directory=tmp_path, now=NOW)
    before = (tmp_path / "genesis.json").read_bytes()
    other = members.model_copy(update={"chain_id": "other"})
    with pytest.raises(NetworkError, match="genesis_differs"):
        init_network(other, directory=tmp_path, now=NOW)
    assert (tmp_path / "genesis.json").read_bytes() == before


def test_keys_of_another_entry_are_refused(tmp_path: Path) -> None:
    """A node is not configured with keys that the chain will not know."""
    stale = _entry(tmp_path / "elsewhere")
    _entry(tmp_path)
    members = MembersDocument(chain_id="pilot", members=[stale])
    with pytest.raises(NetworkError, match="key_mismatch"):
        init_network(members, directory=tmp_path, now=NOW)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"lei": "SUNLIT00000000000166"}, "bad_lei"),
        ({"roles": ["issuer"]}, "no_sealer"),
        ({"roles": ["banker"]}, "bad_document"),
        ({"id": "../bank1"}, "bad_member_id"),
        ({"sealing_key": "01" + "00" * 32}, "invalid_key"),
        ({"certificate": "?"}, "bad_base64"),
        ({"certificate": "AAAA"}, "bad_certificate"),
    ],
)
def test_threat_70_a_wrong_entry_makes_no_network(
    tmp_path: Path, change: dict[str, object], code: str
) -> None:
    """What the chain would refuse is refused before a file is written, paths in ids included."""
    entry = _entry(tmp_path).model_copy(update=change)
    members = MembersDocument(chain_id="pilot", members=[entry])
    with pytest.raises(NetworkError, match=code):
        init_network(members, directory=tmp_path, now=NOW)
    assert not (tmp_path / "genesis.json").exists()
    assert not list(tmp_path.glob("*.crt"))


def test_an_unknown_parameter_is_refused(tmp_path: Path) -> None:
    """A mistyped parameter does not silently leave the default."""
    members = MembersDocument(
        chain_id="pilot", members=[_entry(tmp_path)], parameters={"target_block_s": 1}
    )
    with pytest.raises(NetworkError, match="target_block_s"):
        init_network(members, directory=tmp_path, now=NOW)


def test_api_beyond_loopback_speaks_tls(tmp_path: Path) -> None:
    """A node that others can reach serves https with the member's own certificate."""
    plan = _plan()
    open_api = plan.members[0].model_copy(update={"api_listen": "0.0.0.0:8100"})
    network = _make(tmp_path, plan.model_copy(update={"members": [open_api, *plan.members[1:]]}))
    config = load_config(tmp_path / "bank1" / "node.toml")
    assert config.api.is_tls
    assert config.api_url == "https://127.0.0.1:8100"
    node = network.profile().nodes[0]
    assert node.api.startswith("https://")
    assert node.certificate == certificate_der((tmp_path / "bank1" / "tls.crt").read_bytes())


def test_the_compose_network_can_be_made(tmp_path: Path) -> None:
    """The plan that Compose uses is whole: four members, their addresses, their accounts."""
    plan = load_plan(ROOT / "docker" / "members.json")
    network = _make(tmp_path, plan)
    assert [entry.id for entry in network.members] == ["bank1", "bank2", "bank3", "regulator"]
    config = load_config(tmp_path / "bank2" / "node.toml")
    assert str(config.p2p.peers["regulator"]) == "regulator:9100"
    assert str(config.p2p.listen) == "0.0.0.0:9100"


def test_prometheus_checks_each_compose_member_by_its_certificate(tmp_path: Path) -> None:
    """Its configuration names for each member a file that is made and a name that is in it."""
    network = _make(tmp_path, load_plan(ROOT / "docker" / "members.json"))
    config = yaml.safe_load((ROOT / "docker" / "prometheus.yml").read_text())
    assert len(config["scrape_configs"]) == len(network.members)
    for job, entry in zip(config["scrape_configs"], network.members, strict=True):
        (target,) = job["static_configs"][0]["targets"]
        assert target.partition(":")[0] == entry.p2p.partition(":")[0] == entry.id
        certificate = Path(job["tls_config"].pop("ca_file"))
        assert job["tls_config"] == {"server_name": entry.id}
        names = x509.load_pem_x509_certificate((tmp_path / certificate.name).read_bytes())
        assert base64.b64decode(entry.certificate) == names.public_bytes(Encoding.DER)
        alternative = names.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert entry.id in alternative.get_values_for_type(x509.DNSName)


def test_init_from_the_command_line(tmp_path: Path, home: Path) -> None:
    """`network init --generate-keys` leaves a home beside the nodes, ready for a wallet."""
    file = ROOT / "docker" / "members.json"
    arguments = ["--generate-keys", "--members", str(file), "--dir", str(tmp_path / "net")]
    result = _sunlit("network", "init", *arguments, "--chain-id", "pilot", "--json")
    assert result.exit_code == 0, result.stderr
    printed = json.loads(result.stdout)
    profile = load_profile(tmp_path / "net" / "home")
    assert printed["chain_id"] == profile.chain_id == "pilot"
    assert printed["genesis_hash"] == profile.genesis_hash.hex()
    passphrase = tmp_path / "net" / "home" / "passphrase"
    assert stat.S_IMODE(passphrase.stat().st_mode) == 0o600
    assert not home.exists()


def test_keygen_and_init_from_the_command_line(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A member's entry goes from keygen into a members document as it was printed."""
    monkeypatch.setenv("SUNLIT_PASSPHRASE", "correct horse")
    described = ["--member", "bank1", "--legal-name", "Bank One plc", "--lei"]
    described += ["SUNLIT00000000000165", "--p2p", "bank1.example:9100", "--out", str(tmp_path)]
    made = _sunlit("network", "keygen", *described, "--json")
    assert made.exit_code == 0, made.stderr
    entry = json.loads(made.stdout)
    assert json.loads((tmp_path / "bank1" / "member.json").read_bytes()) == entry
    file = tmp_path / "members.json"
    file.write_text(json.dumps({"chain_id": "pilot", "members": [entry]}))
    result = _sunlit("network", "init", "--members", str(file), "--dir", str(tmp_path))
    assert result.exit_code == 0, result.stderr
    assert load_profile(home).chain_id == "pilot"
    assert Keystore(home, passphrase=str).names() == ["bank1-officer"]


def test_init_leaves_the_home_of_another_network(tmp_path: Path, home: Path) -> None:
    """The profile, a wallet's trust anchor, is never replaced by another network's."""
    for name in ("one", "two"):
        directory = tmp_path / name
        members = MembersDocument(chain_id=name, members=[_entry(directory)])
        (directory / "members.json").write_text(members.model_dump_json())
    results = [
        _sunlit(
            *("network", "init", "--members", str(tmp_path / name / "members.json")),
            *("--dir", str(tmp_path / name)),
        )
        for name in ("one", "two")
    ]
    assert [result.exit_code for result in results] == [0, 1]
    assert results[1].stderr.startswith("error[home_taken]: ")
    assert load_profile(home).chain_id == "one"


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        ("{", "document: "),
        ('{"chain_id": "x", "members": []}', "members: "),
        ('{"chain_id": "x", "members": [{"id": "bank1", "p2p": "nowhere"}]}', "members.0.p2p: "),
    ],
)
def test_a_malformed_document_is_named(tmp_path: Path, content: str, detail: str) -> None:
    """The refusal names the file and the field."""
    file = tmp_path / "members.json"
    file.write_text(content)
    result = _sunlit("network", "init", "--members", str(file), "--dir", str(tmp_path / "net"))
    assert result.exit_code == 1
    assert f"{file}: {detail}" in result.stderr
    assert result.stderr.startswith("error[bad_document]: ")
    assert not (tmp_path / "net").exists()


def test_a_missing_document_is_named(tmp_path: Path) -> None:
    """So is a file that is not there."""
    file = tmp_path / "absent.json"
    result = _sunlit("network", "init", "--members", str(file), "--dir", str(tmp_path))
    assert result.exit_code == 1
    assert str(file) in result.stderr


def test_keygen_refuses_a_wrong_lei(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check digits are checked where they are typed, before keys are made."""
    monkeypatch.setenv("SUNLIT_PASSPHRASE", "correct horse")
    described = ["--member", "bank1", "--legal-name", "Bank One plc", "--lei"]
    described += ["SUNLIT00000000000166", "--p2p", "bank1.example:9100", "--out", str(tmp_path)]
    result = _sunlit("network", "keygen", *described)
    assert result.exit_code == 1
    assert "lei" in result.stderr
    assert not (tmp_path / "bank1").exists()
