"""`sunlit node`: run a node. ``sunlit.node_cli`` adds what needs the home of a wallet."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click


@click.group()
def node() -> None:
    """Run a node, ask one how it is.

    Example: sunlit node run --config bank1/node.toml
    """


@node.command()
@click.option(
    "--config",
    "config_file",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The node's TOML file.",
)
@click.option("--json", "as_json", is_flag=True, help="Log lines of JSON, even to a terminal.")
@click.pass_context
def run(ctx: click.Context, config_file: Path, as_json: bool) -> None:
    """Run a node until it is stopped by SIGTERM or Ctrl-C; its log goes to standard error.

    A configuration that cannot be used is refused with status 2 before anything starts.

    Example: sunlit node run --config bank1/node.toml
    """
    # Heavy imports wait until a command needs them: `--help` must be quick.
    from node.config import load_config  # noqa: PLC0415

    config = load_config(config_file)
    if as_json:
        log = config.log.model_copy(update={"format": "json"})
        config = config.model_copy(update={"log": log})
    from node.service import START_OVER  # noqa: PLC0415 - slow, and the file may be wrong
    from node.service import run as run_service  # noqa: PLC0415

    status = run_service(config)
    if status == START_OVER:
        # The same command line in the same process: for a supervisor nothing happened.
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606
    ctx.exit(status)
