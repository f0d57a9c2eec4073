"""``sunlit audit cases`` and ``respond``: what officers do about alerts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from wallet.console import ErrorReportingGroup, Session, run_async, session_options

STATES: Final = (
    "open", "in_review", "measure_proposed", "measure_applied", "closed", "dismissed",
)  # fmt: skip
_OUTPUT: Final = click.Path(dir_okay=False, path_type=Path)
_as_officer: Final = click.option(
    "--as", "reader", metavar="NAME", help="Regulator's officer key; else the first."
)


@click.group(cls=ErrorReportingGroup)
def cases() -> None:
    """Cases: what officers do about alerts.

    \b
    Example:
      sunlit audit cases list --state in_review
    """  # noqa: D301 - click's \b keeps lines


@cases.command("list")
@click.option("--state", type=click.Choice(STATES), help="State.")
@click.option("--account", metavar="ID-OR-NAME", help="Account of one of its alerts.")
@click.option("--alert", metavar="ID", help="Alert that belongs to it.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True,
              help="Most cases to show.")  # fmt: skip
@_as_officer
@session_options
def list_them(session: Session, /, **asked: Any) -> None:
    """List cases, the newest first.

    \b
    Example:
      sunlit audit cases list --state measure_proposed --json
    """  # noqa: D301 - click's \b keeps lines
    from auditor.casework import list_cases  # noqa: PLC0415 - imports aiohttp and cryptography

    run_async(list_cases(session, **asked))


@cases.command()
@click.argument("case")
@_as_officer
@session_options
def show(session: Session, /, **asked: Any) -> None:
    """Show a case with its measures on the chain and their effect.

    \b
    Example:
      sunlit audit cases show case-0123456789abcdef
    """  # noqa: D301 - click's \b keeps lines
    from auditor.casework import show_case  # noqa: PLC0415 - imports aiohttp and cryptography

    run_async(show_case(session, **asked))


@cases.command("open")
@click.argument("alerts", metavar="ALERT...", nargs=-1, required=True)
@click.option("--title", help="What it is about; else the first alert's typology and account.")
@_as_officer
@session_options
def open_one(session: Session, /, **asked: Any) -> None:
    """Open a case from alerts; where a case has them all, show that.

    \b
    Example:
      sunlit audit cases open 3f9a… 77c0… --title "two shops, one owner"
    """  # noqa: D301 - click's \b keeps lines
    from auditor.casework import open_case  # noqa: PLC0415 - imports aiohttp and cryptography

    run_async(open_case(session, **asked))


@cases.command()
@click.argument("case")
@click.argument("text")
@_as_officer
@session_options
def note(session: Session, /, **asked: Any) -> None:
    """Add a note to a case; nobody can change or remove it.

    \b
    Example:
      sunlit audit cases note case-0123456789abcdef "bank1 sent the contracts"
    """  # noqa: D301 - click's \b keeps lines
    from auditor.casework import add_note  # noqa: PLC0415 - imports aiohttp and cryptography

    run_async(add_note(session, **asked))


@cases.command()
@click.argument("case")
@click.argument("state", type=click.Choice(STATES))
@click.option("--officer", metavar="NAME", help="Officer's key of this home whose it is now.")
@_as_officer
@session_options
def state(session: Session, /, **asked: Any) -> None:
    """Move a case to another state, or hand it to another officer.

    That a measure is applied only the chain says.

    \b
    Example:
      sunlit audit cases state case-0123456789abcdef in_review --officer regulator-checker
    """  # noqa: D301 - click's \b keeps lines
    from auditor.casework import move_case  # noqa: PLC0415 - imports aiohttp and cryptography

    run_async(move_case(session, **asked))


@cases.command()
@click.argument("case")
@click.option("-o", "--output", type=_OUTPUT, required=True, help="ZIP file to write.")
@_as_officer
@session_options
def export(session: Session, /, **asked: Any) -> None:
    """Write a case and the evidence of all its transactions to one file.

    Unpacked, each evidence/TXID.json is checked offline by `sunlit audit verify`.

    \b
    Example:
      sunlit audit cases export case-0123456789abcdef -o case.zip
    """  # noqa: D301 - click's \b keeps lines
    from auditor.casework import export_case  # noqa: PLC0415 - imports aiohttp and cryptography

    run_async(export_case(session, **asked))


@click.command()
@click.argument("alert")
@click.option("-o", "--output", type=_OUTPUT, required=True, help="File to write.")
@_as_officer
@session_options
def respond(session: Session, /, **asked: Any) -> None:
    """Answer an alert: a case, and a drafted proposal to freeze its account.

    Nobody has signed the draft; two officers do, with `sunlit govern sign` and `cosign`. Asking again
    gives the same draft.

    \b
    Example:
      sunlit audit respond 3f9a… -o freeze.json
    """  # noqa: D301 - click's \b keeps lines
    from auditor import casework  # noqa: PLC0415 - imports aiohttp and cryptography

    run_async(casework.respond(session, **asked))
