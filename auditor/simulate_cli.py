"""``sunlit audit simulate``: what a freeze would have changed."""

from __future__ import annotations

from typing import Any

import click

from wallet.console import Session, run_async, session_options

_height = click.IntRange(min=0)


@click.command()
@click.option("--account", "accounts", multiple=True, metavar="ID-OR-NAME",
              help="Account to freeze; may be given several times.")  # fmt: skip
@click.option("--case", metavar="ID", help="Instead: the accounts that a case drafts freezes of.")
@click.option("--height", type=_height, metavar="HEIGHT",
              help="Block that would have held the freeze; of a case, else its first alert's.")  # fmt: skip
@click.option("--until", type=_height, metavar="HEIGHT",
              help="Last block of the replay; else the last one.")  # fmt: skip
@click.option("--as", "reader", metavar="NAME", help="Regulator's officer key; else the first.")
@session_options
def simulate(session: Session, /, **asked: Any) -> None:
    """Show what a freeze would have changed, replayed on history.

    Transactions above the block are judged again by the ledger's rules with the accounts frozen: which
    would have been refused, which others would then have lacked the money in turn, who would have
    missed what. Nobody acts otherwise than they did.

    \b
    Examples:
      sunlit audit simulate --account mule --height 1200
      sunlit audit simulate --case case-0123456789abcdef --json
    """  # noqa: D301 - click's \b keeps lines
    if bool(asked["accounts"]) == (asked["case"] is not None):
        raise click.UsageError("give --account, or --case")
    if asked["accounts"] and asked["height"] is None:
        raise click.UsageError("--account needs --height")
    from auditor.simulating import show_simulation  # noqa: PLC0415 - imports aiohttp and cryptography

    run_async(show_simulation(session, **asked))
