"""Write docs/cli.md: the help of every command, as the commands themselves print it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from sunlit.cli import main as sunlit

FILE: Final = Path(__file__).resolve().parents[1] / "docs" / "cli.md"
COLUMNS: Final = 80
"""Width of the help, whatever terminal this runs in."""

PREFACE: Final = """\
# The `sunlit` command

Written by `scripts/docs` from each command's `--help`.

Data goes to standard output, everything else to standard error. With `--json` a command prints one
JSON document, a stream one document a line; amounts are then strings of smallest units. Exit status: 0
done, 1 refused or failed (`error[code]: message`), 2 wrong usage; `node run` has its own in
[operations.md](operations.md#exit-status).
"""


def commands(
    command: click.Command, name: str, parent: click.Context | None = None
) -> Iterator[tuple[click.Context, click.Command]]:
    """Yield a command with the context that its help needs, then all that are below it."""
    context = click.Context(
        command,
        info_name=name,
        parent=parent,
        terminal_width=COLUMNS,
        help_option_names=["-h", "--help"],
    )
    yield context, command
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found is None:
                raise LookupError(f"{context.command_path} lists {child} and does not have it")
            yield from commands(found, child, context)


def render() -> str:
    """Return the text of docs/cli.md."""
    parts = [PREFACE]
    for context, command in commands(sunlit, "sunlit"):
        level = "##" if isinstance(command, click.Group) else "###"
        text = command.get_help(context)
        parts.append(f"{level} `{context.command_path}`\n\n```text\n{text}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
