"""``sunlit audit aggregates``: figures for publication that tell of no single account."""

from __future__ import annotations

from typing import Any, Final

import click

from wallet.console import Session, run_async, session_options

MEASURES: Final = ("accounts", "payments", "volume")
GROUPINGS: Final = ("all", "member", "day", "amount")


@click.command()
@click.argument("measure", type=click.Choice(MEASURES), required=False)
@click.option("--epsilon", type=click.FloatRange(0, min_open=True), metavar="X",
              help="Privacy loss to spend of the year's budget.")  # fmt: skip
@click.option("--by", type=click.Choice(GROUPINGS), default="all", show_default=True,
              help="Groups: members of the payers, days, powers of ten of the amount.")  # fmt: skip
@click.option("--asset", help="Asset; a volume and groups by amount need one.")
@click.option("--since", metavar="TIME", help="From a day or an RFC 3339 time on.")
@click.option("--until", metavar="TIME", help="Up to a day or an RFC 3339 time, in one year.")
@click.option("--payments-max", type=click.IntRange(min=1), metavar="N",
              help="Payments of an account that count in a group; else 10.")  # fmt: skip
@click.option("--amount-max", metavar="DECIMAL",
              help="What of an account counts in a group of a volume.")  # fmt: skip
@click.option("--groups-max", type=click.IntRange(min=1), metavar="N",
              help="Groups that an account counts in; else 7 days, 2 powers of ten.")  # fmt: skip
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True,
              help="Without MEASURE: most releases to show.")  # fmt: skip
@click.option("--as", "reader", metavar="NAME", help="Regulator's officer key; else the first.")
@session_options
def aggregates(session: Session, /, **asked: Any) -> None:
    """Release an aggregate with noise that hides what any one account paid.

    Each release spends of the privacy budget of the year whose payments it is about; what the budget
    does not hold is refused, and spends nothing. Without MEASURE it shows what was released.

    \b
    Example:
      sunlit audit aggregates payments --by day --epsilon 0.1 --since 2026-01-01 --until 2026-01-31
      sunlit audit aggregates volume --asset CNY --amount-max 50000.00 --by member --epsilon 0.2
    """  # noqa: D301 - click's \b keeps lines
    from auditor.aggregates import list_releases, release  # noqa: PLC0415 - imports aiohttp

    limit, reader = asked.pop("limit"), asked.pop("reader")
    if asked["measure"] is None:
        run_async(list_releases(session, limit=limit, reader=reader))
        return
    if asked["epsilon"] is None:
        raise click.UsageError("a release needs --epsilon")
    if asked["amount_max"] is not None and asked["asset"] is None:
        raise click.UsageError("--amount-max needs --asset")
    run_async(release(session, asked, reader=reader))
