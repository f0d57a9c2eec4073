"""Opening accounts."""

from __future__ import annotations

from typing import Any

import click

from wallet.commands.payments import following_options
from wallet.console import Session, run_async, session_options


@click.command("open-account")
@click.argument("name")
@click.option("--member", required=True, help="Member that opens it.")
@click.option("--as", "officers", metavar="OFFICER", multiple=True, help="Officer who signs.")
@click.option(
    "--kind",
    type=click.Choice(["institution", "innovator", "user", "treasury"]),
    default="user",
    show_default=True,
    help="Whom it is for.",
)
@following_options
@session_options
def open_account(session: Session, /, **asked: Any) -> None:
    """Open an account under NAME, with a new key, or with the key NAME if it has no account.

    \b
    Example:
      sunlit wallet open-account dave --member bank1 --as bank1-officer
    """  # noqa: D301 - click's \b keeps lines
    from wallet.opening import open_new_account  # noqa: PLC0415 - imports aiohttp, cryptography

    run_async(open_new_account(session, **asked))
