"""``sunlit audit``: the regulator's commands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import click

from auditor.aggregates_cli import aggregates
from auditor.cases_cli import cases, respond
from auditor.market_cli import alerts, flows, report
from auditor.models_cli import models
from auditor.serving_cli import forecasts, predict
from auditor.simulate_cli import simulate
from wallet.console import ErrorReportingGroup, Session, home_options, run_async, session_options

_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
_TIP: Final = re.compile("[0-9]{1,20}:[0-9a-f]{64}")


def _tip(_context: click.Context, _option: click.Parameter, text: str | None) -> str | None:
    """Let only a tip through: a slip of the hand is no log that was tampered with."""
    if text is not None and not _TIP.fullmatch(text):
        raise click.BadParameter("SEQUENCE:HASH, as --verify prints it")
    return text


@click.group(cls=ErrorReportingGroup)
def audit() -> None:
    """The regulator's view: the stream of final blocks, and proofs checked offline.

    \b
    Example:
      sunlit audit stream --from 0 --follow --json
    """  # noqa: D301 - click's \b keeps lines


@audit.command()
@click.option("--from", "first", type=click.IntRange(min=0), default=0, show_default=True,
              metavar="HEIGHT", help="First block.")  # fmt: skip
@click.option("--follow", is_flag=True, help="Go on with new blocks as they become final.")
@click.option("--as", "reader", metavar="NAME", help="Regulator's officer key; else the first.")
@session_options
def stream(session: Session, /, **asked: Any) -> None:
    """Print final blocks in order, each once and each the child of the one before.

    The stream survives interruptions and goes on where it stopped. With --json each line is one
    block with its transactions' bodies. With --follow it goes on until Ctrl-C.

    \b
    Example:
      sunlit audit stream --from 1 --follow --json > blocks.ndjson
    """  # noqa: D301 - click's \b keeps lines
    from auditor.stream import print_stream  # noqa: PLC0415 - imports aiohttp and cryptography

    try:
        run_async(print_stream(session, **asked))
    except KeyboardInterrupt:
        if not asked["follow"]:
            raise


@audit.command()
@click.argument("file", type=_FILE)
@click.option("--genesis", "genesis_file", type=_FILE, help="Genesis document to trust.")
@click.option("--genesis-hash", metavar="HEX", help="Genesis hash to trust.")
@click.option(
    "--trust-bundle-genesis",
    is_flag=True,
    help="Rest on the genesis in the file itself: shows that it is consistent, not whose it is.",
)
@click.option("--document", type=_FILE, help="Document that the attestation must be of.")
@home_options
def verify(session: Session, /, **asked: Any) -> None:
    """Check an evidence bundle offline: signatures, inclusion, finality.

    The proof rests on a genesis hash that you trust: --genesis-hash, the document of --genesis, or
    the profile of this home. With --document the bundle must be of an attestation of that very file.

    \b
    Example:
      sunlit audit verify payment.json --genesis-hash 3f9a…
    """  # noqa: D301 - click's \b keeps lines
    if asked["trust_bundle_genesis"] and (asked["genesis_file"] or asked["genesis_hash"]):
        raise click.UsageError("--trust-bundle-genesis is for when there is nothing else to trust")
    from auditor.verification import verify_file  # noqa: PLC0415 - imports pydantic

    verify_file(session, **asked)


@audit.command()
@click.option("--height", type=click.IntRange(min=0), metavar="HEIGHT",
              help="A final block; else the last one.")  # fmt: skip
@click.option("--as", "reader", metavar="NAME", help="Regulator's officer key; else the first.")
@session_options
def supply(session: Session, /, **asked: Any) -> None:
    """Show that no money was made or lost: each asset's books at a final block.

    The node applies every block from the genesis on, adds up issues, redemptions and balances apart,
    and compares the state with the root in the block's header. A long chain takes a while; stderr
    says how far it is. Exit status 1 if the books do not agree.

    \b
    Example:
      sunlit audit supply --height 1200 --json
    """  # noqa: D301 - click's \b keeps lines
    from auditor.supply import show_supply  # noqa: PLC0415 - imports aiohttp and cryptography

    run_async(show_supply(session, **asked))


@audit.command()
@click.argument("account")
@click.option("--at", type=click.IntRange(min=0), metavar="HEIGHT", help="The score of then.")
@click.option("--as", "reader", metavar="NAME", help="Regulator's officer key; else the first.")
@session_options
def risk(session: Session, /, **asked: Any) -> None:
    """Show an account's risk score, what it is made of, and its alerts.

    The contributions add up to the score. --at shows the score as it was at a block, with the
    reasons of then.

    \b
    Example:
      sunlit audit risk sun1… --at 1200 --json
    """  # noqa: D301 - click's \b keeps lines
    from auditor.risk import show_risk  # noqa: PLC0415 - imports aiohttp and cryptography

    run_async(show_risk(session, **asked))


@audit.command()
@click.option("--format", "file_format", type=click.Choice(["parquet"]), default="parquet",
              show_default=True, help="Form of the files.")  # fmt: skip
@click.option("--out", "output", type=click.Path(file_okay=False, path_type=Path), required=True,
              help="Directory; made when it is missing.")  # fmt: skip
@click.option("--table", "tables", multiple=True, metavar="TABLE",
              help="Documented table; may be repeated. Else all.")  # fmt: skip
@click.option("--as", "reader", metavar="NAME", help="Regulator's officer key; else the first.")
@session_options
def export(session: Session, /, file_format: str, **asked: Any) -> None:  # noqa: ARG001 - one so far
    """Export the warehouse's tables, up to the last final block, a directory a table.

    Each file holds whole blocks and is named by their heights. Started again, it fetches what is
    not there yet; registers are fetched anew.

    \b
    Example:
      sunlit audit export --format parquet --out market --table legs
    """  # noqa: D301 - click's \b keeps lines
    from auditor.exporting import export_tables  # noqa: PLC0415 - imports aiohttp, cryptography

    run_async(export_tables(session, **asked))


@audit.command("access-log")
@click.option("--verify", "is_verified", is_flag=True, help="Check the whole chain of hashes.")
@click.option("--known", metavar="SEQUENCE:HASH", callback=_tip,
              help="With --verify: a tip of earlier, which must still be part of the chain.")  # fmt: skip
@click.option("--limit", type=click.IntRange(1, 1_000), default=50, show_default=True,
              help="Newest records to show.")  # fmt: skip
@click.option("--as", "reader", metavar="NAME", help="Regulator's officer key; else the first.")
@session_options
def access_log(session: Session, /, **asked: Any) -> None:
    """Show who asked what of a node's audit API, or verify its log.

    Each record holds the hash of the one before it. Keep the tip that --verify prints: given again
    as --known, it shows that nothing was cut off since.

    \b
    Example:
      sunlit audit access-log --verify
    """  # noqa: D301 - click's \b keeps lines
    if asked["known"] and not asked["is_verified"]:
        raise click.UsageError("--known goes with --verify")
    from auditor.accesses import show_accesses  # noqa: PLC0415 - imports aiohttp and cryptography

    run_async(show_accesses(session, **asked))


@audit.command()
@click.argument("sql")
@click.option("--csv", "as_csv", is_flag=True, help="CSV on stdout, safe for spreadsheets.")
@click.option("--as", "reader", metavar="NAME", help="Regulator's officer key; else the first.")
@session_options
def query(session: Session, /, **asked: Any) -> None:
    """Ask the warehouse in SQL: one SELECT over its documented tables.

    Amounts are in smallest units. More than 100,000 rows are cut off, which stderr tells.

    \b
    Example:
      sunlit audit query "SELECT asset, sum(amount) FROM legs GROUP BY asset"
    """  # noqa: D301 - click's \b keeps lines
    from auditor.querying import show_query  # noqa: PLC0415 - imports aiohttp and cryptography

    run_async(show_query(session, **asked))


@audit.command()
@click.option("--as", "reader", metavar="NAME", help="Regulator's officer key; else the first.")
@click.option("--no-open", is_flag=True, help="Print the URL only.")
@session_options
def dashboard(session: Session, /, reader: str | None, no_open: bool) -> None:
    """Open the regulator's page, signed in for ten minutes.

    The URL that it prints holds an access token: whoever has it can read what the officer may
    read, until it ends. The page tells when it does, and takes another.

    \b
    Example:
      sunlit audit dashboard --as regulator
    """  # noqa: D301 - click's \b keeps lines
    from auditor.dashboard import open_dashboard  # noqa: PLC0415 - imports aiohttp and cryptography

    run_async(open_dashboard(session, reader=reader, opens=not no_open))


for _command in (
    aggregates,
    alerts,
    cases,
    flows,
    forecasts,
    models,
    predict,
    report,
    respond,
    simulate,
):
    audit.add_command(_command)
