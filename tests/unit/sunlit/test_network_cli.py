"""`sunlit network`: what is made is made whole, and what fails leaves nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography import x509

from sunlit.cli import main
from sunlit.devnet_plan import plan_network
from wallet.profile import load_profile


def _sunlit(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def _write_plan(file: Path, **changes: Any) -> Path:
    plan = plan_network(
        chain_id="pilot",
        p2p=["127.0.0.1:7100", "127.0.0.1:7101"],
        api=["127.0.0.1:8100", "127.0.0.1:8101"],
        block_time_ms=1_000,
    )
    file.parent.mkdir(exist_ok=True)
    file.write_text(plan.model_copy(update=changes).model_dump_json())
    return file


def _generate(plan: Path, directory: Path, *more: str | Path) -> Result:
    return _sunlit(
        "network", "init", "--generate-keys", "--members", plan, "--dir", directory, *more
    )


def _everything(directory: Path) -> dict[str, bytes | None]:
    """Return every file below a directory with its content, and every directory."""
    return {
        str(path.relative_to(directory)): path.read_bytes() if path.is_file() else None
        for path in directory.rglob("*")
    }


def _keygen(out: Path, *more: str, member: str = "bank1") -> Result:
    described = ["--member", member, "--legal-name", "Bank One plc", "--lei"]
    described += ["SUNLIT00000000000165", "--p2p", f"{member}.example:9100", "--out", str(out)]
    return _sunlit("network", "keygen", *described, *more)


def _members(out: Path, *names: str) -> Path:
    entries = [json.loads((out / name / "member.json").read_bytes()) for name in names]
    file = out.parent / "members.json"
    file.write_text(json.dumps({"chain_id": "pilot", "members": entries}))
    return file


@pytest.fixture
def passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the keystore its passphrase."""
    monkeypatch.setenv("SUNLIT_PASSPHRASE", "correct horse")


def test_what_cannot_become_a_network_leaves_no_keys(tmp_path: Path) -> None:
    """A plan that is found wrong once keys were made can be corrected and run again."""
    wrong = _write_plan(tmp_path / "plan" / "plan.json", parameters={"target_block_s": 1})
    directory = tmp_path / "new" / "network"
    result = _generate(wrong, directory)
    assert (result.exit_code, result.stderr.split(":")[0]) == (1, "error[bad_network]")
    assert list(tmp_path.iterdir()) == [wrong.parent]
    assert _generate(_write_plan(wrong), directory).exit_code == 0
    assert sorted(path.name for path in directory.iterdir()) == [
        *("bank1", "bank1.crt", "genesis.json", "home", "regulator", "regulator.crt"),
    ]
    assert load_profile(directory / "home").chain_id == "pilot"


@pytest.mark.parametrize("failing", [1, 12, 24, 36])
def test_a_full_disk_leaves_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """Wherever in the work the disk is full, neither the network nor its home is there after."""
    plan = _write_plan(tmp_path / "plan" / "plan.json")
    home = tmp_path / "keys"
    synced = 0

    def fsync(descriptor: int) -> None:
        nonlocal synced
        synced += 1
        if synced == failing:
            raise OSError(28, "No space left on device", "somewhere")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fsync)
        result = _generate(plan, tmp_path / "network", "--home", home)
    assert synced >= failing, "the disk was full after the end"
    assert result.exit_code == 1
    assert result.stderr.startswith("error[not_written]: ")
    assert "No space left on device" in result.stderr
    assert list(tmp_path.iterdir()) == [plan.parent]


def test_a_directory_in_use_is_left_as_it_is(tmp_path: Path) -> None:
    """The refusal says what is there and what to do; an empty directory will do."""
    plan = _write_plan(tmp_path / "plan" / "plan.json")
    directory = tmp_path / "network"
    directory.mkdir()
    assert _generate(plan, directory).exit_code == 0
    before = _everything(tmp_path)
    for words in ([directory], [tmp_path / "other", "--home", directory]):
        again = _generate(plan, *words)
        assert again.exit_code == 1
        assert again.stderr.startswith("error[directory_in_use]: ")
        assert "bank1; name a directory that does not exist" in again.stderr
    assert _everything(tmp_path) == before


def test_a_network_may_be_in_its_home(tmp_path: Path) -> None:
    """Whichever of the two holds the other, both come to be at once."""
    plan = _write_plan(tmp_path / "plan" / "plan.json")
    home = tmp_path / "keys"
    result = _generate(plan, home / "network", "--home", home, "--json")
    assert result.exit_code == 0, result.stderr
    assert load_profile(home).chain_id == "pilot"
    assert all(Path(config).exists() for config in json.loads(result.stdout)["configs"])


def test_a_key_that_is_missing_leaves_the_directory_as_it_was(
    tmp_path: Path, passphrase: None
) -> None:
    """With the second member's certificate gone, nothing is written for the first either."""
    out = tmp_path / "out"
    for name in ("bank1", "bank2"):
        assert _keygen(out, "--officer", f"{name}-officer", member=name).exit_code == 0
    members = _members(out, "bank1", "bank2")
    (out / "bank2" / "tls.crt").unlink()
    before = _everything(out)
    result = _sunlit("network", "init", "--members", members, "--dir", out)
    assert result.stderr.startswith("error[key_missing]: ")
    assert _everything(out) == before


def test_a_home_of_another_network_leaves_the_directory_as_it_was(
    tmp_path: Path, passphrase: None, home: Path
) -> None:
    """A home that cannot take the profile is found before the network is written."""
    out = tmp_path / "out"
    assert _keygen(out).exit_code == 0
    members = _members(out, "bank1")
    assert (
        _generate(_write_plan(tmp_path / "plan" / "plan.json"), tmp_path / "other").exit_code == 0
    )
    (home / "network.json").write_bytes((tmp_path / "other" / "home" / "network.json").read_bytes())
    before = _everything(out)
    result = _sunlit("network", "init", "--members", members, "--dir", out)
    assert result.stderr.startswith("error[home_taken]: ")
    assert _everything(out) == before


def test_a_file_that_cannot_be_written_leaves_the_others_as_they_were(
    tmp_path: Path, passphrase: None
) -> None:
    """What is in the way is named; once it is gone the same command finishes."""
    out = tmp_path / "out"
    assert _keygen(out).exit_code == 0
    members = _members(out, "bank1")
    (out / "bank1.crt").mkdir()
    before = _everything(out)
    result = _sunlit("network", "init", "--members", members, "--dir", out)
    assert result.stderr.startswith("error[not_written]: ")
    assert str(out / "bank1.crt") in result.stderr
    assert _everything(out) == before
    (out / "bank1.crt").rmdir()
    assert _sunlit("network", "init", "--members", members, "--dir", out).exit_code == 0


def test_keygen_takes_hosts(tmp_path: Path, passphrase: None) -> None:
    """Names and addresses given are in the certificate, which is as before in the public entry."""
    result = _keygen(tmp_path, "--host", "Node.Bank1.example", "--host", "192.0.2.7", "--json")
    assert result.exit_code == 0, result.stderr
    certificate = x509.load_pem_x509_certificate((tmp_path / "bank1" / "tls.crt").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [
        *("bank1", "bank1.example", "localhost", "node.bank1.example"),
    ]
    addresses = names.get_values_for_type(x509.IPAddress)
    assert [str(address) for address in addresses] == ["127.0.0.1", "::1", "192.0.2.7"]
    assert "hosts" not in json.loads(result.stdout)


@pytest.mark.parametrize("host", ["bank1.example:8100", "https://bank1.example", "*.example"])
def test_keygen_refuses_what_is_no_host(tmp_path: Path, passphrase: None, host: str) -> None:
    """A URL or a pattern is refused before keys are made."""
    result = _keygen(tmp_path / "out", "--host", host)
    assert result.exit_code == 1
    assert result.stderr.startswith("error[bad_document]: hosts.0: ")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", [b"\xff".decode(errors="surrogateescape"), "€" * 67])
def test_keygen_refuses_a_legal_name_that_no_chain_takes(
    tmp_path: Path, passphrase: None, name: str
) -> None:
    """Bytes that are no text, or more of it than the chain registers, before a key is made."""
    result = _keygen(tmp_path / "out", "--legal-name", name)
    assert (result.exit_code, result.stderr.split(":")[0]) == (1, "error[bad_document]")
    assert not (tmp_path / "out").exists()
