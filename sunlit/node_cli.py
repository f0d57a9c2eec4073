"""`sunlit node`: the node's own commands, and `status` of any node that the home knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from node.cli import node
from wallet.console import Session, home_options

__all__ = ["node"]

_FILE = click.Path(dir_okay=False, path_type=Path)


@node.command()
@click.option("--node", "url", metavar="URL", help="Base URL of the node's API.")
@click.option("--config", "config_file", type=_FILE, help="TOML file of a node on this machine.")
@click.option(
    "--certificate",
    type=_FILE,
    help="PEM certificate that a node at an https URL must show; with --config it is known.",
)
@home_options
def status(
    session: Session, url: str | None, config_file: Path | None, certificate: Path | None
) -> None:
    """Show a node's head, finality, peers and mempool.

    Without --node and --config it asks the first node of the home's profile.

    Example: sunlit node status --config bank1/node.toml --json
    """
    from node.probe import fetch_status  # noqa: PLC0415 - help must not wait for it

    if url is not None and config_file is not None:
        raise click.UsageError("give --node URL or --config FILE, not both")
    known: Path | bytes | None = None
    if config_file is not None:
        url, known = _configured(config_file)
    elif url is None:
        url, known = _profiled(session)
    document = fetch_status(url, certificate=certificate or known)
    session.show(document, _lines(document))


def _configured(config_file: Path) -> tuple[str, Path | None]:
    """Return the URL and the certificate of the node that a configuration is for."""
    from node.config import load_config  # noqa: PLC0415 - see status

    config = load_config(config_file)
    return config.api_url, config.api.tls_certificate


def _profiled(session: Session) -> tuple[str, bytes | None]:
    """Return the URL and the certificate of the first node of the home's profile."""
    from wallet.connection import node_url  # noqa: PLC0415 - see status

    profile = session.profile()
    url = node_url(profile, None, None)
    first = profile.node_at(url)
    return url, None if first is None else first.certificate


def _lines(document: dict[str, Any]) -> list[str]:
    """Return a node's status as aligned lines; what the node did not say is left out."""
    flat = {
        f"{name} {inner}" if inner else name: value
        for name, field in document.items()
        for inner, value in (field.items() if isinstance(field, dict) else [("", field)])
    }
    width = max(map(len, flat), default=0)
    return [f"{name.replace('_', ' '):<{width}}  {value}" for name, value in flat.items()]
