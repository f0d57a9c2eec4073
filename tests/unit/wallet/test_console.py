"""What all client commands share."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from auditor.cli import audit
from ledger.errors import DecodeError
from wallet.cli import wallet
from wallet.console import (
    ErrorReportingGroup,
    Session,
    printable,
    read_passphrase,
    session_options,
    table,
)
from wallet.errors import KeystoreError

HEAVY = {"aiohttp", "cryptography", "jwt", "msgpack", "pydantic"}


def commands() -> list[tuple[str, click.Command]]:
    """Return every command of the clients with its name, those within groups too."""
    return [found for group in (wallet, audit) for found in below(group, str(group.name))]


def below(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    """Yield every command below a group with its whole name."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from below(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


@pytest.mark.parametrize(("name", "command"), commands(), ids=str)
def test_every_command_has_help_with_an_example_and_json(name: str, command: click.Command) -> None:
    """A command without an example, an explained option or --json is not finished."""
    result = CliRunner().invoke(command, ["--help"])
    assert result.exit_code == 0
    assert f"sunlit {name}" in result.stdout or "curl" in result.stdout
    assert "--json" in result.stdout
    assert "--home" in result.stdout
    unexplained = [
        option.name
        for option in command.params
        if isinstance(option, click.Option) and not option.help
    ]
    assert unexplained == []


def test_commands_of_the_contract_are_there() -> None:
    """The names are those that users are promised."""
    assert {
        "new", "import", "export", "list", "show", "open-account", "balance", "send", "batch",
        "issue", "redeem", "history", "proof", "token",
    } <= set(wallet.commands)  # fmt: skip
    assert {"stream", "verify"} <= set(audit.commands)


def test_nothing_heavy_is_imported_before_a_command_runs() -> None:
    """`sunlit --help` is quick because the groups import click and little else."""
    code = "import sys, wallet.cli, auditor.cli; print(*sys.modules)"
    listed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert HEAVY.isdisjoint(listed.split())


def test_text_from_elsewhere_cannot_drive_the_terminal_threat_29() -> None:
    """Escapes, line breaks and direction marks are shown, not obeyed; letters of all kinds stay."""
    assert printable("a\x1b[2Jb\n\u202e") == r"a\u{1b}[2Jb\u{a}\u{202e}"
    assert printable("grüße 支付 ✓") == "grüße 支付 ✓"
    assert table(("A", "B"), [("x\r", "y")]) == ["A       B", r"x\u{d}  y"]


@pytest.mark.parametrize(
    "fault", [KeystoreError("some_code", "two\nlines"), DecodeError("some_code", "two\nlines")]
)
def test_faults_are_one_line_and_status_one(fault: Exception) -> None:
    """Whatever kind of typed error it is, a shell sees its code and one line."""

    @click.group(cls=ErrorReportingGroup)
    def group() -> None:
        pass

    @group.command()
    def fail() -> None:
        raise fault

    result = CliRunner().invoke(group, ["fail"])
    assert result.exit_code == 1
    assert result.stderr == "error[some_code]: two\\u{a}lines\n"
    assert result.stdout == ""


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    """A fault of the file system is told like any other."""
    result = CliRunner().invoke(audit, ["verify", str(tmp_path), "--json"])
    assert result.exit_code == 2  # a directory is wrong usage

    @click.group(cls=ErrorReportingGroup)
    def group() -> None:
        pass

    @group.command()
    def fail() -> None:
        (tmp_path / "none").read_bytes()

    told = CliRunner().invoke(group, ["fail"]).stderr
    assert told.startswith("error[input_output]: ")
    assert "none" in told


@click.command()
@session_options
def ask(session: Session, /) -> None:
    """Show which passphrase a command would use."""
    store = session.keystore()
    click.echo(store._ask_passphrase())


def test_the_nearest_passphrase_wins(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A named file beats the environment, which beats the home's own file."""
    home.mkdir()
    (home / "passphrase").write_text("of the home\n")
    (home / "passphrase").chmod(0o600)
    assert CliRunner().invoke(ask).stdout == "of the home\n"
    monkeypatch.setenv("SUNLIT_PASSPHRASE", "of the environment")
    assert CliRunner().invoke(ask).stdout == "of the environment\n"
    named = tmp_path / "named"
    named.write_text("of the file\nsecond line\n")
    named.chmod(0o644)
    result = CliRunner().invoke(ask, ["--passphrase-file", str(named)])
    assert result.stdout == "of the file\n"
    assert "warning" in result.stderr


def test_an_exposed_passphrase_of_the_home_is_refused_threat_58(home: Path) -> None:
    """The file that this program wrote 0600 must still be so."""
    home.mkdir()
    (home / "passphrase").write_text("x\n")
    (home / "passphrase").chmod(0o644)
    result = CliRunner().invoke(ask)
    assert isinstance(result.exception, KeystoreError)
    assert result.exception.code == "file_exposed"


def test_nobody_to_ask_is_a_typed_error() -> None:
    """Without a terminal no prompt is shown, and nothing hangs."""
    result = CliRunner().invoke(ask)
    assert isinstance(result.exception, KeystoreError)
    assert result.exception.code == "passphrase_required"


def test_unusable_passphrase_files_are_refused(tmp_path: Path) -> None:
    """An empty first line or bytes that are no text make no passphrase."""
    path = tmp_path / "passphrase"
    for content in (b"", b"\n", b"\xff\n"):
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(KeystoreError, match="bad_passphrase"):
            read_passphrase(path)


def test_json_is_one_document(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """With --json stdout holds one line of JSON, without it the text."""
    Session(home=tmp_path, as_json=True).show({"a": "é"}, ["text"])
    assert json.loads(capsys.readouterr().out) == {"a": "é"}
    Session(home=tmp_path, as_json=False).show({"a": 1}, ["te\x1bxt"])
    assert capsys.readouterr().out == "te\\u{1b}xt\n"


def test_text_that_cannot_be_written_is_told() -> None:
    """A reference of bytes that are no UTF-8 is one line and status 1, not a trace of the program."""
    group = ErrorReportingGroup()

    @group.command()
    @click.argument("reference")
    def send(reference: str) -> None:
        reference.encode()

    result = CliRunner().invoke(group, ["send", b"invoice \xff".decode(errors="surrogateescape")])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "error[bad_text]: '\\udcff' cannot be written as utf-8\n"
