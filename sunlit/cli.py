"""The `sunlit` command: its groups and commands, each imported when it is used."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import Any, Final, cast

import click

from analytics.errors import AnalyticsError
from ledger.errors import LedgerError
from node.errors import ConfigError, NodeError
from sunlit.errors import SunlitError
from wallet.console import report_encode_error, report_error, report_os_error
from wallet.errors import WalletError
from wallet.secrecy import protect_process

USAGE_STATUS: Final = 2
FAILURE_STATUS: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSource:
    """Where a group of commands, or a single one, is, and what it is for."""

    module: str
    """Module that holds it."""
    attribute: str
    """Its name there."""
    short_help: str
    """One line for ``sunlit --help``, which imports none of them."""


GROUPS: Final[Mapping[str, GroupSource]] = {
    "node": GroupSource(
        module="sunlit.node_cli", attribute="node", short_help="Run a node, ask one how it is."
    ),
    "wallet": GroupSource(
        module="wallet.cli", attribute="wallet", short_help="Hold keys, open accounts, pay."
    ),
    "audit": GroupSource(
        module="auditor.cli",
        attribute="audit",
        short_help="Follow the chain as a regulator, verify evidence offline.",
    ),
    "govern": GroupSource(
        module="auditor.govern_cli",
        attribute="govern",
        short_help="Freeze and unfreeze accounts, by two officers.",
    ),
    "attest": GroupSource(
        module="wallet.commands.attesting",
        attribute="attest",
        short_help="Stand by a document: its hash on the chain.",
    ),
    "attestations": GroupSource(
        module="wallet.commands.attesting",
        attribute="attestations",
        short_help="Find who stands by which document.",
    ),
    "analytics": GroupSource(
        module="sunlit.analytics_cli",
        attribute="analytics",
        short_help="Train and use models; hold a regulator's warehouse to the chain.",
    ),
    "network": GroupSource(
        module="sunlit.network_cli",
        attribute="network",
        short_help="Make a network's keys, genesis and configurations.",
    ),
    "dev": GroupSource(
        module="sunlit.dev_cli",
        attribute="dev",
        short_help="Run a development network on this machine.",
    ),
}


class LazyGroup(click.Group):
    """A group whose subgroups are imported when they are used, and which reports typed errors.

    A typed error, Ctrl-C or a question left unanswered ends the command with one line on standard error, ``error[code]: detail``, and
    status 1; a wrong configuration is wrong usage, status 2.
    """

    def __init__(self, *, sources: Mapping[str, GroupSource], **settings: Any) -> None:
        super().__init__(**settings)
        self._sources = sources

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run as the program of a process of its own, which keeps its secrets (threat 60)."""
        protect_process()
        return super().__call__(*args, **kwargs)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of the groups, in the order of their table."""
        return list(self._sources)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return a group by its name, imported now; None if there is none."""
        source = self._sources.get(cmd_name)
        if source is None:
            return None
        return cast("click.Command", getattr(import_module(source.module), source.attribute))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of groups from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, s.short_help) for name, s in self._sources.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; typed errors become one line and an exit status."""
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            report_error(error.code, error.detail)
            ctx.exit(USAGE_STATUS)
        except (AnalyticsError, LedgerError, NodeError, SunlitError, WalletError) as error:
            report_error(error.code, error.detail)
            ctx.exit(FAILURE_STATUS)
        except UnicodeEncodeError as error:
            report_encode_error(error)
            ctx.exit(FAILURE_STATUS)
        except OSError as error:
            report_os_error(error)
            ctx.exit(FAILURE_STATUS)
        except (KeyboardInterrupt, click.Abort):
            report_error("interrupted", "stopped before it was done")
            ctx.exit(FAILURE_STATUS)


def _set_home(ctx: click.Context, _: click.Parameter, directory: str | None) -> None:
    """Hand the home on to the command, whose own ``--home`` has the last word."""
    if directory is not None and not ctx.resilient_parsing:
        from wallet.profile import HOME_VARIABLE  # noqa: PLC0415 - heavy, and rarely needed here

        os.environ[HOME_VARIABLE] = directory


def _print_version(ctx: click.Context, _: click.Parameter, is_asked: bool) -> None:
    if is_asked and not ctx.resilient_parsing:
        click.echo(f"sunlit {version('sunlit')}")
        ctx.exit()


main = LazyGroup(
    name="sunlit",
    sources=GROUPS,
    help="""A permissioned ledger for regulated finance with the regulator built in.

    Example: sunlit dev up --detach
    """,
    params=[
        click.Option(
            ["--home"],
            type=click.Path(file_okay=False),
            expose_value=False,
            is_eager=True,
            callback=_set_home,
            help="Keystores and network profile of the commands below  [env: SUNLIT_HOME].",
        ),
        click.Option(
            ["--version"],
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_print_version,
            help="Show the version and exit.",
        ),
    ],
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
)
"""The command that pyproject.toml installs."""
