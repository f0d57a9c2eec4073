"""The commands about keys in a home."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ledger.addresses import encode_account_id
from tests.factories import make_account_id, make_signer
from tests.unit.wallet.conftest import seed_of
from wallet.cli import wallet

ALICE = make_signer("alice")
ACCOUNT = encode_account_id(make_account_id("alice"))


@pytest.fixture(autouse=True)
def passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the keystore's passphrase by the environment."""
    monkeypatch.setenv("SUNLIT_PASSPHRASE", "secret")


def run(*words: str, stdin: str | bytes | None = None) -> Result:
    """Run `sunlit wallet`."""
    return CliRunner().invoke(wallet, words, input=stdin)


@pytest.fixture
def own_passphrase(tmp_path: Path) -> Path:
    """Return a file with the passphrase of an exported key."""
    path = tmp_path / "export-passphrase"
    path.write_text("of the key\n")
    path.chmod(0o600)
    return path


def test_new_keys_are_listed_and_shown(home: Path) -> None:
    """A new key has a name, a role and a public key; the secret is never printed."""
    made = run("new", "maker", "--role", "officer", "--member", "bank1", "--json")
    assert made.exit_code == 0, made.stderr
    document = json.loads(made.stdout)
    assert (document["name"], document["role"], document["account"]) == ("maker", "officer", None)
    run("new", "alice", "--member", "bank2", "--node", "http://127.0.0.1:1")
    listed = json.loads(run("list", "--json").stdout)["keys"]
    assert [key["name"] for key in listed] == ["alice", "maker"]
    assert "maker  officer  bank1   -" in run("list").stdout
    shown = json.loads(run("show", "alice", "--json").stdout)
    assert (shown["node"], shown["member"]) == ("http://127.0.0.1:1", "bank2")
    assert "public_key: 01" in run("show", "alice").stdout


def test_hexadecimal_comes_from_stdin(home: Path) -> None:
    """A secret need not be an argument, where every process could read it."""
    words = ("import", "alice", "-", "--member", "bank1", "--account", ACCOUNT, "--json")
    result = run(*words, stdin=f"{seed_of(ALICE).hex()}\n")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert (document["public_key"], document["account"]) == (ALICE.public_key.hex(), ACCOUNT)


def test_an_exported_key_comes_back(home: Path, tmp_path: Path, own_passphrase: Path) -> None:
    """Export and import are inverse, and the file is private and never overwritten."""
    run("import", "alice", "-", "--member", "bank1", stdin=seed_of(ALICE).hex())
    pem = tmp_path / "alice.pem"
    words = ("-o", str(pem), "--key-passphrase-file", str(own_passphrase))
    assert run("export", "alice", *words).exit_code == 0
    assert stat.S_IMODE(pem.stat().st_mode) == 0o600
    assert "error[file_exists]: " in run("export", "alice", *words).stderr
    again = ("import", "again", str(pem), "--member", "bank1", "--json")
    result = run(*again, "--key-passphrase-file", str(own_passphrase))
    assert json.loads(result.stdout)["public_key"] == ALICE.public_key.hex()


@pytest.mark.parametrize(
    ("content", "code"),
    [("zz", "bad_seed"), ("00", "bad_seed"), ("-----BEGIN x-----", "bad_pem"), ("", "bad_seed")],
)
def test_what_is_no_key_is_refused_and_not_shown_threat_60(
    home: Path, content: str, code: str
) -> None:
    """A mistyped secret does not appear in the error."""
    result = run("import", "alice", "-", "--member", "bank1", stdin=content)
    assert result.exit_code == 1
    assert f"error[{code}]: " in result.stderr
    assert not content or content not in result.stderr.partition("]: ")[2].split()


def test_wrong_words_have_codes(home: Path, tmp_path: Path) -> None:
    """A member, an account or a file that is none is told by its code."""
    seed = seed_of(ALICE).hex()
    assert "error[bad_member_id]" in run("new", "a", "--member", "Bank 1").stderr
    mistyped = ACCOUNT[:-1] + ("q" if ACCOUNT[-1] != "q" else "p")
    words = ("import", "a", "-", "--member", "bank1", "--account", mistyped)
    assert "error[address_checksum]" in run(*words, stdin=seed).stderr
    missing = str(tmp_path / "none")
    assert "error[unreadable]" in run("import", "a", missing, "--member", "bank1").stderr
    officer = ("import", "a", "-", "--member", "bank1", "--role", "officer", "--account", ACCOUNT)
    assert run(*officer, stdin=seed).exit_code == 2
    assert "error[unknown_key]" in run("show", "a").stderr
    assert "error[unknown_key]" in run("passphrase").stderr


def test_the_passphrase_can_be_changed(
    home: Path, own_passphrase: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Afterwards the new one opens the keystore and the old one does not."""
    run("new", "maker", "--role", "officer", "--member", "bank1")
    result = run("passphrase", "--new-passphrase-file", str(own_passphrase))
    assert result.exit_code == 0, result.stderr
    words = ("new", "checker", "--role", "officer", "--member", "bank1")
    assert "error[wrong_passphrase]" in run(*words).stderr
    monkeypatch.setenv("SUNLIT_PASSPHRASE", "of the key")
    assert run(*words).exit_code == 0


def test_a_kept_passphrase_goes_with_the_change(
    home: Path, own_passphrase: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The home would go on giving the old one, and every command would refuse it unexplained."""
    run("new", "maker", "--role", "officer", "--member", "bank1")
    kept = home / "passphrase"
    kept.write_text("secret\n")
    kept.chmod(0o600)
    monkeypatch.delenv("SUNLIT_PASSPHRASE")
    result = run("passphrase", "--new-passphrase-file", str(own_passphrase), "--json")
    assert json.loads(result.stdout) == {"changed": True}
    assert "give the new one from now on" in result.stderr
    assert not kept.exists()
    words = ("new", "checker", "--role", "officer", "--member", "bank1")
    assert "error[passphrase_required]" in run(*words).stderr
    assert run(*words, "--passphrase-file", str(own_passphrase)).exit_code == 0


def test_export_without_a_terminal_asks_for_a_file(home: Path, tmp_path: Path) -> None:
    """Nothing is exported in clear because nobody was there to answer."""
    run("new", "alice", "--member", "bank1")
    result = run("export", "alice", "-o", str(tmp_path / "alice.pem"))
    assert "error[passphrase_required]" in result.stderr
    assert not (tmp_path / "alice.pem").exists()
