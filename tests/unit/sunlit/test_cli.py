"""The `sunlit` command as a whole: what it imports, what it prints, how it ends."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import node.probe
from ledger.hashing import BlockHash
from ledger.identity import MemberId
from node.probe import NodeUnreachable
from sunlit.cli import GROUPS, main
from wallet.profile import Profile, ProfileNode, save_profile

HEAVY = ("aiohttp", "cryptography", "msgpack", "msgspec", "pydantic", "rocksdict", "uvloop")


def _imported(*arguments: str) -> set[str]:
    """Return the modules that are loaded once the command has printed its help."""
    script = (
        "import sys\nfrom sunlit.cli import main\n"
        "main(sys.argv[1:], standalone_mode=False)\nprint(*sys.modules, file=sys.stderr)"
    )
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize("group", [(), ("node",), ("network",), ("dev",), ("dev", "up")])
def test_help_imports_nothing_heavy(group: tuple[str, ...]) -> None:
    """Help answers at once, because the libraries that do the work are not loaded for it."""
    assert not _imported(*group, "--help").intersection(HEAVY)


def test_help_lists_every_group_in_order() -> None:
    """The list comes from the table, which names each group's module."""
    result = CliRunner().invoke(main, ["--help"])
    lines = result.stdout.split("Commands:\n")[1].splitlines()
    assert [line.split()[0] for line in lines] == list(GROUPS)


def commands(group: click.Group, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command below a group with the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        else:
            yield (*path, name), command


COMMANDS = dict(commands(main))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_takes_json(words: tuple[str, ...]) -> None:
    """A program can read what any command says."""
    flags = {flag for option in COMMANDS[words].params for flag in option.opts}
    assert "--json" in flags


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_tells_wrong_usage_apart(words: tuple[str, ...]) -> None:
    """Status 2, nothing on stdout, and a way to help; nothing was begun."""
    takes_any_number = any(parameter.nargs < 0 for parameter in COMMANDS[words].params)
    for wrong in (["--no-such-option"], *([] if takes_any_number else [["surplus"] * 9])):
        result = CliRunner().invoke(main, [*words, *wrong])
        assert (result.exit_code, result.stdout) == (2, "")
        assert f"sunlit {' '.join(words)} --help" in result.stderr


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_misses_what_it_needs(words: tuple[str, ...]) -> None:
    """Without a word that it needs a command ends with 2 and names the word."""
    needed = [option for option in COMMANDS[words].params if option.required]
    if not needed:
        return
    result = CliRunner().invoke(main, list(words))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Missing" in result.stderr


@pytest.mark.parametrize("name", GROUPS)
def test_every_command_has_an_example(name: str) -> None:
    """Help of a command shows how it is used, and none of the marks that lay it out."""
    group = main.get_command(click.Context(main), name)
    shown = CliRunner().invoke(main, [name, "--help"]).stdout
    assert f"sunlit {name}" in shown.partition("Ex")[2]
    assert "\\b" not in shown
    for command in group.commands if isinstance(group, click.Group) else ():
        shown = CliRunner().invoke(main, [name, command, "--help"]).stdout
        example = shown.partition("Example")[2]  # or Examples
        assert f"sunlit {name} {command}" in " ".join(example.split())
        assert "\\b" not in shown


def test_version_is_the_installed_one() -> None:
    """There is one place for the version."""
    result = CliRunner().invoke(main, ["--version"])
    assert result.stdout == f"sunlit {version('sunlit')}\n"


def test_module_and_script_are_one_command() -> None:
    """`python -m sunlit` is the same program."""
    done = subprocess.run(
        [sys.executable, "-m", "sunlit", "--help"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("Usage: sunlit [OPTIONS] COMMAND")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nothing"],
        ["node", "status", "--node", "http://127.0.0.1:1", "--config", "node.toml"],
        ["dev", "up", "--nodes", "1"],
    ],
)
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    """What cannot be meant is told apart from what failed."""
    assert CliRunner().invoke(main, arguments).exit_code == 2


def test_a_wrong_configuration_ends_with_2(tmp_path: Path) -> None:
    """A node that cannot start as configured never starts, and says which file is to blame."""
    result = CliRunner().invoke(main, ["node", "run", "--config", str(tmp_path / "node.toml")])
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error[config_unreadable]: {tmp_path}")


def test_threat_29_errors_stay_on_one_line(tmp_path: Path) -> None:
    """What a message quotes cannot draw a second line or colours on the terminal."""
    name = "a\nerror[none]: all is well\x1b[2J"
    result = CliRunner().invoke(main, ["node", "run", "--config", str(tmp_path / name)])
    assert len(result.stderr.splitlines()) == 1
    assert "\x1b" not in result.stderr


def test_status_of_an_unreachable_node_is_an_error() -> None:
    """Nobody answers on a port that nobody listens on."""
    result = CliRunner().invoke(main, ["node", "status", "--node", "http://127.0.0.1:1"])
    assert result.exit_code == 1
    assert result.stderr.startswith("error[node_unreachable]: ")


def test_status_shows_what_the_node_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nested fields become lines for people, and stay as they are in JSON."""
    answer = b'{"chain_id": "pilot", "head": {"height": 7}}'
    monkeypatch.setattr(node.probe, "_get", lambda *_, **__: (200, answer))
    shown = CliRunner().invoke(main, ["node", "status", "--node", "http://127.0.0.1:1"])
    assert shown.stdout == "chain id     pilot\nhead height  7\n"


def test_status_asks_the_first_node_of_the_profile(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without a node it is the home's own; a home that knows none says what to do."""
    asked: list[str] = []

    def answer(url: str, path: str, **_: object) -> tuple[int, bytes]:
        asked.append(url + path)
        return 200, b'{"chain_id": "pilot"}'

    monkeypatch.setattr(node.probe, "_get", answer)
    arguments = ["node", "status", "--json", "--home", str(tmp_path)]
    refused = CliRunner().invoke(main, arguments)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.startswith("error[no_profile]: ")
    known = ProfileNode(name="bank1", member=MemberId("bank1"), api="http://127.0.0.1:8101")
    save_profile(
        tmp_path, Profile(chain_id="pilot", genesis_hash=BlockHash(bytes(32)), nodes=(known,))
    )
    assert CliRunner().invoke(main, arguments).stdout == '{"chain_id": "pilot"}\n'
    assert asked == ["http://127.0.0.1:8101/v1/status"]


def test_what_the_system_refuses_is_one_line(tmp_path: Path) -> None:
    """A place where nothing can be made is named, without a traceback."""
    (tmp_path / "file").touch()
    place = tmp_path / "file" / "network"
    words = ["dev", "up", "--detach", "--dir", str(place), "--home", str(tmp_path / "home")]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 1
    assert result.stderr == f"error[input_output]: {place}: Not a directory\n"
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("stop", [KeyboardInterrupt, click.Abort])
def test_an_interrupted_command_ends_with_one_line(
    monkeypatch: pytest.MonkeyPatch, stop: type[BaseException]
) -> None:
    """Ctrl-C is no traceback and no success."""

    def interrupt(_url: str, **_: object) -> None:
        raise stop

    monkeypatch.setattr(node.probe, "fetch_status", interrupt)
    result = CliRunner().invoke(main, ["node", "status", "--node", "http://127.0.0.1:1"])
    assert result.exit_code == 1
    assert result.stderr == "error[interrupted]: stopped before it was done\n"


@pytest.mark.parametrize("url", ["ftp://bank1", "bank1:8100", "http://", "http://bank1:port"])
def test_what_is_no_url_is_refused(url: str) -> None:
    """A wrong URL is told from a silent node."""
    with pytest.raises(NodeUnreachable, match="bad_url"):
        node.probe.fetch_status(url)
