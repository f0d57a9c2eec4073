"""What a program does at its start so that nobody who looks at it sees its secrets."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import pytest

from sunlit.cli import main
from tests.barriers import HANG_S
from wallet.secrecy import PASSPHRASE_VARIABLE

SECRET = "correct-horse-battery-staple"
SECRET_WORDS = ("passphrase", "secret", "seed", "private", "key", "token", "pem", "password")
NO_SECRETS = {"analytics train --seed", "audit models train --seed"}
"""Options whose names sound like one: the seed of a model's chance stands in its card."""
DUMPING = 'ulimit -S -c "$(ulimit -H -c)"; exec "$@"'
"""Runs a program with core files as large as they may be."""

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="this is how Linux shows processes")


def run(code: str, environment: dict[str, str] | None = None) -> str:
    """Run Python in a process of its own and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | (environment or {}),
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=True,
    )
    return done.stdout


@on_linux
def test_threat_60_a_protected_process_cannot_be_dumped() -> None:
    """Neither a file nor a program that takes dumps gets one, and children inherit the limit."""
    shown = run(
        "import ctypes, resource, subprocess, sys\n"
        "from wallet.secrecy import protect_process\n"
        "protect_process()\n"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), flush=True)\n"  # PR_GET_DUMPABLE
        "code = 'import resource; print(*resource.getrlimit(resource.RLIMIT_CORE))'\n"
        "subprocess.run([sys.executable, '-c', code], check=True)\n"
    )
    assert shown.split() == ["0", "0", "0"]


@on_linux
def test_threat_60_the_passphrase_leaves_the_environment() -> None:
    """It is there for the program, and neither for its children nor in /proc/PID/environ."""
    code = (
        "import os, subprocess, sys\n"
        "from pathlib import Path\n"
        "from wallet.secrecy import environment_passphrase, protect_process\n"
        "print(SECRET in Path('/proc/self/environ').read_bytes())\n"
        "protect_process()\n"
        "print(SECRET in Path('/proc/self/environ').read_bytes())\n"
        "print(environment_passphrase().encode() == SECRET, VARIABLE in os.environ, flush=True)\n"
        "child = 'import os; print(os.environ.get(\"' + VARIABLE + '\"), \"PATH\" in os.environ)'\n"
        "subprocess.run([sys.executable, '-c', child], check=True)\n"
    )
    # Not as it stands here: the program's text is in its arguments, which are another place.
    names = f"VARIABLE = {PASSPHRASE_VARIABLE!r}\nSECRET = {SECRET[::-1]!r}[::-1].encode()\n"
    shown = run(names + code, {PASSPHRASE_VARIABLE: SECRET}).splitlines()
    assert shown == ["True", "False", "True False", "None True"]


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Return a `sunlit node run` with a passphrase it needs not, waiting for its configuration."""
    config = tmp_path / "node.toml"
    os.mkfifo(config)
    words = ("-m", "sunlit", "node", "run", "--config", str(config))
    with subprocess.Popen(
        ["sh", "-c", DUMPING, "sh", sys.executable, *words],
        env=os.environ | {PASSPHRASE_VARIABLE: SECRET},
        cwd=tmp_path,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            with config.open("wb"):  # which returns when the command has opened the other end
                yield process
        finally:
            process.kill()


@on_linux
def test_threat_60_a_command_shows_no_secret_while_it_runs(
    waiting: subprocess.Popen[bytes],
) -> None:
    """Its environment and arguments hold none, and its limit for core files is nothing."""
    proc = Path(f"/proc/{waiting.pid}")
    limits = (proc / "limits").read_text().splitlines()
    (core,) = (line.split()[4:6] for line in limits if line.startswith("Max core file size"))
    assert core == ["0", "0"]
    assert SECRET not in (proc / "cmdline").read_text()
    if os.geteuid() == 0:
        assert SECRET.encode() not in (proc / "environ").read_bytes()
    else:
        with pytest.raises(PermissionError):
            (proc / "environ").read_bytes()


def test_threat_60_a_crash_leaves_no_core_file(waiting: subprocess.Popen[bytes]) -> None:
    """A command that dies of a fault of memory is not dumped, whatever the caller's limit is."""
    waiting.send_signal(signal.SIGSEGV)
    _, status = os.waitpid(waiting.pid, 0)
    waiting.returncode = -signal.SIGSEGV  # reaped here, for the flag that Popen does not keep
    assert os.WTERMSIG(status) == signal.SIGSEGV
    assert not os.WCOREDUMP(status)


def options(command: click.Command, path: Sequence[str] = ()) -> Iterator[tuple[str, click.Option]]:
    """Yield every option of a command and its subcommands, each with the words that lead to it."""
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            yield " ".join((*path, *parameter.opts)), parameter
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from options(found, (*path, name))


def test_threat_60_no_option_takes_a_secret() -> None:
    """Arguments are shown to every user of the machine: secrets come in files, never in them."""
    suspects = [
        (name, option)
        for name, option in options(main)
        if any(word in (option.name or "") for word in SECRET_WORDS) and name not in NO_SECRETS
    ]
    assert any("--passphrase-file" in name for name, _ in suspects)
    for name, option in suspects:
        assert option.is_flag or isinstance(option.type, click.Path), name
