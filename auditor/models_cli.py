"""``sunlit audit models``: which models speak, how to train one, and who puts it in place."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from wallet.console import ErrorReportingGroup, Session, run_async, session_options

SERIES: Final = ("account-groups", "account-outliers", "account-warnings")
METHODS: Final = ("kmeans", "pca", "autoencoder", "random-forest", "logistic")
STATES: Final = ("candidate", "challenger", "champion", "retired")
_OUTPUT: Final = click.Path(dir_okay=False, path_type=Path)
_SEED_MAX: Final = 2**32 - 1
_as_officer: Final = click.option(
    "--as", "reader", metavar="NAME", help="Regulator's officer key; else the first."
)
_limit: Final = click.option(
    "--limit", type=click.IntRange(min=1), default=100, show_default=True, help="Most to show."
)


@click.group(cls=ErrorReportingGroup)
def models() -> None:
    """Models of the regulator's registry: what learned from what, and which answer.

    \b
    Example:
      sunlit audit models list --state champion
    """  # noqa: D301 - click's \b keeps lines


@models.command("list")
@click.option("--series", metavar="NAME", help="The question, or a rule's name.")
@click.option("--method", metavar="NAME", help="Model of the catalog; rules for what is no model.")
@click.option("--state", type=click.Choice(STATES), help="What it is to its series.")
@_limit
@_as_officer
@session_options
def list_them(session: Session, /, **asked: Any) -> None:
    """List models and rules, the newest first.

    \b
    Example:
      sunlit audit models list --series account-groups --json
    """  # noqa: D301 - click's \b keeps lines
    from auditor.modelling import list_models  # noqa: PLC0415 - imports aiohttp and cryptography

    run_async(list_models(session, **asked))


@models.command()
@click.argument("model")
@click.option("--card", "output", type=_OUTPUT, help="File to write the card to, byte by byte.")
@_as_officer
@session_options
def show(session: Session, /, **asked: Any) -> None:
    """Show a model: its card, its history, and who attests it on the chain.

    The card's file can be attested: its SHA-256 is the card hash.

    \b
    Example:
      sunlit audit models show 0123456789abcdef --card card.md
      sunlit attest card.md --kind model_card --subject 0123456789abcdef --as regulator --as regulator-checker
    """  # noqa: D301 - click's \b keeps lines
    from auditor.modelling import show_model  # noqa: PLC0415 - imports aiohttp and cryptography

    run_async(show_model(session, **asked))


@models.command()
@click.argument("series", type=click.Choice(SERIES))
@click.option("--method", type=click.Choice(METHODS), help="Else the usual one of the series.")
@click.option("--seed", type=click.IntRange(0, _SEED_MAX), default=0, show_default=True,
              help="Of all chance.")  # fmt: skip
@click.option("--height", type=click.IntRange(0), help="Last block to learn from; else the last.")
@click.option("--features", metavar="A,B,…", help="Else all that say something.")
@click.option("--wait", is_flag=True, help="Wait until it has ended, and tell how far it is.")
@_as_officer
@session_options
def train(session: Session, /, **asked: Any) -> None:
    """Train a model on the ledger's features; it becomes a candidate.

    \b
    Example:
      sunlit audit models train account-groups --seed 7 --wait
    """  # noqa: D301 - click's \b keeps lines
    from auditor.modelling import train_model  # noqa: PLC0415 - imports aiohttp and cryptography

    run_async(train_model(session, **asked))


@models.command()
@click.argument("model")
@click.option("--to", "state", type=click.Choice(STATES[1:]), default="champion",
              show_default=True, help="What it is to be.")  # fmt: skip
@click.option("--reason", default="", help="Why; it stays in the history.")
@_as_officer
@session_options
def promote(session: Session, /, **asked: Any) -> None:
    """Make a model champion, challenger or retired; an earlier champion again is the way back.

    A new champion takes another officer than the one who asked for its training.

    \b
    Example:
      sunlit audit models promote 0123456789abcdef --as regulator-checker --reason "fits better"
    """  # noqa: D301 - click's \b keeps lines
    from auditor.modelling import promote_model  # noqa: PLC0415 - imports aiohttp and cryptography

    run_async(promote_model(session, **asked))


@models.command()
@_limit
@_as_officer
@session_options
def trainings(session: Session, /, **asked: Any) -> None:
    """List trainings, the newest first, with how far they are or why they failed.

    \b
    Example:
      sunlit audit models trainings
    """  # noqa: D301 - click's \b keeps lines
    from auditor.modelling import list_trainings  # noqa: PLC0415 - imports aiohttp and cryptography

    run_async(list_trainings(session, **asked))


@models.command()
@click.option("--state", type=click.Choice(["open", "accepted", "dismissed"]), help="State.")
@_limit
@_as_officer
@session_options
def proposals(session: Session, /, **asked: Any) -> None:
    """List proposals to train a model again, which drift makes, the newest first.

    \b
    Example:
      sunlit audit models proposals --state open
    """  # noqa: D301 - click's \b keeps lines
    from auditor.modelling import list_proposals  # noqa: PLC0415 - imports aiohttp and cryptography

    run_async(list_proposals(session, **asked))


@models.command()
@click.argument("proposal")
@click.argument("decision", type=click.Choice(["accepted", "dismissed"]))
@click.option("--note", default="", help="Why; it stays with the proposal.")
@_as_officer
@session_options
def decide(session: Session, /, **asked: Any) -> None:
    """Accept a proposal, which trains its model again as a candidate, or dismiss it.

    \b
    Example:
      sunlit audit models decide proposal-0123456789abcdef dismissed --note "a holiday"
    """  # noqa: D301 - click's \b keeps lines
    from auditor.modelling import decide_proposal  # noqa: PLC0415 - imports aiohttp

    run_async(decide_proposal(session, **asked))
