"""Commands about keys in this home; none of them speaks to a node."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from wallet.console import (
    Session,
    home_options,
    progress,
    prompt_passphrase,
    read_passphrase,
    session_options,
    table,
)
from wallet.errors import KeystoreError

if TYPE_CHECKING:
    from wallet.keystore import KeyEntry

KEY_FILE_BYTES_MAX: Final = 64 * 1024
"""Largest file that is read as a key, bytes."""

_ROLES: Final = click.Choice(["account", "officer"])
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("name")
@click.option("--member", required=True, help="The account's member, or the officer's.")
@click.option("--role", type=_ROLES, default="account", show_default=True, help="Signs for what.")
@session_options
def new(session: Session, name: str, member: str, role: str) -> None:
    """Make a key from the operating system's randomness.

    \b
    Example:
      sunlit wallet new treasurer --role officer --member bank1
    """  # noqa: D301 - click's \b keeps lines
    from wallet.keystore import generate_seed  # noqa: PLC0415 - imports cryptography

    _show_entry(session, _add(session, name, generate_seed(), role=role, member=member))


@click.command("import")
@click.argument("name")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--member", required=True, help="The account's member, or the officer's.")
@click.option("--role", type=_ROLES, default="account", show_default=True, help="Signs for what.")
@click.option("--account", help="Id of the account that the key signs for, if it is open.")
@click.option("--key-passphrase-file", type=_FILE, help="File with the PEM file's own passphrase.")
@session_options
def import_(
    session: Session,
    name: str,
    file: Path,
    member: str,
    role: str,
    account: str | None,
    key_passphrase_file: Path | None,
) -> None:
    """Take in a key: an Ed25519 PKCS #8 PEM, or 64 hexadecimal digits; - reads stdin.

    \b
    Examples:
      sunlit wallet import alice alice.pem --member bank1 --account sun1…
      cat seed.hex | sunlit wallet import alice - --member bank1
    """  # noqa: D301 - click's \b keeps lines
    if role == "officer" and account is not None:
        raise click.UsageError("--account goes with --role account")
    seed = _read_seed(file, key_passphrase_file)
    _show_entry(session, _add(session, name, seed, role=role, member=member, account=account))


@click.command()
@click.argument("name")
@click.option("-o", "--output", type=_FILE, required=True, help="File to write; it must be new.")
@click.option("--key-passphrase-file", type=_FILE, help="File with the PEM file's own passphrase.")
@session_options
def export(session: Session, name: str, output: Path, key_passphrase_file: Path | None) -> None:
    """Write a key as an encrypted PKCS #8 PEM (scrypt, AES-256) that only you can read.

    \b
    Example:
      sunlit wallet export alice -o alice.pem
    """  # noqa: D301 - click's \b keeps lines
    from wallet.files import write_private  # noqa: PLC0415 - only when asked for
    from wallet.pem import encode_pem  # noqa: PLC0415 - imports cryptography

    key = session.keystore().signing_key(name)
    text = _key_passphrase(key_passphrase_file, "Passphrase for the exported key", confirm=True)
    try:
        write_private(output, encode_pem(key.private_key, text), replace=False)
    except FileExistsError:
        raise KeystoreError("file_exists", f"{output} is there already", path=output) from None
    document = {"name": name, "file": str(output), "public_key": key.entry.public_key.hex()}
    session.show(document, [f"{name} written to {output}"])


@click.command("list")
@home_options
def list_(session: Session) -> None:
    """List the keys of this home.

    \b
    Example:
      sunlit wallet list
    """  # noqa: D301 - click's \b keeps lines
    entries = session.keystore().entries()
    rows = [_cells(entry) for entry in entries]
    session.show(
        {"keys": [_document(entry) for entry in entries]},
        table(("NAME", "ROLE", "MEMBER", "ACCOUNT"), rows),
    )


@click.command()
@click.argument("name")
@home_options
def show(session: Session, name: str) -> None:
    """Show the public side of a key.

    \b
    Example:
      sunlit wallet show alice
    """  # noqa: D301 - click's \b keeps lines
    _show_entry(session, session.keystore().entry(name))


@click.command()
@click.option("--new-passphrase-file", type=_FILE, help="File with the new passphrase.")
@session_options
def passphrase(session: Session, new_passphrase_file: Path | None) -> None:
    """Change the passphrase of this home's keystore.

    \b
    Example:
      sunlit wallet passphrase
    """  # noqa: D301 - click's \b keeps lines
    store = session.keystore()
    if not store.exists:
        raise KeystoreError("unknown_key", "this home has no keystore yet; `new` makes one")
    store.unlock()
    store.change_passphrase(_key_passphrase(new_passphrase_file, "New passphrase", confirm=True))
    if session.forget_kept_passphrase():
        progress("the home kept the old one and no longer does: give the new one from now on")
    session.show({"changed": True}, ["the passphrase is changed"])


def _add(
    session: Session, name: str, seed: bytes, *, role: str, member: str, account: str | None = None
) -> KeyEntry:
    from ledger.addresses import decode_account_id  # noqa: PLC0415 - imports bech32
    from ledger.identity import AccountId, member_id  # noqa: PLC0415 - imports msgpack

    store, identity = session.keystore(), member_id(member)
    if role == "officer":
        return store.add_officer(name, seed=seed, member=identity, node=session.node)
    opened = None if account is None else AccountId(decode_account_id(account))
    return store.add_account(name, seed=seed, member=identity, account=opened, node=session.node)


def _read_seed(file: Path, key_passphrase_file: Path | None) -> bytes:
    """Return the seed in a PEM or hexadecimal file; from ``-``, in what stdin gives."""
    from wallet.pem import decode_pem, is_encrypted  # noqa: PLC0415 - imports cryptography

    is_stdin = str(file) == "-"
    try:
        with sys.stdin.buffer if is_stdin else file.open("rb") as source:
            content = source.read(KEY_FILE_BYTES_MAX)
    except OSError as error:
        raise KeystoreError("unreadable", f"{file}: {error.strerror}", path=file) from None
    if b"-----BEGIN" in content:
        text = None
        if is_encrypted(content):
            text = _key_passphrase(key_passphrase_file, "Passphrase of the PEM file", confirm=False)
        return decode_pem(content, text)
    try:
        return bytes.fromhex(content.decode("ascii").strip())
    except ValueError:
        # The content is not shown: it may be a mistyped secret.
        raise KeystoreError("bad_seed", "neither a PEM private key nor hexadecimal") from None


def _key_passphrase(file: Path | None, question: str, *, confirm: bool) -> str:
    if file is not None:
        return read_passphrase(file)
    if not sys.stdin.isatty():
        raise KeystoreError("passphrase_required", "name a file with the passphrase to use")
    return prompt_passphrase(question, confirm=confirm)


def _show_entry(session: Session, entry: KeyEntry) -> None:
    document = _document(entry)
    session.show(document, [f"{name}: {value}" for name, value in document.items() if value])


def _document(entry: KeyEntry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "role": entry.role.value,
        "member": entry.member,
        "account": _account_text(entry),
        "node": entry.node,
        "public_key": entry.public_key.hex(),
    }


def _cells(entry: KeyEntry) -> tuple[str, str, str, str]:
    return entry.name, entry.role.value, entry.member, _account_text(entry) or "-"


def _account_text(entry: KeyEntry) -> str | None:
    from ledger.addresses import encode_account_id  # noqa: PLC0415 - imports bech32

    return None if entry.account is None else encode_account_id(entry.account)
