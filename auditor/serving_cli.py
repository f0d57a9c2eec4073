"""``sunlit audit forecasts`` and ``predict``: what models say of the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from wallet.console import Session, run_async, session_options

_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
SPANS: Final = ("second", "minute", "hour", "day")
_as_officer: Final = click.option(
    "--as", "reader", metavar="NAME", help="Regulator's officer key; else the first."
)


@click.command()
@click.option("--series", metavar="NAME", help="Series; without it they are listed.")
@click.option("--horizon", type=click.IntRange(min=1), default=24, show_default=True, metavar="N",
              help="Steps to forecast.")  # fmt: skip
@click.option("--span", type=click.Choice(SPANS),
              help="What a step is; else the longest of which the history has enough.")  # fmt: skip
@_as_officer
@session_options
def forecasts(session: Session, /, **asked: Any) -> None:
    """Forecast a series of the ledger: payments, active accounts, volumes, a member's flows.

    Each step comes with an interval that should hold 80 of 100 values, and with what the last span,
    or the last season, says. The back-test tells which of the two did better before.

    \b
    Example:
      sunlit audit forecasts --series volume:CNY --span hour --horizon 24
    """  # noqa: D301 - click's \b keeps lines
    from auditor.forecasting import show_forecasts  # noqa: PLC0415 - imports aiohttp

    run_async(show_forecasts(session, **asked))


@click.command()
@click.option("--model", required=True, metavar="MODEL",
              help="Id, SERIES/NUMBER, or a series, whose champion answers.")  # fmt: skip
@click.option("--data", type=_FILE, metavar="FILE", help="CSV or Parquet file with its columns.")
@click.option("--account", "accounts", multiple=True, metavar="ID-OR-NAME",
              help="Account, by its features of the last week; may be repeated.")  # fmt: skip
@_as_officer
@session_options
def predict(session: Session, /, **asked: Any) -> None:
    """Ask a model of the registry about the rows of a file, or about accounts.

    Every row comes with the reasons for its score, the largest first. With --json each line is one
    row. stderr names the version that answered, and the hash of its card.

    \b
    Example:
      sunlit audit predict --model account-warnings --account sun1… --json
    """  # noqa: D301 - click's \b keeps lines
    if (asked["data"] is None) == (not asked["accounts"]):
        raise click.UsageError("either --data or --account")
    from auditor.predicting import show_predictions  # noqa: PLC0415 - imports aiohttp

    run_async(show_predictions(session, **asked))
