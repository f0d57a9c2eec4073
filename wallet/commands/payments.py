"""Commands that send transactions: transfers, issues, redemptions, and sending again."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

import click

from wallet.console import Session, run_async, session_options

P = ParamSpec("P")
R = TypeVar("R")

WAIT_TIMEOUT_S: Final = 60.0


def _number(_ctx: click.Context, _option: click.Parameter, value: float) -> float:
    """Return a number as it is; NaN, which every range lets through, is none."""
    if math.isnan(value):
        raise click.BadParameter("'nan' is no number.")
    return value


def following_options(command: Callable[P, R]) -> Callable[P, R]:
    """Give a command ``--wait`` and ``--timeout``."""
    for option in (
        click.option(
            "--timeout", "timeout_s", type=click.FloatRange(min=0, min_open=True), default=WAIT_TIMEOUT_S,
            show_default=True, metavar="SECONDS", callback=_number, help="Longest wait.",
        ),
        click.option(
            "--wait", type=click.Choice(["none", "included", "final"]), default="included",
            show_default=True, help="How far to follow the transaction.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def supply_options(command: Callable[P, R]) -> Callable[P, R]:
    """Give a command what creates or destroys supply: amount, asset, officers, reference."""
    for option in (
        click.option("--reference", default="", help="Text for people, at most 140 bytes."),
        click.option(
            "--as", "officers", metavar="NAME", multiple=True, help="Officer of the issuer."
        ),
        click.argument("asset"),
        click.argument("amount"),
    ):
        command = option(command)
    return command


@click.command()
@click.option(
    "--from", "payer", metavar="NAME", required=True, help="Who pays: a key of this home."
)
@click.option("--to", "payee", metavar="NAME-OR-ID", required=True, help="Who is paid.")
@click.argument("amount")
@click.argument("asset")
@click.option("--reference", default="", help="Text for people, at most 140 bytes.")
@following_options
@session_options
def send(session: Session, /, **asked: Any) -> None:
    """Pay AMOUNT of ASSET from one account to another.

    \b
    Example:
      sunlit wallet send --from alice --to bob 12.50 CNY --reference "invoice 7" --wait final
    """  # noqa: D301 - click's \b keeps lines
    from wallet.payments import pay  # noqa: PLC0415 - imports aiohttp and cryptography

    run_async(pay(session, **asked))


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--from", "payer", metavar="NAME", required=True, help="Who pays: a key of this home."
)
@click.option("--reference", default="", help="Text on each transaction, at most 140 bytes.")
@following_options
@session_options
def batch(session: Session, /, **asked: Any) -> None:
    """Pay every row of FILE, a CSV with the header to,amount,asset,reference.

    All rows are checked before anything is sent. Up to 10,000 rows are one transaction, all or
    nothing; longer files become several.

    \b
    Example:
      sunlit wallet batch payroll.csv --from treasury --wait final
    """  # noqa: D301 - click's \b keeps lines
    from wallet.payments import pay_batch  # noqa: PLC0415 - imports aiohttp and cryptography

    run_async(pay_batch(session, **asked))


@click.command()
@click.option("--to", "payee", metavar="NAME-OR-ID", required=True, help="Who receives it.")
@supply_options
@following_options
@session_options
def issue(session: Session, /, **asked: Any) -> None:
    """Create AMOUNT of ASSET in an account, as the asset's issuer.

    \b
    Example:
      sunlit wallet issue --to treasury 1000000.00 CNY --as bank1-officer
    """  # noqa: D301 - click's \b keeps lines
    from wallet.payments import create_supply  # noqa: PLC0415 - imports aiohttp, cryptography

    run_async(create_supply(session, **asked))


@click.command()
@click.option("--from", "holder", metavar="NAME", required=True, help="Who holds it.")
@supply_options
@following_options
@session_options
def redeem(session: Session, /, **asked: Any) -> None:
    """Destroy AMOUNT of ASSET in an account, signed by its holder and by the issuer.

    \b
    Example:
      sunlit wallet redeem --from treasury 1000.00 CNY --as bank1-officer
    """  # noqa: D301 - click's \b keeps lines
    from wallet.payments import destroy_supply  # noqa: PLC0415 - imports aiohttp, cryptography

    run_async(destroy_supply(session, **asked))


@click.command()
@click.argument("txid", required=False)
@following_options
@session_options
def resend(session: Session, /, **asked: Any) -> None:
    """Send kept transactions again, the same bytes: TXID, or all that are not known to be final.

    Safe at any time: the chain takes a transaction once, however often it is sent.

    \b
    Example:
      sunlit wallet resend
    """  # noqa: D301 - click's \b keeps lines
    from wallet.payments import send_again  # noqa: PLC0415 - imports aiohttp and cryptography

    run_async(send_again(session, **asked))
