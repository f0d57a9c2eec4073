"""`sunlit dev`: a development network on this machine."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

import click

from wallet.console import Session, home_options, progress, table
from wallet.secrecy import environment_passphrase

if TYPE_CHECKING:
    from sunlit.devnet_document import DevnetDocument

NODES_DEFAULT: Final = 4
BLOCK_TIME_MS_DEFAULT: Final = 1_000
BLOCK_TIME_MS_MIN, BLOCK_TIME_MS_MAX = 10, 3_600_000
NODES_MIN, NODES_MAX = 2, 16
"""From a bank and the regulator to what a workstation carries."""

_DIRECTORY = click.Path(file_okay=False, resolve_path=True, path_type=Path)
_directory_option = click.option(
    "--dir", "directory", type=_DIRECTORY, help="Where the network is; in the home unless told."
)


@click.group()
def dev() -> None:
    """Run a development network on this machine.

    Example: sunlit dev up --detach
    """


@dev.command()
@click.option(
    "--nodes",
    type=click.IntRange(NODES_MIN, NODES_MAX),
    help=f"How many nodes, the regulator's among them.  [default: {NODES_DEFAULT}]",
)
@_directory_option
@click.option(
    "--block-time-ms",
    type=click.IntRange(BLOCK_TIME_MS_MIN, BLOCK_TIME_MS_MAX),
    help=f"Intended time between blocks.  [default: {BLOCK_TIME_MS_DEFAULT}]",
)
@click.option("--detach", is_flag=True, help="Return once every node is ready.")
@click.option(
    "--passphrase-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the keystore's passphrase; without one a random one is kept in the home.",
)
@home_options
def up(
    session: Session,
    nodes: int | None,
    directory: Path | None,
    block_time_ms: int | None,
    detach: bool,
    passphrase_file: Path | None,
) -> None:
    """Start a network of banks and a regulator, ready to use, and print where everything is.

    The first time keys, genesis and configurations are made; later what is down is started again,
    with the same ports and data. Without --detach the network runs until Ctrl-C.

    Example: sunlit dev up --nodes 4 --detach --json
    """
    # Heavy imports wait until a command needs them, here and below: `--help` must be quick.
    from sunlit.devnet import start_nodes, stop_devnet, watch_nodes  # noqa: PLC0415
    from sunlit.devnet_document import is_devnet, lock_devnet  # noqa: PLC0415

    directory = directory or _default_directory(session)
    with _interruptible():
        with lock_devnet(directory):
            if is_devnet(directory):
                document = _open(directory, nodes, block_time_ms)
            else:
                document = _create(session, directory, nodes, block_time_ms, passphrase_file)
            document, started = start_nodes(directory, document, report=progress)
        try:
            _show(session, document.describe(directory))
            if detach:
                return
            progress("press Ctrl-C to stop the network")
            watch_nodes(directory, started, report=progress)
        except KeyboardInterrupt:
            progress("stopping the network")
            with lock_devnet(directory):
                stop_devnet(directory)


@dev.command()
@_directory_option
@home_options
def down(session: Session, directory: Path | None) -> None:
    """Stop the network's nodes, and nothing else.

    Example: sunlit dev down --dir networks/dev
    """
    from sunlit.devnet import stop_devnet  # noqa: PLC0415
    from sunlit.devnet_document import load_devnet, lock_devnet  # noqa: PLC0415

    directory = directory or _default_directory(session)
    load_devnet(directory)  # before the lock, whose file would make a directory of a mistyped name
    with lock_devnet(directory):
        stopped = stop_devnet(directory)
    session.show(
        {"dir": str(directory), "stopped": stopped},
        [f"stopped {name}" for name in stopped] or ["nothing was running"],
    )


@dev.command()
@_directory_option
@home_options
def status(session: Session, directory: Path | None) -> None:
    """Show which nodes run, and where the chain is.

    Example: sunlit dev status --json
    """
    from sunlit.devnet import describe_status  # noqa: PLC0415

    description = describe_status(directory or _default_directory(session))
    rows = [
        [
            node["name"],
            node["api"],
            "ready" if node["ready"] else "starting" if node["running"] else "down",
            *_heights(node["status"]),
        ]
        for node in description["nodes"]
    ]
    session.show(description, table(["NODE", "API", "STATE", "HEAD", "FINAL"], rows))


def _default_directory(session: Session) -> Path:
    return (session.home / "dev").resolve()


def _open(directory: Path, nodes: int | None, block_time_ms: int | None) -> DevnetDocument:
    from sunlit.devnet import open_devnet  # noqa: PLC0415

    return open_devnet(directory, nodes=nodes, block_time_ms=block_time_ms, report=progress)


def _create(
    session: Session,
    directory: Path,
    nodes: int | None,
    block_time_ms: int | None,
    passphrase_file: Path | None,
) -> DevnetDocument:
    from sunlit.devnet import create_devnet  # noqa: PLC0415
    from sunlit.home import choose_passphrase  # noqa: PLC0415

    home = session.home.resolve()
    chosen = None
    if passphrase_file is None and environment_passphrase() is None:
        chosen = choose_passphrase(home)
    keys = Session(home=home, as_json=session.as_json, passphrase_file=passphrase_file)
    try:
        return create_devnet(
            directory,
            home=home,
            nodes=nodes or NODES_DEFAULT,
            block_time_ms=block_time_ms or BLOCK_TIME_MS_DEFAULT,
            keystore=keys.keystore(),
            report=progress,
        )
    except BaseException:
        if chosen is not None:
            chosen.unlink(missing_ok=True)
            with suppress(OSError):  # other things are in the home
                home.rmdir()
        raise


def _show(session: Session, description: dict[str, Any]) -> None:
    nodes = [[node["name"], node["api"], str(node["pid"])] for node in description["nodes"]]
    accounts = [[name, account] for name, account in description["accounts"].items()]
    lines = [
        f"chain {description['chain_id']} in {description['dir']}, keys in {description['home']}",
        *table(["NODE", "API", "PID"], nodes),
        *table(["ACCOUNT", "ID"], accounts),
    ]
    session.show(description, lines)


def _heights(status: dict[str, Any] | None) -> tuple[str, str]:
    if status is None:
        return "-", "-"
    return str(status["head"]["height"]), str(status["finalized"]["height"])


@contextmanager
def _interruptible() -> Iterator[None]:
    """Treat SIGTERM, and SIGHUP unless it is ignored (nohup), as Ctrl-C."""
    numbers = [signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, _interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
