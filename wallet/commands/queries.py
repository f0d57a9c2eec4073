"""Commands that read: balances, history, proofs; and tokens for other readers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from wallet.console import Session, run_async, session_options

HISTORY_ITEMS: Final = 100
"""Entries of a history that are shown unless told otherwise."""


@click.command()
@click.argument("account", metavar="NAME-OR-ID")
@click.option(
    "--as", "reader", metavar="NAME", help="Key to read with: an officer's, for instance."
)
@click.option(
    "--state",
    type=click.Choice(["head", "finalized"]),
    default="head",
    show_default=True,
    help="The newest block, or the newest that cannot be undone.",
)
@session_options
def balance(session: Session, /, **asked: Any) -> None:
    """Show what an account holds.

    \b
    Example:
      sunlit wallet balance alice
    """  # noqa: D301 - click's \b keeps lines
    from wallet.reading import show_balance  # noqa: PLC0415 - imports aiohttp and cryptography

    run_async(show_balance(session, **asked))


@click.command()
@click.argument("account", metavar="NAME-OR-ID")
@click.option(
    "--as", "reader", metavar="NAME", help="Key to read with: an officer's, for instance."
)
@click.option("--limit", type=click.IntRange(min=1), default=HISTORY_ITEMS, show_default=True,
              help="Most transactions to show.")  # fmt: skip
@click.option("--csv", "as_csv", is_flag=True, help="CSV for spreadsheets, formulas made harmless.")
@session_options
def history(session: Session, /, **asked: Any) -> None:
    """Show what happened to an account.

    \b
    Example:
      sunlit wallet history alice --limit 20
    """  # noqa: D301 - click's \b keeps lines
    if session.as_json and asked["as_csv"]:
        raise click.UsageError("--json or --csv, not both")
    from wallet.reading import show_history  # noqa: PLC0415 - imports aiohttp and cryptography

    run_async(show_history(session, **asked))


@click.command()
@click.argument("txid")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True,
    help="File to write.",
)  # fmt: skip
@click.option("--as", "reader", metavar="NAME", help="Key to read with; else each is tried.")
@session_options
def proof(session: Session, /, **asked: Any) -> None:
    """Save the evidence bundle of a final transaction, checked; `sunlit audit verify` reads it.

    \b
    Example:
      sunlit wallet proof TXID -o payment.json
    """  # noqa: D301 - click's \b keeps lines
    from wallet.reading import save_proof  # noqa: PLC0415 - imports aiohttp and cryptography

    run_async(save_proof(session, **asked))


@click.command()
@click.option("--as", "reader", metavar="NAME", help="Key that signs it; else the only one.")
@session_options
def token(session: Session, /, **asked: Any) -> None:
    """Print an access token for a node, good for ten minutes.

    Whoever has it can read what the key's holder may read, until it ends.

    \b
    Example:
      curl -H "Authorization: Bearer $(sunlit wallet token --as regulator)" URL/v1/audit/supply
    """  # noqa: D301 - click's \b keeps lines
    from wallet.reading import show_token  # noqa: PLC0415 - imports aiohttp and cryptography

    run_async(show_token(session, **asked))
