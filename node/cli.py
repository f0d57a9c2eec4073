"""`sunlit node`: run a node, ask one how it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from node.config import NodeConfig

_CONFIG = click.Path(dir_okay=False, path_type=Path)


@click.group()
def node() -> None:
    """Run a node, ask one how it is."""


@node.command()
@click.option("--config", "config_file", required=True, type=_CONFIG, help="The node's TOML file.")
@click.pass_context
def run(ctx: click.Context, config_file: Path) -> None:
    """Run a node until it is stopped by SIGTERM or Ctrl-C.

    A configuration that cannot be used is refused with status 2 before anything starts.

    Example: sunlit node run --config bank1/node.toml
    """
    config = _load(config_file)
    # Only now: what a running node needs takes a while to import.
    from node.service import run as run_service  # noqa: PLC0415

    ctx.exit(run_service(config))


@node.command()
@click.option("--node", "url", metavar="URL", help="Base URL of the node's API.")
@click.option("--config", "config_file", type=_CONFIG, help="TOML file of a node on this machine.")
@click.option(
    "--certificate",
    type=_CONFIG,
    help="PEM certificate that a node at an https URL must show; with --config it is known.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def status(
    url: str | None, config_file: Path | None, certificate: Path | None, as_json: bool
) -> None:
    """Show a node's head, finality, peers and mempool.

    Example: sunlit node status --config bank1/node.toml --json
    """
    from node.probe import fetch_status  # noqa: PLC0415 - see run

    if (url is None) == (config_file is None):
        raise click.UsageError("give either --node URL or --config FILE")
    if config_file is not None:
        config = _load(config_file)
        url, certificate = config.api_url, certificate or config.api.tls_certificate
    document = fetch_status(str(url), certificate=certificate)
    click.echo(json.dumps(document, indent=2) if as_json else _describe(document))


def _load(path: Path) -> NodeConfig:
    from node.config import load_config  # noqa: PLC0415 - see run

    return load_config(path)


def _describe(document: dict[str, Any]) -> str:
    """Return a node's status as aligned lines; what the node did not say is left out."""
    flat = {
        f"{name} {inner}" if inner else name: value
        for name, field in document.items()
        for inner, value in (field.items() if isinstance(field, dict) else [("", field)])
    }
    width = max(map(len, flat), default=0)
    return "\n".join(f"{name.replace('_', ' '):<{width}}  {value}" for name, value in flat.items())
