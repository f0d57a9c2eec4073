"""A node's configuration: what is accepted, and which refusal names what."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.config import Address, load_config, parse_address
from node.errors import ConfigError

CONFIG = """
member = "bank1"
genesis = "../genesis.json"
data_dir = "data"
sealing_key = "keys/sealing.pem"
tls_key = "keys/tls.pem"
tls_certificate = "tls.crt"

[p2p]
listen = "127.0.0.1:7101"
[p2p.peers]
bank2 = "127.0.0.1:7102"

[api]
listen = "127.0.0.1:8101"
"""


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    """Return a whole configuration: the TOML file and every file that it names."""
    keys = tmp_path / "bank1" / "keys"
    keys.mkdir(parents=True)
    (tmp_path / "genesis.json").touch()
    (tmp_path / "bank1" / "tls.crt").touch()
    for name in ("sealing.pem", "tls.pem"):
        (keys / name).touch(mode=0o600)
    path = tmp_path / "bank1" / "node.toml"
    path.write_text(CONFIG)
    return path


def _refusal(path: Path) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(path) in caught.value.detail
    return caught.value


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_paths_are_relative_to_the_file(config_file: Path) -> None:
    """A node's directory may be moved as a whole, and started from anywhere."""
    config = load_config(config_file)
    assert config.sealing_key == config_file.parent / "keys" / "sealing.pem"
    assert config.genesis.samefile(config_file.parents[1] / "genesis.json")


def test_defaults_are_those_of_a_small_node(config_file: Path) -> None:
    """What an operator leaves out is decided, and decided modestly."""
    config = load_config(config_file)
    assert config.mining.enabled
    assert config.mining.duty == 0.1
    assert config.verification.processes == 1
    assert config.storage.cache_mib == 16
    assert config.log.format == "auto"
    assert config.p2p.peers == {"bank2": Address("127.0.0.1", 7102)}
    assert config.api_url == "http://127.0.0.1:8101"


@pytest.mark.parametrize("key", ["sealing", "tls"])
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610])
def test_threat_58_exposed_key_file_is_refused(config_file: Path, key: str, mode: int) -> None:
    """A private key that others can read or replace keeps the node from starting."""
    file = config_file.parent / "keys" / f"{key}.pem"
    file.chmod(mode)
    error = _refusal(config_file)
    assert error.code == "key_file_exposed"
    assert error.fields["file"] == file
    assert f"{mode:04o}" in error.detail
    assert "0600" in error.detail


def test_threat_58_api_key_file_is_checked_too(config_file: Path) -> None:
    """The API's private key is as private as the others."""
    exposed = config_file.parent / "keys" / "api.pem"
    exposed.touch()
    exposed.chmod(0o644)
    with config_file.open("a") as file:
        file.write('tls_certificate = "tls.crt"\ntls_key = "keys/api.pem"\n')
    assert _refusal(config_file).fields["key"] == "api.tls_key"


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('member = "bank1"', 'member = "Bank 1"', "member"),
        ('member = "bank1"', 'member = "bank2"', "the document"),
        ('member = "bank1"\n', "", "member"),
        ('listen = "127.0.0.1:7101"', 'listen = "127.0.0.1"', "p2p.listen"),
        ('listen = "127.0.0.1:7101"', 'listen = "127.0.0.1:65536"', "p2p.listen"),
        ('bank2 = "127.0.0.1:7102"', "bank2 = 7102", "p2p.peers.bank2"),
        ('listen = "127.0.0.1:8101"', 'listen = "0.0.0.0:8101"', "api"),
        ("[api]", '[api]\ntls_key = "keys/tls.pem"', "api"),
        ("[api]", "[mining]\nduty = 0.0\n[api]", "mining.duty"),
        ("[api]", '[mining]\nenabled = "yes"\n[api]', "mining.enabled"),
        ("[api]", "[verification]\nprocesses = 0\n[api]", "verification.processes"),
        ("[api]", "[storage]\ncache_mb = 16\n[api]", "storage.cache_mb"),
        ("[api]", '[log]\nformat = "xml"\n[api]', "log.format"),
    ],
)
def test_a_wrong_value_is_named(config_file: Path, old: str, new: str, key: str) -> None:
    """The refusal names the key, whatever is wrong with it."""
    _edit(config_file, old, new)
    error = _refusal(config_file)
    assert error.code == "config_invalid"
    assert error.fields["key"] == key


def test_plain_http_beyond_loopback_must_be_asked_for(config_file: Path) -> None:
    """Behind a TLS proxy an operator says so; nobody serves balances in clear by accident."""
    _edit(config_file, 'listen = "127.0.0.1:8101"', 'listen = "0.0.0.0:8101"')
    with config_file.open("a") as file:
        file.write("allow_plain_http = true\n")
    assert load_config(config_file).api_url == "http://127.0.0.1:8101"


def test_tls_makes_the_api_https(config_file: Path) -> None:
    """With a certificate the API may listen anywhere."""
    _edit(config_file, 'listen = "127.0.0.1:8101"', 'listen = "0.0.0.0:8101"')
    with config_file.open("a") as file:
        file.write('tls_certificate = "tls.crt"\ntls_key = "keys/tls.pem"\n')
    assert load_config(config_file).api_url == "https://127.0.0.1:8101"


def test_a_missing_file_is_named(config_file: Path) -> None:
    """A file that the configuration names is looked for before anything starts."""
    (config_file.parents[1] / "genesis.json").unlink()
    error = _refusal(config_file)
    assert (error.code, error.fields["key"]) == ("file_missing", "genesis")


def test_an_unreadable_configuration_is_named(tmp_path: Path) -> None:
    """So is the configuration itself."""
    assert _refusal(tmp_path / "node.toml").code == "config_unreadable"


@pytest.mark.parametrize("content", [b"member = ", b"\xff"])
def test_what_is_not_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    """A syntax error is the operator's to mend, with its place."""
    path = tmp_path / "node.toml"
    path.write_bytes(content)
    assert _refusal(path).code == "config_syntax"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("localhost:0", Address("localhost", 0)),
        ("[::1]:65535", Address("::1", 65_535)),
        ("bank1.example:9100", Address("bank1.example", 9_100)),
    ],
)
def test_addresses_read_as_they_print(text: str, address: Address) -> None:
    """An address is written as in a URL."""
    assert parse_address(text) == address
    assert str(address) == text


@pytest.mark.parametrize("text", ["", ":1", "::1:7101", "host:", "host:-1", "host:٣", "host:99999"])
def test_what_names_no_address_is_refused(text: str) -> None:
    """Neither a bare IPv6 address nor a port in other digits is guessed at."""
    with pytest.raises(ValueError, match="HOST:PORT"):
        parse_address(text)


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [
        *((host, True) for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost")),
        *((host, False) for host in ("0.0.0.0", "::", "10.0.0.1", "bank1")),
    ],
)
def test_loopback_is_told_from_the_rest(host: str, is_loopback: bool) -> None:
    """Only addresses of this machine alone count as loopback."""
    assert Address(host, 1).is_loopback is is_loopback
