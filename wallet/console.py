"""What every client command shares: its options, its output, its errors, its passphrase.

Data goes to stdout, all else to stderr. A fault is one line, ``error[code]: message``, and exit
status 1; wrong usage is click's, with status 2. Nothing heavy is imported before a command runs.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import json
import os
import sys
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, TypeVar

import click

from ledger.errors import LedgerError
from wallet.errors import KeystoreError, WalletError
from wallet.secrecy import PASSPHRASE_VARIABLE, environment_passphrase

if TYPE_CHECKING:
    from wallet.keystore import Keystore
    from wallet.profile import Profile

P = ParamSpec("P")
R = TypeVar("R")

PASSPHRASE_FILE_BYTES_MAX: Final = 4_096
_HOME_PASSPHRASE: Final = "passphrase"  # noqa: S105 - the name of a file


class ErrorReportingGroup(click.Group):
    """A command group that reports typed errors as one line and exit status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _reported_errors(ctx):
            return super().invoke(ctx)


class ErrorReportingCommand(click.Command):
    """A command outside of any group that reports typed errors as one line and exit status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _reported_errors(ctx):
            return super().invoke(ctx)


@contextmanager
def _reported_errors(ctx: click.Context) -> Iterator[None]:
    """End a command with one line and exit status 1 where a typed error or the disk ends it."""
    try:
        yield
    except (WalletError, LedgerError) as error:
        report_error(error.code, error.detail)
        ctx.exit(1)
    except UnicodeEncodeError as error:
        report_encode_error(error)
        ctx.exit(1)
    except OSError as error:
        report_os_error(error)
        ctx.exit(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The options that every command takes, and what they lead to."""

    home: Path
    """Where keys and the profile are."""
    as_json: bool
    """One JSON document on stdout instead of text."""
    node: str | None = None
    """URL of the node to speak to instead of the key's own."""
    passphrase_file: Path | None = None
    """File with the passphrase."""

    def keystore(self) -> Keystore:
        """Return the home's keystore; it asks for the passphrase when it needs it."""
        from wallet.keystore import Keystore  # noqa: PLC0415 - imports cryptography

        store = Keystore(self.home, passphrase=lambda: self._passphrase(is_new=not store.exists))
        return store

    def profile(self) -> Profile:
        """Return the home's network profile."""
        from wallet.profile import load_profile  # noqa: PLC0415 - imports pydantic

        return load_profile(self.home)

    def show(self, document: Mapping[str, Any], lines: Iterable[str]) -> None:
        """Print the result: the document with ``--json``, else the lines."""
        if self.as_json:
            click.echo(json.dumps(document, ensure_ascii=False))
            return
        for line in lines:
            click.echo(printable(line))

    def forget_kept_passphrase(self) -> bool:
        """Remove the passphrase that the home keeps, and tell whether it kept one."""
        from wallet.files import remove_private  # noqa: PLC0415 - only when it was changed

        kept = self.home / _HOME_PASSPHRASE
        was_kept = kept.exists()
        remove_private(kept)
        return was_kept

    def _passphrase(self, *, is_new: bool) -> str:
        """Return the passphrase from its file, the environment, the home, or a prompt."""
        if self.passphrase_file is not None:
            return read_passphrase(self.passphrase_file)
        if (from_environment := environment_passphrase()) is not None:
            return from_environment
        kept = self.home / _HOME_PASSPHRASE
        if kept.exists():
            return _read_kept_passphrase(kept)
        if not has_terminal():
            detail = f"give --passphrase-file or {PASSPHRASE_VARIABLE}: there is nobody to ask"
            raise KeystoreError("passphrase_required", detail)
        text = "Passphrase for the new keystore" if is_new else "Passphrase"
        return prompt_passphrase(text, confirm=is_new)


def session_options(
    command: Callable[Concatenate[Session, P], R],
) -> Callable[..., R]:
    """Give a command the options of a `Session` as its first argument."""

    @click.option("--node", metavar="URL", help="Node to speak to instead of the key's own.")
    @click.option(
        "--passphrase-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help=f"File with the keystore's passphrase, instead of {PASSPHRASE_VARIABLE} or a prompt.",
    )
    @home_options
    @functools.wraps(command)
    def run(
        session: Session,
        /,
        node: str | None,
        passphrase_file: Path | None,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        whole = Session(
            home=session.home,
            as_json=session.as_json,
            node=node,
            passphrase_file=passphrase_file,
        )
        return command(whole, *args, **kwargs)

    return run


def home_options(command: Callable[Concatenate[Session, P], R]) -> Callable[..., R]:
    """Give a command that needs neither node nor passphrase ``--home`` and ``--json``."""

    @click.option("--home", metavar="DIR", help="Keys and profile; SUNLIT_HOME, else ~/.sunlit.")
    @click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
    @functools.wraps(command)
    def run(home: str | None, as_json: bool, *args: P.args, **kwargs: P.kwargs) -> R:
        from wallet.profile import home_directory  # noqa: PLC0415 - imports pydantic

        session = Session(home=home_directory(os.environ, home), as_json=as_json)
        return command(session, *args, **kwargs)

    return run


def run_async(main: Coroutine[Any, Any, R]) -> R:
    """Run a coroutine on a loop of its own."""
    return asyncio.run(main)


def report_error(code: str, detail: str) -> None:
    """Print an error in its one line on stderr."""
    click.echo(f"error[{code}]: {printable(detail)}", err=True)


def report_os_error(error: OSError) -> None:
    """Print what the system refuses as an error; that nobody reads stdout any more is raised on."""
    if error.errno == errno.EPIPE:
        raise error  # click ends quietly
    named = "" if error.filename is None else f"{error.filename}: "
    report_error("input_output", f"{named}{error.strerror or type(error).__name__}")


def report_encode_error(error: UnicodeEncodeError) -> None:
    """Print that text cannot be written, as an error.

    Arguments that are no UTF-8 reach a command as text that no encoding can write, and a terminal or a
    file may have an encoding without the characters of a reference.
    """
    character = error.object[error.start]
    report_error("bad_text", f"{character!a} cannot be written as {error.encoding}")


def progress(text: str) -> None:
    """Say on stderr what is going on."""
    click.echo(printable(text), err=True)


def printable(text: str) -> str:
    """Return text from elsewhere without characters that a terminal would act upon (threat 29).

    Control characters, line breaks and characters that change the direction of writing are shown
    by their code points.
    """
    return "".join(
        character if character.isprintable() else f"\\u{{{ord(character):x}}}" for character in text
    )


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Return the lines of a table with aligned columns, safe to print."""
    cells = [[printable(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def read_passphrase(path: Path) -> str:
    """Return the first line of a file that the user named, warning if others can read it."""
    from wallet.files import is_exposed  # noqa: PLC0415 - only when asked for

    if is_exposed(path):
        progress(f"warning: {path} can be read by others; chmod 600 it")
    with path.open("rb") as file:
        return _first_line(file.read(PASSPHRASE_FILE_BYTES_MAX), path)


def has_terminal() -> bool:
    """Return whether there is somebody who can be asked."""
    return sys.stdin.isatty()


def prompt_passphrase(text: str, *, confirm: bool) -> str:
    """Ask for a passphrase on the terminal, without showing it."""
    answer: str = click.prompt(text, hide_input=True, confirmation_prompt=confirm, err=True)
    return answer


def _read_kept_passphrase(path: Path) -> str:
    from wallet.files import read_private  # noqa: PLC0415 - only when there is one

    return _first_line(read_private(path, bytes_max=PASSPHRASE_FILE_BYTES_MAX), path)


def _first_line(content: bytes, path: Path) -> str:
    try:
        lines = content.decode().splitlines()
    except UnicodeDecodeError:
        raise KeystoreError("bad_passphrase", f"{path} is not UTF-8 text") from None
    if not lines or not lines[0]:
        raise KeystoreError("bad_passphrase", f"the first line of {path} is empty")
    return lines[0]
