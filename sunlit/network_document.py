"""The files from which a network is made: a plan without keys, and the members' public entries.

A *plan* says who takes part and what they hold; ``sunlit network init --generate-keys`` makes the
keys. A *members document* holds public entries instead, each made by its member with
``sunlit network keygen``; nobody sees another's keys. Both are JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from ledger.genesis_document import AccountDocument, AssetDocument, MemberDocument
from ledger.identity import Role, is_lei
from ledger.limits import LEGAL_NAME_BYTES_MAX
from node.config import MemberName, parse_address
from node.gossip.tls import certificate_host
from sunlit.errors import NetworkError

DOCUMENT_BYTES_MAX: Final = 16 * 1024 * 1024
DEFAULT_P2P: Final = "127.0.0.1:9100"
DEFAULT_API_LISTEN: Final = "127.0.0.1:8100"
HOSTS_MAX: Final = 64
"""Names and addresses that a plan may add to a certificate."""

LOCAL_HOSTS: Final = ("localhost", "127.0.0.1", "::1")
"""By what a node's own machine reaches it, published ports and tunnels included."""
_EVERY_ADDRESS: Final = ("0.0.0.0", "::")  # noqa: S104 - named, not bound to

_D = TypeVar("_D", bound="_Document")


def _address(text: str) -> str:
    return str(parse_address(text))


def _lei(text: str) -> str:
    if not is_lei(text):
        raise ValueError("not an ISO 17442 identifier with correct check digits")
    return text


def _legal_name(text: str) -> str:
    try:
        length = len(text.encode())
    except UnicodeEncodeError:  # bytes of the command line that are no text
        raise ValueError("not UTF-8 text") from None
    if length > LEGAL_NAME_BYTES_MAX:
        raise ValueError(f"more than {LEGAL_NAME_BYTES_MAX} bytes of UTF-8")
    return text


def _role(text: str) -> str:
    if text not in set(Role):
        raise ValueError(f"a role is one of {', '.join(Role)}")
    return text


AddressText = Annotated[str, AfterValidator(_address)]
RoleName = Annotated[str, AfterValidator(_role)]
HostName = Annotated[str, AfterValidator(certificate_host)]
ApiUrl = Annotated[str, Field(pattern=r"^https?://[^/\s?#@]+$")]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Addresses(_Document):
    """Where a member's node is met and where it listens."""

    p2p: AddressText
    """HOST:PORT at which the other members reach it."""
    p2p_listen: AddressText | None = None
    """HOST:PORT on which it listens; ``p2p`` unless told."""
    api_listen: AddressText = DEFAULT_API_LISTEN
    """HOST:PORT of its HTTP API; beyond loopback it speaks https with the member's certificate."""
    api: ApiUrl | None = None
    """URL at which clients reach the API; from ``api_listen`` unless told."""

    @property
    def p2p_listen_address(self) -> str:
        """Where the node listens for its peers."""
        return self.p2p_listen or self.p2p

    @property
    def is_api_tls(self) -> bool:
        """Whether the API speaks https."""
        return not parse_address(self.api_listen).is_loopback

    @property
    def api_url(self) -> str:
        """Where clients reach the API."""
        return self.api or f"{'https' if self.is_api_tls else 'http'}://{self.api_listen}"


class MemberEntry(MemberDocument, _Addresses):
    """A member's public entry: what the chain registers, and the addresses of its node."""


class MembersDocument(_Document):
    """Everything that a genesis is made of, with public keys only."""

    chain_id: str
    time_ms: int | None = None
    """Time of block 0, milliseconds since 1970-01-01 UTC; now unless told."""
    parameters: dict[str, int] = {}
    """Consensus parameters that differ from the defaults."""
    members: list[MemberEntry] = Field(min_length=1)
    assets: list[AssetDocument] = []
    accounts: list[AccountDocument] = []


class OfficersPlan(_Document):
    """Officer keys to be made, by the names that they get in the keystore."""

    names: list[str] = Field(min_length=1)
    threshold: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _check_threshold(self) -> Self:
        if self.threshold > len(self.names):
            raise ValueError(f"threshold {self.threshold} of {len(self.names)} officers")
        return self


class MemberPlan(_Addresses):
    """A member whose keys are still to be made."""

    id: MemberName
    legal_name: Annotated[str, AfterValidator(_legal_name)]
    lei: Annotated[str, AfterValidator(_lei)]
    roles: list[RoleName]
    officers: OfficersPlan
    hosts: list[HostName] = Field(default=[], max_length=HOSTS_MAX)
    """Names and addresses in the certificate beside those that the plan gives already."""

    @model_validator(mode="after")
    def _check_hosts(self) -> Self:
        for host in self._addressed_hosts():
            certificate_host(host)
        return self

    @property
    def certificate_hosts(self) -> tuple[str, ...]:
        """Every name and address for which the member's certificate is good, each once."""
        # An id may end in a hyphen, which no host name does.
        own = () if self.id.endswith("-") else (self.id,)
        hosts = (*own, *self._addressed_hosts(), *LOCAL_HOSTS, *self.hosts)
        return tuple(dict.fromkeys(certificate_host(host) for host in hosts))

    def _addressed_hosts(self) -> list[str]:
        """Return the hosts of the addresses; one that listens everywhere names none."""
        addresses = (self.p2p, self.p2p_listen_address, self.api_listen)
        hosts = [parse_address(address).host for address in addresses]
        if self.api is not None:
            hosts.append(urlsplit(self.api).hostname or "")
        return [host for host in hosts if host not in _EVERY_ADDRESS]


class AccountPlan(_Document):
    """An account whose id and key are still to be made."""

    name: str
    """Name of its key in the keystore."""
    member: MemberName
    kind: str
    balances: dict[str, str] = {}
    """Smallest units as strings, by asset code."""


class NetworkPlan(_Document):
    """A whole network without keys."""

    chain_id: str
    time_ms: int | None = None
    parameters: dict[str, int] = {}
    members: list[MemberPlan] = Field(min_length=1)
    assets: list[AssetDocument] = []
    accounts: list[AccountPlan] = []


def load_members(path: Path) -> MembersDocument:
    """Return the members document in a file.

    Raises:
        NetworkError: ``document_unreadable`` or ``bad_document``; the detail names the field.
    """
    return _load(MembersDocument, path)


def load_plan(path: Path) -> NetworkPlan:
    """Return the plan in a file.

    Raises:
        NetworkError: as for `load_members`.
    """
    return _load(NetworkPlan, path)


def parse_member_plan(fields: Mapping[str, object]) -> MemberPlan:
    """Return the plan of one member, from its fields.

    Raises:
        NetworkError: ``bad_document``.
    """
    try:
        return MemberPlan.model_validate(fields)
    except ValidationError as error:
        raise NetworkError("bad_document", _first_fault(error)) from None


def _load(kind: type[_D], path: Path) -> _D:
    try:
        with path.open("rb") as file:
            content = file.read(DOCUMENT_BYTES_MAX + 1)
    except OSError as error:
        detail = f"{path} cannot be read: {error.strerror}"
        raise NetworkError("document_unreadable", detail, file=path) from None
    if len(content) > DOCUMENT_BYTES_MAX:
        detail = f"{path} is larger than {DOCUMENT_BYTES_MAX} bytes"
        raise NetworkError("bad_document", detail, file=path)
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        raise NetworkError("bad_document", f"{path}: {_first_fault(error)}", file=path) from None


def _first_fault(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "document"
    return f"{where}: {first['msg'].removeprefix('Value error, ')}"
