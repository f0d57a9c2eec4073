"""``sunlit analytics``: the embedded analytics, seen from outside."""

from __future__ import annotations

from pathlib import Path

import click

from sunlit.models_cli import COMMANDS
from wallet.console import ErrorReportingGroup, Session, run_async, session_options

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(cls=ErrorReportingGroup)
def analytics() -> None:
    """Train and use models on a table; hold a regulator's warehouse to the chain.

    Example: sunlit analytics train pca --data market.csv --out components
    """


for _command in COMMANDS:
    analytics.add_command(_command)


@analytics.command("verify-warehouse")
@click.option("--config", "config_file", type=_FILE, help="TOML file of a node on this machine.")
@click.option("--as", "reader", metavar="NAME", help="Regulator's officer key; else the first.")
@session_options
def verify_warehouse(session: Session, config_file: Path | None, reader: str | None) -> None:
    """Replay the chain and compare it with what a node's warehouse holds, at every height.

    Blocks come from the node and are checked: each follows from the one before, and the state
    after it is the one that its header commits to. Ends with status 1 at the first difference.

    Example: sunlit analytics verify-warehouse --as regulator --json
    """
    # Help must not wait for what this needs.
    from auditor.warehouse import verification_lines  # noqa: PLC0415
    from auditor.warehouse import verify_warehouse as verify  # noqa: PLC0415

    if session.node is not None and config_file is not None:
        raise click.UsageError("give --node URL or --config FILE, not both")
    url = None
    if config_file is not None:
        from node.config import load_config  # noqa: PLC0415

        url = load_config(config_file).api_url
    result = run_async(verify(session, reader=reader, url=url))
    session.show(result, verification_lines(result))
    if not result["equal"]:
        click.get_current_context().exit(1)
