"""The network profile of a home: which chain, and which node speaks for which member.

``<home>/network.json`` is made by ``sunlit dev up`` or by hand:

    {"chain_id": "…", "genesis_hash": "<hex>",
     "nodes": [{"name": "bank1", "member": "bank1", "api": "https://127.0.0.1:8101",
                "certificate": "<DER in base64>"}]}

A node that speaks https with its member's own certificate is known by it: no authority vouches for
members' certificates, so the wallet trusts the very one that is here. Without one the system's
authorities decide, and the name in the URL counts.

The genesis hash is the wallet's trust anchor: transactions are signed for it and for no other
chain, whatever a node says.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from ssl import SSLError
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from ledger.errors import LedgerError
from ledger.hashing import BlockHash
from ledger.identity import MemberId, member_id
from wallet.errors import ProfileError
from wallet.files import write_private
from wallet.trust import trusting_context

PROFILE_BYTES_MAX: Final = 1024 * 1024
"""Largest profile, bytes."""

HOME_VARIABLE: Final = "SUNLIT_HOME"
DEFAULT_HOME: Final = ".sunlit"

_API = re.compile(r"https?://[^/\s?#@]+", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileNode:
    """A node that the wallet may speak to."""

    name: str
    """Its name for people."""
    member: MemberId
    """Member that runs it; tokens are made out to it."""
    api: str
    """Base URL of its API, such as ``https://bank1.example:8443``, without a path."""
    certificate: bytes | None = None
    """The certificate that it must show, DER; None leaves that to the system's authorities."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A chain and its nodes."""

    chain_id: str
    """Name of the chain, as its genesis document gives it."""
    genesis_hash: BlockHash
    """Hash of its genesis header, 32 bytes."""
    nodes: tuple[ProfileNode, ...]
    """Nodes in order of preference."""

    def node_of(self, member: MemberId) -> ProfileNode:
        """Return the first node of a member.

        Raises:
            ProfileError: ``unknown_node``.
        """
        for node in self.nodes:
            if node.member == member:
                return node
        detail = f"the profile names no node of {member}; give one with --node URL"
        raise ProfileError("unknown_node", detail, member=member)

    def node_at(self, api: str) -> ProfileNode | None:
        """Return the node with that URL, or None for a node that the profile does not know."""
        wanted = api.rstrip("/")
        return next((node for node in self.nodes if node.api == wanted), None)


def home_directory(environment: Mapping[str, str], option: str | None = None) -> Path:
    """Return the home: the option, else ``SUNLIT_HOME``, else ``~/.sunlit``."""
    chosen = option or environment.get(HOME_VARIABLE)
    return Path(chosen).expanduser() if chosen else Path.home() / DEFAULT_HOME


def profile_path(home: Path) -> Path:
    """Return where a home keeps its profile."""
    return home / "network.json"


def save_profile(home: Path, profile: Profile) -> None:
    """Write the profile of a home, replacing the one before; it is durable on return."""
    document = _ProfileDocument(
        chain_id=profile.chain_id,
        genesis_hash=profile.genesis_hash.hex(),
        nodes=[
            _NodeDocument(
                name=node.name,
                member=node.member,
                api=node.api,
                certificate=_base64(node.certificate),
            )
            for node in profile.nodes
        ],
    )
    content = document.model_dump_json(indent=2, exclude_none=True).encode() + b"\n"
    write_private(profile_path(home), content, replace=True)


def load_profile(home: Path) -> Profile:
    """Return the profile of a home.

    Raises:
        ProfileError: ``no_profile`` or ``bad_profile``; the detail names the file and the field.
    """
    path = profile_path(home)
    try:
        with path.open("rb") as file:
            content = file.read(PROFILE_BYTES_MAX + 1)
    except FileNotFoundError:
        detail = f"{path} is missing; `sunlit dev up` makes one, or give --home"
        raise ProfileError("no_profile", detail, path=str(path)) from None
    if len(content) > PROFILE_BYTES_MAX:
        raise _bad(path, f"larger than {PROFILE_BYTES_MAX} bytes")
    try:
        return _ProfileDocument.model_validate_json(content).to_profile()
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "document"
        raise _bad(path, f"{where}: {first['msg']}") from None
    except LedgerError as error:
        raise _bad(path, error.detail) from None


def _base64(content: bytes | None) -> str | None:
    return None if content is None else b64encode(content).decode()


def _certificate(text: str) -> str:
    """Refuse what no TLS library takes for a certificate: it would trust nothing, unnoticed."""
    try:
        trusting_context(b64decode(text, validate=True))
    except (ValueError, SSLError):
        raise ValueError("no X.509 certificate in base64") from None
    return text


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _NodeDocument(_Document):
    name: str = Field(min_length=1)
    member: str
    api: str = Field(pattern=f"^{_API.pattern}/?$")
    certificate: Annotated[str, AfterValidator(_certificate)] | None = None

    def to_node(self) -> ProfileNode:
        return ProfileNode(
            name=self.name,
            member=member_id(self.member),
            api=self.api.rstrip("/"),
            certificate=None if self.certificate is None else b64decode(self.certificate),
        )


class _ProfileDocument(_Document):
    chain_id: str = Field(min_length=1)
    genesis_hash: str = Field(pattern=r"^[0-9a-f]{64}$")
    nodes: list[_NodeDocument]

    def to_profile(self) -> Profile:
        return Profile(
            chain_id=self.chain_id,
            genesis_hash=BlockHash(bytes.fromhex(self.genesis_hash)),
            nodes=tuple(node.to_node() for node in self.nodes),
        )


def _bad(path: Path, why: str) -> ProfileError:
    return ProfileError("bad_profile", f"{path}: {why}", path=str(path))
