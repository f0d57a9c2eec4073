"""``sunlit attest`` and ``sunlit attestations``: documents by their hashes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from wallet.commands.payments import following_options
from wallet.console import ErrorReportingCommand, Session, run_async, session_options

_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
KINDS: Final = ("model", "model_card", "dataset", "report", "document")
"""The ledger's kinds of documents, without importing it."""
_LISTED: Final = 100
_LISTED_MAX: Final = 100_000


@click.command(cls=ErrorReportingCommand)
@click.argument("file", type=_FILE, required=False)
@click.option("--sha256", metavar="HEX", help="SHA-256 of the document, instead of FILE.")
@click.option("--as", "officers", metavar="NAME", multiple=True, required=True,
              help="Officer who signs; may be repeated.")  # fmt: skip
@click.option("--kind", type=click.Choice(KINDS), required=True, help="What the document is.")
@click.option("--subject", required=True,
              help="What it is about, at most 128 bytes; every node can read it.")  # fmt: skip
@click.option("--reference", default="", help="Text for people, at most 140 bytes.")
@click.option("--supersede", is_flag=True,
              help="Attest the next revision where another document is attested.")  # fmt: skip
@following_options
@session_options
def attest(
    session: Session,
    /,
    file: Path | None,
    sha256: str | None,
    kind: str,
    subject: str,
    **asked: Any,
) -> None:
    """Put the SHA-256 of FILE on the chain, as the word of the officers' member.

    The document stays here. A subject has revisions: another document needs --supersede, the same
    one again sends nothing and shows the transaction that attested it.

    \b
    Example:
      sunlit attest card.json --as bank1-officer --kind model_card --subject "scoring 1.2" --wait final
    """  # noqa: D301 - click's \b keeps lines
    if (file is None) is (sha256 is None):
        raise click.UsageError("give FILE or --sha256")
    from ledger.attestations import DocumentKind  # noqa: PLC0415 - imports msgpack
    from wallet.attesting import Statement, attest_document  # noqa: PLC0415 - imports aiohttp

    statement = Statement(file=file, sha256=sha256, kind=DocumentKind(kind), subject=subject)
    run_async(attest_document(session, statement, **asked))


@click.command(cls=ErrorReportingCommand)
@click.option("--member", metavar="ID", help="Who attested.")
@click.option("--kind", type=click.Choice(KINDS), help="What the document is.")
@click.option("--subject", metavar="TEXT", help="What it is about, exactly.")
@click.option("--sha256", metavar="HEX", help="SHA-256 of the document.")
@click.option("--document", type=_FILE, help="The document, instead of its hash.")
@click.option("--state", type=click.Choice(["finalized", "head"]), default="finalized",
              show_default=True, help="Final blocks only, or those up to the head.")  # fmt: skip
@click.option("--limit", type=click.IntRange(1, _LISTED_MAX), default=_LISTED, show_default=True,
              help="Attestations to show.")  # fmt: skip
@click.option("--as", "reader", metavar="NAME", help="Key that asks; else the first.")
@session_options
def attestations(session: Session, /, **asked: Any) -> None:
    """Show who attested what, by member, kind, subject and revision.

    `sunlit wallet proof TXID` fetches the evidence of one, and `sunlit audit verify --document`
    holds a document against it offline.

    \b
    Example:
      sunlit attestations --document card.json
    """  # noqa: D301 - click's \b keeps lines
    if asked["document"] is not None and asked["sha256"] is not None:
        raise click.UsageError("--document and --sha256 are one condition")
    from wallet.attesting import list_attestations  # noqa: PLC0415 - imports aiohttp, cryptography

    run_async(list_attestations(session, **asked))
