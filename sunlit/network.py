"""How a network comes to be: members make keys, and one genesis document gathers their entries.

What is on disk afterwards, each member's directory being all that its node needs:

    DIR/genesis.json            what the chain starts from; every member checks that it has the same
    DIR/<member>.crt            each member's TLS certificate, for whoever wants to trust its API
    DIR/<member>/node.toml      configuration of the member's node
    DIR/<member>/genesis.json   the same document again
    DIR/<member>/keys/          sealing.pem and tls.pem, PKCS #8, readable by their owner alone
    DIR/<member>/tls.crt        the certificate that the chain registers
    DIR/<member>/data/          the node's store

A network is drafted, which checks everything, before a file of it is written.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from ledger.addresses import encode_account_id
from ledger.errors import InvalidGenesis
from ledger.genesis import Genesis
from ledger.genesis_document import (
    AccountDocument,
    GenesisDocument,
    KeySetDocument,
    MemberDocument,
    format_genesis,
    parse_genesis,
)
from ledger.identity import ACCOUNT_ID_BYTES, AccountId, MemberId
from ledger.keys import SCHEME_ED25519
from ledger.limits import CERTIFICATE_BYTES_MAX
from ledger.parameters import Parameters
from node.gossip.tls import (
    certificate_der,
    certificate_pem,
    check_certificate,
    make_certificate,
)
from sunlit.errors import NetworkError
from sunlit.network_document import (
    MemberEntry,
    MemberPlan,
    MembersDocument,
    NetworkPlan,
    OfficersPlan,
)
from sunlit.node_file import format_config
from sunlit.staging import write_together
from wallet.files import make_private_directory, write_private
from wallet.keystore import Keystore, generate_seed
from wallet.profile import Profile, ProfileNode

CERTIFICATE_LIFE: Final = timedelta(days=5 * 365)
CLOCK_SKEW: Final = timedelta(days=1)
"""A new certificate counts from this long ago, for peers whose clocks are behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network as it was written to disk."""

    genesis: Genesis
    """What the chain starts from."""
    members: tuple[MemberEntry, ...]
    """The members' public entries."""
    configs: tuple[Path, ...]
    """The node.toml of each member whose keys are in the directory."""

    def profile(self) -> Profile:
        """Return what a wallet needs to know of this network."""
        return Profile(
            chain_id=self.genesis.chain_id,
            genesis_hash=self.genesis.header().hash,
            nodes=tuple(
                ProfileNode(
                    name=entry.id,
                    member=MemberId(entry.id),
                    api=entry.api_url,
                    certificate=base64.b64decode(entry.certificate) if entry.is_api_tls else None,
                )
                for entry in self.members
            ),
        )

    def moved(self, source: Path, target: Path) -> Network:
        """Return the same network after its directory was renamed."""
        configs = tuple(target / config.relative_to(source) for config in self.configs)
        return replace(self, configs=configs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A network that was found good, and the files that it takes; nothing is on disk yet."""

    network: Network
    """The network as it will be."""
    files: Mapping[Path, bytes]
    """Content by path, for their owner alone."""
    public_files: Mapping[Path, bytes]
    """Content by path that everybody may read."""

    def write(self) -> Network:
        """Write the files and return the network; if one cannot be written, none is.

        Raises:
            NetworkError: ``not_written``.
        """
        write_together(self.files, public=self.public_files)
        return self.network


def make_member(
    plan: MemberPlan, *, directory: Path, keystore: Keystore, now: datetime
) -> MemberEntry:
    """Make a member's keys and return its public entry.

    The node's keys go to ``directory/<member>``, the officers' to the keystore.

    Raises:
        NetworkError: ``member_exists``, keys are never overwritten; or ``too_many_hosts``.
        KeystoreError: an officer's name is taken, or the passphrase is wrong.
    """
    home = directory / plan.id
    sealing_file, tls_file, certificate_file = _key_files(home)
    if sealing_file.exists() or tls_file.exists():
        detail = f"{home} has keys already; they are never overwritten"
        raise NetworkError("member_exists", detail, member=plan.id, directory=home)
    tls_pem, tls_certificate = _make_certificate(plan, now)
    officers = _make_officers(plan.officers, MemberId(plan.id), keystore)
    sealing_key = Ed25519PrivateKey.generate()
    make_private_directory(home / "data")
    write_private(certificate_file, tls_certificate, replace=True)
    write_private(tls_file, tls_pem, replace=False)
    write_private(sealing_file, _pem(sealing_key), replace=False)
    return MemberEntry(
        id=plan.id,
        legal_name=plan.legal_name,
        lei=plan.lei,
        roles=plan.roles,
        sealing_key=_public_key(sealing_key).hex(),
        certificate=base64.b64encode(certificate_der(tls_certificate)).decode(),
        officers=officers,
        p2p=plan.p2p,
        p2p_listen=plan.p2p_listen,
        api_listen=plan.api_listen,
        api=plan.api,
    )


def make_members(
    plan: NetworkPlan, *, directory: Path, keystore: Keystore, now: datetime
) -> MembersDocument:
    """Make every key of a plan and return the members document that follows from it.

    Raises:
        NetworkError, KeystoreError: as for `make_member`.
    """
    members = [
        make_member(member, directory=directory, keystore=keystore, now=now)
        for member in plan.members
    ]
    return MembersDocument(
        chain_id=plan.chain_id,
        time_ms=plan.time_ms,
        parameters=plan.parameters,
        members=members,
        assets=plan.assets,
        accounts=_make_accounts(plan, keystore),
    )


def init_network(
    document: MembersDocument,
    *,
    directory: Path,
    now: datetime,
    check: Callable[[Network], None] = lambda _: None,
) -> Network:
    """Write the genesis document, and the configuration of each member whose keys are here.

    A genesis.json that is here already is kept if it says what the members document says, so a
    member who got both from another checks the one against the other. Repeating it is harmless.

    Args:
        document: the members' public entries, assets and accounts.
        directory: where to write; the members whose keys are here have them under their ids.
        now: time of block 0 unless the document or a genesis.json here says another.
        check: raises if there is a reason not to write anything.

    Raises:
        NetworkError: ``genesis_differs``, ``bad_network``, ``bad_certificate``, ``key_mismatch``,
            ``key_missing`` or ``not_written``; nothing was written.
    """
    draft = _draft(document, directory, now)
    check(draft.network)
    return draft.write()


def _draft(document: MembersDocument, directory: Path, now: datetime) -> Draft:
    genesis_file = directory / "genesis.json"
    genesis = _genesis_of(document, genesis_file, now)
    for entry in document.members:
        _check_certificate(entry)
    present = [entry for entry in document.members if _key_files(directory / entry.id)[0].exists()]
    content = format_genesis(genesis).encode()
    files = {genesis_file: content}
    for entry in present:
        _check_keys(entry, directory / entry.id)
        files[directory / entry.id / "genesis.json"] = content
        files[_config_file(directory, entry)] = format_config(entry, document.members).encode()
    network = Network(
        genesis=genesis,
        members=tuple(document.members),
        configs=tuple(_config_file(directory, entry) for entry in present),
    )
    public_files = {
        directory / f"{entry.id}.crt": certificate_pem(base64.b64decode(entry.certificate))
        for entry in document.members
    }
    return Draft(network=network, files=files, public_files=public_files)


def _make_certificate(plan: MemberPlan, now: datetime) -> tuple[bytes, bytes]:
    """Return a member's TLS key and certificate, in PEM, if the chain can register it."""
    key, certificate = make_certificate(
        plan.id,
        not_before=now - CLOCK_SKEW,
        not_after=now + CERTIFICATE_LIFE,
        hosts=plan.certificate_hosts,
    )
    if len(certificate_der(certificate)) > CERTIFICATE_BYTES_MAX:
        detail = f"a certificate of that many hosts is over {CERTIFICATE_BYTES_MAX} bytes"
        raise NetworkError("too_many_hosts", detail, member=plan.id)
    return key, certificate


def _check_certificate(entry: MemberEntry) -> None:
    try:
        check_certificate(base64.b64decode(entry.certificate))
    except ValueError as error:
        detail = f"the TLS certificate of {entry.id} cannot be used: {error}"
        raise NetworkError("bad_certificate", detail, member=entry.id) from None


def _genesis_of(document: MembersDocument, file: Path, now: datetime) -> Genesis:
    """Return the genesis of a document, at the time of the one in ``file`` if it is there."""
    try:
        if not file.exists():
            return _build_genesis(document, document.time_ms or int(now.timestamp() * 1_000))
        kept = parse_genesis(file.read_bytes())
        built = _build_genesis(document, document.time_ms or kept.time_ms)
    except InvalidGenesis as error:
        raise NetworkError("bad_network", f"{error.code}: {error.detail}") from None
    if built.encode() != kept.encode():
        detail = f"{file} is not the genesis of this members document"
        raise NetworkError("genesis_differs", detail, file=file)
    return kept


def _build_genesis(document: MembersDocument, time_ms: int) -> Genesis:
    view = GenesisDocument(
        chain_id=document.chain_id,
        time_ms=time_ms,
        parameters=asdict(Parameters()) | document.parameters,
        # The entries carry addresses too, which are no business of the chain.
        members=[
            MemberDocument.model_validate(
                entry.model_dump(include=set(MemberDocument.model_fields))
            )
            for entry in document.members
        ],
        assets=document.assets,
        accounts=document.accounts,
    )
    return parse_genesis(view.model_dump_json())


def _make_officers(plan: OfficersPlan, member: MemberId, keystore: Keystore) -> KeySetDocument:
    keys = [
        keystore.add_officer(name, seed=generate_seed(), member=member).public_key.hex()
        for name in plan.names
    ]
    return KeySetDocument(keys=sorted(keys), threshold=plan.threshold)


def _make_accounts(plan: NetworkPlan, keystore: Keystore) -> list[AccountDocument]:
    documents = []
    for account in plan.accounts:
        account_id = AccountId(os.urandom(ACCOUNT_ID_BYTES))
        entry = keystore.add_account(
            account.name,
            seed=generate_seed(),
            member=MemberId(account.member),
            account=account_id,
        )
        documents.append(
            AccountDocument(
                id=encode_account_id(account_id),
                member=account.member,
                kind=account.kind,
                keys=KeySetDocument(keys=[entry.public_key.hex()]),
                balances=account.balances,
            )
        )
    return documents


def _check_keys(entry: MemberEntry, home: Path) -> None:
    """Refuse to configure a node whose keys are not those that the chain will register."""
    sealing_file, _, certificate_file = _key_files(home)
    try:
        sealing_key = load_pem_private_key(sealing_file.read_bytes(), password=None)
        certificate = certificate_der(certificate_file.read_bytes())
    except (OSError, ValueError, TypeError) as error:
        detail = f"member {entry.id}: {error}"
        raise NetworkError("key_missing", detail, member=entry.id) from None
    is_own = isinstance(sealing_key, Ed25519PrivateKey) and (
        _public_key(sealing_key).hex() == entry.sealing_key
    )
    if not is_own or base64.b64encode(certificate).decode() != entry.certificate:
        detail = f"the keys in {home} are not those of the public entry of {entry.id}"
        raise NetworkError("key_mismatch", detail, member=entry.id, directory=home)


def _key_files(home: Path) -> tuple[Path, Path, Path]:
    """Return a node's sealing key, TLS key and certificate."""
    return home / "keys" / "sealing.pem", home / "keys" / "tls.pem", home / "tls.crt"


def _config_file(directory: Path, entry: MemberEntry) -> Path:
    return directory / entry.id / "node.toml"


def _pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _public_key(key: Ed25519PrivateKey) -> bytes:
    return bytes([SCHEME_ED25519]) + key.public_key().public_bytes_raw()
