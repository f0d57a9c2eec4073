"""Sunlit at work: a network starts, customers pay, the regulator watches, a proof is checked.

Each step runs the `sunlit` command that it shows, so everything here can be done by hand too. The
network lives in a temporary directory and ends with this program.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryFile, mkdtemp
from threading import Timer
from types import FrameType
from typing import IO, Any, Final

import click

from ledger.amounts import format_amount

COMMAND_S_MAX: Final = 90
"""How long a command may take, seconds; those that wait for the chain give up at 60 themselves."""
STREAM_S_MAX: Final = 60
"""How long the payments may take to become final, seconds."""
ALERT_S_MAX: Final = 60
"""How long the last payment may take to become final and to be warned of, seconds."""
BLOCKS_SHOWN_MIN: Final = 3
STOP_S_MAX: Final = 30
"""How long a command may take to stop, seconds; the network kills what outlasts 15."""
INTERRUPTED_STATUS: Final = 130  # as shells report a SIGINT

CNY_DECIMALS: Final = 2
CUSTOMERS: Final = (("dave", "bank2"), ("erin", "bank3"))
"""Name and bank of each account that is opened."""
PAYMENTS: Final = (
    ("dave", "erin", "1250.00", "invoice 7"),
    ("erin", "alice", "99.90", "rent"),
    ("treasury", "bob", "20000.00", "loan 42"),
)
"""Payer, payee, amount in CNY and reference."""
SPLIT: Final = ("9800.00", "9700.00", "9850.00", "9650.00")
"""Payments in CNY of one customer to another, each just under 10,000.00: somebody splits a sum."""

Json = dict[str, Any]
Command = Sequence[str]


class DemoFailed(Exception):
    """A step did not do what it should; the message is one line."""


class Sunlit:
    """The `sunlit` command, at work in one home."""

    def __init__(self, home: Path) -> None:
        self._environment = os.environ | {"SUNLIT_HOME": str(home)}
        # The network chooses a passphrase of its own and keeps it in the home.
        self._environment.pop("SUNLIT_PASSPHRASE", None)

    def run(self, *commands: Command) -> list[Json]:
        """Run commands side by side and return the document that each prints."""
        with ExitStack() as held:
            running = [
                held.enter_context(self.running(*command, seconds_max=COMMAND_S_MAX))
                for command in commands
            ]
            return [document for (document,) in running]

    @contextmanager
    def running(
        self, *arguments: str, seconds_max: float | None = None
    ) -> Iterator[Iterator[Json]]:
        """Run a command, give what it prints, and stop it on leaving if it has not ended.

        Raises:
            DemoFailed: it failed, or took longer than it may; raised where its output is read.
        """
        command = [sys.executable, "-m", "sunlit", *arguments, "--json"]
        with (
            TemporaryFile() as errors,
            subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=self._environment,
                start_new_session=True,  # Ctrl-C is for this program, which then stops them all
            ) as process,
        ):
            timer = Timer(seconds_max or 0, process.kill)
            if seconds_max is not None:
                timer.start()
            try:
                yield _documents(process, arguments, errors)
            finally:
                timer.cancel()
                _stop(process)


class Demo:
    """The steps, each with its commands and what came of them."""

    def __init__(self, sunlit: Sunlit, home: Path) -> None:
        self._sunlit = sunlit
        self._home = home
        self._names: dict[str, str] = {}
        self._steps = 0

    @contextmanager
    def network(self) -> Iterator[Json]:
        """Hold a network running."""
        self._title("Three banks and their regulator each start a node")
        _show_command("dev", "up")
        began_s = time.monotonic()
        with self._sunlit.running("dev", "up") as documents:
            network = next(documents)
            self._names = {account: name for name, account in network["accounts"].items()}
            for node in network["nodes"]:
                _say(f"{node['name']:<10} {node['api']}")
            _say(f"ready in {time.monotonic() - began_s:.0f} s")
            yield network

    def open_and_fund(self) -> None:
        """Open accounts; one gets newly issued money, the other a transfer."""
        self._title("Two customers get accounts, and money")
        final = ("--wait", "final")
        opened = self._run(
            *(
                ("wallet", "open-account", name, "--member", bank, *final)
                for name, bank in CUSTOMERS
            )
        )
        for account in opened:
            self._names[account["account"]] = account["name"]
            _say(f"{account['name']} is {account['account']}")
        self._run(
            ("wallet", "issue", "--to", "dave", "5000.00", "CNY", *final),
            ("wallet", "send", "--from", "treasury", "--to", "erin", "300.00", "CNY", *final),
        )

    def pay(self) -> list[Json]:
        """Send the payments and return their receipts."""
        self._title("They pay, all at once")
        receipts = self._run(
            *(
                ("wallet", "send", "--from", payer, "--to", payee, amount, "CNY",
                 "--reference", reference)
                for payer, payee, amount, reference in PAYMENTS
            )
        )  # fmt: skip
        heights = sorted({str(receipt["height"]) for receipt in receipts})
        _say(f"in block {' and '.join(heights)}")
        return receipts

    def watch(self, receipts: Sequence[Json]) -> None:
        """Follow the audit stream until each payment has gone by in a final block."""
        self._title("The regulator reads along: every block, once it can no longer be undone")
        first = min(receipt["height"] for receipt in receipts)
        stream = ("audit", "stream", "--from", str(first), "--follow")
        _show_command(*stream)
        awaited = {receipt["txid"] for receipt in receipts}
        with self._sunlit.running(*stream, seconds_max=STREAM_S_MAX) as blocks:
            for shown, block in enumerate(blocks, start=1):
                self._show_block(block)
                awaited -= {transaction["txid"] for transaction in block["transactions"]}
                if shown >= BLOCKS_SHOWN_MIN and not awaited:
                    break

    def warn(self) -> None:
        """Split a sum into payments under a threshold, and show what the regulator is told."""
        self._title("Somebody splits a sum; the regulator is warned, with reasons")
        sends = [
            ("wallet", "send", "--from", "bob", "--to", "carol", amount, "CNY") for amount in SPLIT
        ]
        for send in sends:
            self._run(send)
        alerts = ("audit", "alerts", "--typology", "structuring", "--follow")
        _show_command(*alerts)
        with self._sunlit.running(*alerts, seconds_max=ALERT_S_MAX) as warnings:
            alert = next(warnings)
        who = self._names.get(alert["account"], alert["account"])
        _say(f"{alert['typology']}, {alert['severity']}: {who} scores {alert['score']:.2f}")
        for reason in alert["reasons"]:
            _say(f"   {reason['contribution']:+.2f}  {reason['text']}")

    def prove(self, txid: str) -> None:
        """Fetch the proof of a payment and check it without asking anybody."""
        self._title("A payment is proved offline; all that is trusted is the hash of the genesis")
        file = self._home / "payment.json"
        self._run(("wallet", "proof", txid, "-o", str(file)))
        (proved,) = self._run(("audit", "verify", str(file)))
        _say(f"it holds: in block {proved['height']}, final by {', '.join(proved['voters'])}")

    def invite(self, network: Json) -> None:
        """Show where everything is."""
        self._title("Yours")
        for node in network["nodes"]:
            _say(f"{node['api']}/docs  {node['name']}'s API")
        _say(f"{network['nodes'][-1]['api']}/dashboard  the regulator's dashboard")
        binaries = Path(sys.executable).parent
        click.secho(f"   $ export SUNLIT_HOME={self._home} PATH={binaries}:$PATH", dim=True)
        _show_command("wallet", "balance", "dave")
        _show_command("audit", "dashboard")

    def _title(self, text: str) -> None:
        self._steps += 1
        click.secho(f"\n{self._steps}  {text}", bold=True)

    def _run(self, *commands: Command) -> list[Json]:
        for command in commands:
            _show_command(*command)
        return self._sunlit.run(*commands)

    def _show_block(self, block: Json) -> None:
        _say(f"block {block['height']}, sealed by {block['sealer']}")
        for transaction in block["transactions"]:
            body = transaction["body"]
            for leg in body["legs"]:
                amount = format_amount(int(leg["amount"]), decimals=CNY_DECIMALS)
                payer, payee = (self._names.get(leg[side], "-") for side in ("debit", "credit"))
                _say(f"   {payer} to {payee}: {amount} {leg['asset']}, {body['reference']!r}")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--once", is_flag=True, help="Stop by itself at the end instead of at Ctrl-C.")
def main(once: bool) -> None:
    """Start a four-node network on this machine and show it at work.

    Example: scripts/demo --once
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    home = Path(mkdtemp(prefix="sunlit-demo-"))
    try:
        present(home, once=once)
    except DemoFailed as error:
        click.echo(f"error[demo_failed]: {error} (all of it is in {home})", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        shutil.rmtree(home)
        sys.exit(INTERRUPTED_STATUS)
    shutil.rmtree(home)


def present(home: Path, *, once: bool) -> None:
    """Go through all steps; without ``once`` stay until Ctrl-C.

    Raises:
        DemoFailed: a step failed.
        KeyboardInterrupt: Ctrl-C came before the end.
    """
    began_s = time.monotonic()
    demo = Demo(Sunlit(home), home)
    with demo.network() as network:
        demo.open_and_fund()
        receipts = demo.pay()
        demo.watch(receipts)
        demo.warn()
        demo.prove(receipts[0]["txid"])
        demo.invite(network)
        click.secho(f"\nAll of it took {time.monotonic() - began_s:.0f} s.", bold=True)
        if not once:
            _wait_for_interrupt()
    _say("the network is stopped")


def _wait_for_interrupt() -> None:
    ends = {signal.SIGINT, signal.SIGTERM}
    # Blocked before the invitation to send one: none can come between it and the wait.
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    click.echo("The network runs until Ctrl-C.")
    signal.sigwait(ends)
    for number in ends:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ends)
    click.echo()


def _interrupt(number: int, _frame: FrameType | None) -> None:
    """End the demo; while it stops, whoever asks again is not heard."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt(number)


def _documents(
    process: subprocess.Popen[bytes], arguments: Sequence[str], errors: IO[bytes]
) -> Iterator[Json]:
    """Yield the JSON documents that a command prints, a line each, until it ends.

    Raises:
        DemoFailed: its status is not 0.
    """
    if process.stdout is None:
        raise AssertionError("the command's output is a pipe")
    for line in process.stdout:
        yield json.loads(line)
    status = process.wait()
    if status != 0:
        errors.seek(0)
        last = errors.read().decode(errors="replace").strip().rpartition("\n")[2]
        raise DemoFailed(f"sunlit {shlex.join(arguments)} ended with status {status}: {last}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(STOP_S_MAX)
    except subprocess.TimeoutExpired:
        process.kill()


def _show_command(*arguments: str) -> None:
    click.secho(f"   $ sunlit {shlex.join(arguments)}", dim=True)


def _say(text: str) -> None:
    click.echo(f"   {text}")


if __name__ == "__main__":
    main()
