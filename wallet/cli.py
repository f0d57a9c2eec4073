"""``sunlit wallet``: the account holder's commands."""

from __future__ import annotations

import click

from wallet.commands.keys import export, import_, list_, new, passphrase, show
from wallet.commands.opening import open_account
from wallet.commands.payments import batch, issue, redeem, resend, send
from wallet.commands.queries import balance, history, proof, token
from wallet.console import ErrorReportingGroup


@click.group(cls=ErrorReportingGroup)
def wallet() -> None:
    """Keys, accounts and payments.

    Amounts are decimals of the asset (12.50 CNY); with --json they are strings of smallest units.

    \b
    Example:
      sunlit wallet send --from alice --to bob 12.50 CNY --reference "invoice 7"
    """  # noqa: D301 - click's \b keeps lines


for command in (
    new, import_, export, list_, show, passphrase,
    open_account, balance, history,
    send, batch, issue, redeem, resend,
    proof, token,
):  # fmt: skip
    wallet.add_command(command)
