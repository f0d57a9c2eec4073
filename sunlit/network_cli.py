"""`sunlit network`: how institutions make a network together."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from wallet.console import Session, home_options
from wallet.secrecy import environment_passphrase

if TYPE_CHECKING:
    from sunlit.network import Network
    from sunlit.network_document import MembersDocument, NetworkPlan

ROLES: Final = ("sealer", "issuer", "governor", "regulator")

_D = TypeVar("_D", "MembersDocument", "NetworkPlan")

_FILE = click.Path(dir_okay=False, path_type=Path)
_DIRECTORY = click.Path(file_okay=False, resolve_path=True, path_type=Path)
_passphrase_option = click.option(
    "--passphrase-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the keystore's passphrase.",
)


@click.group()
def network() -> None:
    """Make a network's keys, genesis and configurations.

    Each member runs keygen and sends its public entry to the others. One gathers the entries into
    a members document and sends it round with the genesis.json that init makes of it; the others
    run init on the same two files, which checks the one against the other.

    Example: sunlit network init --members members.json --dir network
    """


@network.command()
@click.option("--member", required=True, help="Id of the member on the chain, such as bank1.")
@click.option("--legal-name", required=True, help="Registered name of the institution.")
@click.option("--lei", required=True, help="Its Legal Entity Identifier (ISO 17442).")
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(ROLES),
    default=["sealer"],
    show_default=True,
    help="What it may do; may be repeated.",
)
@click.option(
    "--officer",
    "officers",
    multiple=True,
    help="Name of an officer's key in the keystore; may be repeated.  [default: MEMBER-officer]",
)
@click.option(
    "--threshold",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="How many officers must sign together.",
)
@click.option("--p2p", required=True, metavar="HOST:PORT", help="Where the others reach the node.")
@click.option("--p2p-listen", metavar="HOST:PORT", help="Where it listens.  [default: as --p2p]")
@click.option(
    "--api-listen",
    metavar="HOST:PORT",
    default="127.0.0.1:8100",
    show_default=True,
    help="Where its HTTP API listens; https beyond loopback.",
)
@click.option("--api", metavar="URL", help="Where clients reach the API.")
@click.option(
    "--host",
    "hosts",
    metavar="NAME|ADDRESS",
    multiple=True,
    help="Another name or IP address by which browsers and Prometheus reach the API; the "
    "certificate names it beside MEMBER, localhost, 127.0.0.1, ::1 and the hosts of the addresses "
    "above. May be repeated.",
)
@click.option("--out", required=True, type=_DIRECTORY, help="Keys go to OUT/MEMBER.")
@_passphrase_option
@home_options
def keygen(
    session: Session,
    /,
    member: str,
    roles: tuple[str, ...],
    officers: tuple[str, ...],
    threshold: int,
    hosts: tuple[str, ...],
    out: Path,
    passphrase_file: Path | None,
    **fields: str | None,
) -> None:
    """Make a member's keys and print its public entry.

    The node's keys and certificate stay in OUT/MEMBER, the officers' keys in the home's keystore.
    OUT/MEMBER/member.json is the public entry, which the others need; it holds no secret.

    Example: sunlit network keygen --member bank1 --legal-name "Bank One plc"
    --lei SUNLIT00000000000165 --role sealer --role issuer --p2p bank1.example:9100 --out network
    """
    from sunlit.network import make_member  # noqa: PLC0415 - imports cryptography
    from sunlit.network_document import parse_member_plan  # noqa: PLC0415
    from wallet.files import write_private  # noqa: PLC0415

    plan = parse_member_plan(
        {
            "id": member,
            "roles": sorted(set(roles)),
            "hosts": list(hosts),
            "officers": {
                "names": list(officers) or [f"{member}-officer"],
                "threshold": threshold,
            },
            **fields,
        }
    )
    keys = Session(home=session.home, as_json=session.as_json, passphrase_file=passphrase_file)
    entry = make_member(plan, directory=out, keystore=keys.keystore(), now=datetime.now(UTC))
    file = out / member / "member.json"
    write_private(file, entry.model_dump_json(indent=2).encode() + b"\n", replace=True)
    session.show(
        entry.model_dump(mode="json"),
        [f"keys of {member} are in {out / member}", f"send {file} to the other members"],
    )


@network.command()
@click.option("--members", "file", required=True, type=_FILE, help="The members document.")
@click.option("--dir", "directory", required=True, type=_DIRECTORY, help="Where to write.")
@click.option("--chain-id", help="Name of the chain, instead of the document's.")
@click.option(
    "--block-time-ms",
    type=click.IntRange(10, 3_600_000),
    help="Intended time between blocks, instead of the document's.",
)
@click.option("--generate-keys", is_flag=True, help="Make every key; the document holds none.")
@click.option(
    "--home",
    metavar="DIR",
    help="Where wallet keys and the profile go; DIR/home with --generate-keys, "
    "else SUNLIT_HOME or ~/.sunlit.",
)
@_passphrase_option
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def init(
    file: Path,
    directory: Path,
    chain_id: str | None,
    block_time_ms: int | None,
    generate_keys: bool,
    home: str | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Write genesis.json, and node.toml for each member whose keys are in DIR.

    \b
    The members document is JSON:
      {"chain_id": "pilot",
       "time_ms": 1798761600000,                     block 0; now unless given
       "parameters": {"target_block_ms": 1000},      what differs from the defaults
       "members": [PUBLIC ENTRY, ...],               as keygen prints them
       "assets": [{"code": "CNY", "name": "Renminbi", "decimals": 2, "issuer": "bank1"}],
       "accounts": [{"id": "sun1...", "member": "bank1", "kind": "treasury",
                     "keys": {"keys": ["01..."], "threshold": 1},
                     "balances": {"CNY": "1250"}}]}  smallest units

    \b
    With --generate-keys a member has no keys, but names for its officers', and so has an account:
      {"id": "bank1", "legal_name": "Bank One plc", "lei": "SUNLIT00000000000165",
       "roles": ["sealer", "issuer"],
       "officers": {"names": ["bank1-officer"], "threshold": 1},
       "p2p": "bank1:9100", "p2p_listen": "0.0.0.0:9100",
       "api_listen": "0.0.0.0:8100", "api": "https://127.0.0.1:8101"}
      {"name": "alice", "member": "bank1", "kind": "user", "balances": {"CNY": "1250"}}

    A genesis.json that is in DIR already must say the same as the members document. With
    --generate-keys DIR and the home must not exist or be empty. What fails leaves nothing behind.

    DIR/MEMBER.crt is the TLS certificate of each member, for those who trust its API.

    Example: sunlit network init --members members.json --dir network
    """  # noqa: D301 - \b is click's, for text that is not rewrapped
    from sunlit.network_document import load_members, load_plan  # noqa: PLC0415 - see keygen
    from wallet.profile import home_directory  # noqa: PLC0415

    now = datetime.now(UTC)
    chosen = home or (str(directory / "home") if generate_keys else None)
    session = Session(
        home=home_directory(os.environ, chosen), as_json=as_json, passphrase_file=passphrase_file
    )
    if generate_keys:
        plan = _amend(load_plan(file), chain_id, block_time_ms)
        made = _generate(session, plan, directory, now)
    else:
        members = _amend(load_members(file), chain_id, block_time_ms)
        made = _gather(session, members, directory, now)
    _show(session, directory, made)


def _amend(document: _D, chain_id: str | None, block_time_ms: int | None) -> _D:
    """Return the document with what the command line says in place of what the file says."""
    changes: dict[str, Any] = {}
    if chain_id is not None:
        changes["chain_id"] = chain_id
    if block_time_ms is not None:
        changes["parameters"] = document.parameters | {"target_block_ms": block_time_ms}
    return document.model_copy(update=changes)


def _generate(session: Session, plan: NetworkPlan, directory: Path, now: datetime) -> Network:
    """Make every key, the home and the network, all of it or nothing."""
    from sunlit.home import choose_passphrase  # noqa: PLC0415 - see keygen
    from sunlit.network import init_network, make_members  # noqa: PLC0415
    from sunlit.staging import staged  # noqa: PLC0415
    from wallet.profile import save_profile  # noqa: PLC0415

    home = session.home.resolve()
    with staged(directory, home) as placement:
        place, new = placement(directory), replace(session, home=placement(home))
        if new.passphrase_file is None and environment_passphrase() is None:
            choose_passphrase(new.home)
        members = make_members(plan, directory=place, keystore=new.keystore(), now=now)
        made = init_network(members, directory=place, now=now)
        save_profile(new.home, made.profile())
    return made.moved(place, directory)


def _gather(session: Session, members: MembersDocument, directory: Path, now: datetime) -> Network:
    """Make a network of public entries, unless the home is another network's."""
    from sunlit.home import check_own_profile, save_own_profile  # noqa: PLC0415 - see keygen
    from sunlit.network import init_network  # noqa: PLC0415

    made = init_network(
        members,
        directory=directory,
        now=now,
        check=lambda network: check_own_profile(session.home, network.profile()),
    )
    save_own_profile(session.home, made.profile())
    return made


def _show(session: Session, directory: Path, made: Network) -> None:
    document = {
        "dir": str(directory),
        "home": str(session.home),
        "chain_id": made.genesis.chain_id,
        "genesis_hash": made.genesis.header().hash.hex(),
        "members": [entry.id for entry in made.members],
        "configs": [str(path) for path in made.configs],
    }
    lines = [
        f"genesis of {document['chain_id']}: {document['genesis_hash']}",
        f"written to {directory / 'genesis.json'}; every member must have the same hash",
        *(f"start a node: sunlit node run --config {path}" for path in made.configs),
    ]
    session.show(document, lines)
