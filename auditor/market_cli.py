"""``sunlit audit alerts``, ``flows`` and ``report``: the whole market as the analytics see it."""

from __future__ import annotations

from typing import Any, Final

import click

from wallet.console import Session, run_async, session_options

REPORTS: Final = ("daily-activity", "members", "typologies", "concentration")
TYPOLOGIES: Final = (
    "structuring", "fan_in", "fan_out", "round_trip", "pass_through", "dormant", "velocity",
    "round_amounts", "sanctioned", "anomaly", "drift",
)  # fmt: skip
SEVERITIES: Final = ("low", "medium", "high", "critical")
_as_officer: Final = click.option(
    "--as", "reader", metavar="NAME", help="Regulator's officer key; else the first."
)
_since: Final = click.option("--since", metavar="TIME", help="From a day or an RFC 3339 time on.")
_until: Final = click.option("--until", metavar="TIME", help="Up to a day or an RFC 3339 time.")


@click.command()
@click.option("--typology", type=click.Choice(TYPOLOGIES), help="Pattern.")
@click.option("--severity", type=click.Choice(SEVERITIES), help="Severity.")
@click.option("--account", metavar="ID-OR-NAME", help="Account that they are about.")
@click.option("--min-score", type=click.FloatRange(0, 1), help="Least score.")
@click.option("--follow", is_flag=True, help="Oldest first, and on with new ones as they come.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True,
              help="Most alerts to show without --follow.")  # fmt: skip
@_as_officer
@session_options
def alerts(session: Session, /, **asked: Any) -> None:
    """Print alerts with their reasons, the newest first.

    With --json each line is one alert. With --follow it goes on until Ctrl-C and survives
    interruptions.

    \b
    Example:
      sunlit audit alerts --follow --typology structuring --json
    """  # noqa: D301 - click's \b keeps lines
    from auditor.market import show_alerts  # noqa: PLC0415 - imports aiohttp and cryptography

    try:
        run_async(show_alerts(session, **asked))
    except KeyboardInterrupt:
        if not asked["follow"]:
            raise


@click.command()
@click.option("--level", type=click.Choice(["member", "account"]), default="member",
              show_default=True, help="Between members or between accounts.")  # fmt: skip
@click.option("--asset", help="Asset.")
@click.option("--member", help="Member on either side.")
@click.option("--counterparty", help="With --member: the member on the other side.")
@click.option("--account", metavar="ID-OR-NAME", help="Account on either side.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True,
              help="Most flows to show.")  # fmt: skip
@_since
@_until
@_as_officer
@session_options
def flows(session: Session, /, **asked: Any) -> None:
    """Show how much money went from whom to whom, the largest sums first.

    \b
    Example:
      sunlit audit flows --level account --member bank1 --counterparty bank2 --asset CNY
    """  # noqa: D301 - click's \b keeps lines
    from auditor.market import show_flows  # noqa: PLC0415 - imports aiohttp and cryptography

    run_async(show_flows(session, **asked))


@click.command()
@click.argument("name", type=click.Choice(REPORTS))
@_since
@_until
@_as_officer
@session_options
def report(session: Session, /, **asked: Any) -> None:
    """Show a report over a period, amounts in smallest units.

    \b
    Example:
      sunlit audit report daily-activity --since 2026-01-01 --until 2026-01-31 --json
    """  # noqa: D301 - click's \b keeps lines
    from auditor.market import show_report  # noqa: PLC0415 - imports aiohttp and cryptography

    run_async(show_report(session, **asked))
