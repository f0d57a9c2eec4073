"""``sunlit govern``: measures from proposal to chain."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec

import click

from wallet.commands.payments import following_options
from wallet.console import ErrorReportingGroup, Session, home_options, run_async, session_options

P = ParamSpec("P")

VALID_BLOCKS: Final = 604_800
VALID_BLOCKS_MAX: Final = 1_000_000

_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
_OUTPUT: Final = click.Path(dir_okay=False, path_type=Path)


@click.group(cls=ErrorReportingGroup)
def govern() -> None:
    """A regulator's measures: proposed by one officer, checked and signed by another.

    \b
    Example:
      sunlit govern propose freeze --account bob --reason "court order" --as regulator -o bob.json
      sunlit govern cosign bob.json --as regulator-checker
      sunlit govern submit bob.json --wait final
    """  # noqa: D301 - click's \b keeps lines


@govern.command()
@click.argument("measure", type=click.Choice(["freeze", "unfreeze"]))
@click.option("--account", "accounts", metavar="ID-OR-NAME", multiple=True, required=True,
              help="Account that it is about; may be repeated.")  # fmt: skip
@click.option("--reason", required=True, help="Why, at most 280 bytes; every node can read it.")
@click.option("--case", default="", metavar="ID", help="Your own reference, at most 64 bytes.")
@click.option("--as", "officer", metavar="NAME", required=True, help="Officer who makes it.")
@click.option("--valid-blocks", type=click.IntRange(0, VALID_BLOCKS_MAX), default=VALID_BLOCKS,
              show_default=True, help="Blocks for which it can collect signatures.")  # fmt: skip
@click.option("-o", "--output", type=_OUTPUT, required=True, help="File to write.")
@session_options
def propose(session: Session, /, measure: str, **asked: Any) -> None:
    """Write a proposal to freeze or unfreeze accounts, all or none, signed by its maker.

    \b
    Example:
      sunlit govern propose freeze --account bob --reason "court order 7" --case 2026-7 \\
        --as regulator -o freeze-bob.json
    """  # noqa: D301 - click's \b keeps lines
    from auditor.governing import propose_measure  # noqa: PLC0415 - imports aiohttp, cryptography

    run_async(propose_measure(session, kind=measure, **asked))


def _signing_options(
    command: Callable[Concatenate[Session, P], None],
) -> Callable[..., None]:
    """Give a command what a signature on a proposal's file needs."""
    for option in (
        click.option("-o", "--output", type=_OUTPUT, help="New file to write, instead of FILE."),
        click.option(
            "--yes",
            "is_agreed",
            is_flag=True,
            help="Sign without being asked, as where there is no terminal.",
        ),
        click.option("--as", "officer", metavar="NAME", required=True, help="Officer who signs."),
        click.argument("file", type=_FILE),
    ):
        command = option(command)
    return session_options(command)


@govern.command()
@_signing_options
def sign(session: Session, /, **asked: Any) -> None:
    """Sign a drafted proposal as its maker.

    A draft takes the regulator's next sequence with its first signature; the node is asked for it.

    \b
    Example:
      sunlit govern sign draft.json --as regulator
    """  # noqa: D301 - click's \b keeps lines
    from auditor.governing import sign_proposal  # noqa: PLC0415 - imports aiohttp, cryptography

    run_async(sign_proposal(session, **asked))


@govern.command()
@_signing_options
def cosign(session: Session, /, **asked: Any) -> None:
    """Check a proposal and add your signature; no node is asked.

    What is shown is decoded from the bytes that are signed. A proposal is refused that was
    changed, is for another chain, or has this officer's signature already.

    \b
    Example:
      sunlit govern cosign freeze-bob.json --as regulator-checker
    """  # noqa: D301 - click's \b keeps lines
    from auditor.governing import sign_proposal  # noqa: PLC0415 - imports aiohttp, cryptography

    run_async(sign_proposal(session, **asked))


@govern.command()
@click.argument("file", type=_FILE)
@following_options
@session_options
def submit(session: Session, /, **asked: Any) -> None:
    """Send a proposal that has every signature; sending it again is safe.

    \b
    Example:
      sunlit govern submit freeze-bob.json --wait final
    """  # noqa: D301 - click's \b keeps lines
    from auditor.governing import submit_proposal  # noqa: PLC0415 - imports aiohttp, cryptography

    run_async(submit_proposal(session, **asked))


@govern.command()
@click.argument("file", type=_FILE)
@home_options
def show(session: Session, /, **asked: Any) -> None:
    """Show what a proposal decides and who signed it.

    \b
    Example:
      sunlit govern show freeze-bob.json
    """  # noqa: D301 - click's \b keeps lines
    from auditor.governing import show_proposal  # noqa: PLC0415 - imports cryptography

    show_proposal(session, **asked)
