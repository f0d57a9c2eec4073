"""A node's configuration: one TOML file, checked in full before anything starts.

    member = "bank1"
    genesis = "genesis.json"
    data_dir = "data"
    sealing_key = "keys/sealing.pem"
    tls_key = "keys/tls.pem"
    tls_certificate = "tls.crt"

    [p2p]
    listen = "127.0.0.1:7101"
    [p2p.peers]
    bank2 = "127.0.0.1:7102"

    [api]
    listen = "127.0.0.1:8101"

Paths are relative to the file. Keys that are left out have the defaults of the models below; keys
that are not there are refused, because a mistyped limit is no limit.
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from analytics.privacy.limits import BUDGET_EPSILON_DEFAULT, BUDGET_EPSILON_MAX, EPSILON_MIN
from ledger.errors import DecodeError
from ledger.identity import member_id
from node.errors import ConfigError

PORT_MAX: Final = 65_535
PEERS_MAX: Final = 1_024
VERIFIERS_MAX: Final = 64  # processes
CACHE_MIB_MAX: Final = 65_536
ANALYTICS_MEMORY_MIB_MIN: Final = 128
ANALYTICS_THREADS_MAX: Final = 256
RESERVE_MIB_MIN: Final = 8
"""Less would not hold what the store is about to write out by itself."""
RESERVE_MIB_MAX: Final = 1_048_576

OTHERS_ACCESS: Final = stat.S_IRWXG | stat.S_IRWXO
"""Permission bits that a key file must not have."""

_LOOPBACKS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - named, not bound to
"""Where this machine reaches a server that listens on every address."""


class Address(NamedTuple):
    """A host and a TCP port; port 0 listens on any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether nothing but this machine can reach it."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def parse_address(value: object) -> Address:
    """Return the address that ``HOST:PORT`` or ``[IPV6]:PORT`` names.

    Raises:
        ValueError: it names none.
    """
    if isinstance(value, Address):
        return value
    host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        host = ""
    is_number = port.isascii() and port.isdigit() and int(port) <= PORT_MAX
    if not host or not is_number:
        raise ValueError(f"an address is HOST:PORT with a port up to {PORT_MAX}, not {value!r}")
    return Address(host, int(port))


def _beside_the_file(path: Path, info: ValidationInfo) -> Path:
    return info.context / path if isinstance(info.context, Path) else path


def _member_id(name: str) -> str:
    try:
        return member_id(name)
    except DecodeError as error:
        raise ValueError(error.detail) from None


ListenAddress = Annotated[Address, BeforeValidator(parse_address)]
MemberName = Annotated[str, AfterValidator(_member_id)]
FilePath = Annotated[Path, Field(strict=False), AfterValidator(_beside_the_file)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class P2pConfig(_Section):
    """Where this node meets the others. The frame limit follows from the genesis parameters."""

    listen: ListenAddress
    peers: Annotated[dict[MemberName, ListenAddress], Field(max_length=PEERS_MAX)] = {}
    """Address of each other member that this node dials, by member id."""


class ApiConfig(_Section):
    """Where clients and the regulator are served."""

    listen: ListenAddress
    tls_certificate: FilePath | None = None
    tls_key: FilePath | None = None
    allow_plain_http: bool = False
    """Serve without TLS beyond loopback, where a proxy in front of the node ends TLS."""

    @property
    def is_tls(self) -> bool:
        """Whether the node itself speaks https."""
        return self.tls_certificate is not None

    @model_validator(mode="after")
    def _check_tls(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key are given together or not at all")
        if not (self.is_tls or self.listen.is_loopback or self.allow_plain_http):
            raise ValueError(
                f"plain HTTP is served on loopback only, not on {self.listen}: give "
                "tls_certificate and tls_key, or allow_plain_http = true behind a TLS proxy"
            )
        return self


class MiningConfig(_Section):
    """How much this node works for blocks."""

    enabled: bool = True
    duty: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Share of one core."""


class VerificationConfig(_Section):
    """How many processes check signatures."""

    processes: Annotated[int, Field(ge=1, le=VERIFIERS_MAX)] = 1


class StorageConfig(_Section):
    """How much memory the store may keep, and how much of the disk it leaves free."""

    cache_mib: Annotated[int, Field(ge=1, le=CACHE_MIB_MAX)] = 16
    reserve_mib: Annotated[int, Field(ge=RESERVE_MIB_MIN, le=RESERVE_MIB_MAX)] = 32
    """With less room the node only reads until there is more (threat 54)."""


class AnalyticsConfig(_Section):
    """The embedded analytics: a process that holds every final block in a database of its own."""

    enabled: bool | None = None
    """Whether this node runs it; unless told, those of members with the role regulator do."""
    dir: FilePath | None = None
    """Where its files are, which hold everything that members keep from each other; ``analytics``
    in the data directory unless told."""
    cases_dir: FilePath | None = None
    """Where the regulator's cases are, which are on no chain; ``cases`` beside the data directory
    unless told, so that they outlive a wipe of the data."""
    models_dir: FilePath | None = None
    """Where the regulator's models are; ``models`` beside the data directory unless told, so that
    they outlive a wipe of the data."""
    privacy_dir: FilePath | None = None
    """Where the record of published aggregates is; ``privacy`` beside the data directory unless
    told: a wipe of the data must not give back what of the budget was spent."""
    privacy_epsilon: Annotated[float, Field(ge=EPSILON_MIN, le=BUDGET_EPSILON_MAX)] = (
        BUDGET_EPSILON_DEFAULT
    )
    """Privacy loss that the aggregates published of a calendar year may have together."""
    memory_mib: Annotated[int, Field(ge=ANALYTICS_MEMORY_MIB_MIN, le=CACHE_MIB_MAX)] = 1_024
    """Memory that its database keeps to; what needs more goes to disk."""
    threads: Annotated[int, Field(ge=1, le=ANALYTICS_THREADS_MAX)] = 1
    """Threads that its database works with."""
    typologies: FilePath | None = None
    """TOML file with the regulator's parameters of the typologies; their defaults without it."""
    sanctions: FilePath | None = None
    """CSV file with the sanctions list; an empty list without it."""


class LogConfig(_Section):
    """What is logged, and how; ``auto`` is JSON unless standard error is a terminal."""

    format: Literal["auto", "json", "console"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


class NodeConfig(_Section):
    """Everything that an operator decides about one node; paths are resolved."""

    member: MemberName
    genesis: FilePath
    data_dir: FilePath
    """Made by the node when it is missing."""
    sealing_key: FilePath
    """Ed25519, PKCS #8 in PEM; signs this member's blocks and votes."""
    tls_key: FilePath
    tls_certificate: FilePath
    """The one that the chain's register holds for this member."""
    p2p: P2pConfig
    api: ApiConfig
    mining: MiningConfig = MiningConfig()
    verification: VerificationConfig = VerificationConfig()
    storage: StorageConfig = StorageConfig()
    log: LogConfig = LogConfig()
    analytics: AnalyticsConfig = AnalyticsConfig()

    @property
    def analytics_dir(self) -> Path:
        """Where the analytics process keeps its files."""
        return self.analytics.dir or self.data_dir / "analytics"

    @property
    def cases_dir(self) -> Path:
        """Where the analytics process keeps the regulator's cases."""
        return self.analytics.cases_dir or self.data_dir.parent / "cases"

    @property
    def models_dir(self) -> Path:
        """Where the analytics process keeps the regulator's models."""
        return self.analytics.models_dir or self.data_dir.parent / "models"

    @property
    def privacy_dir(self) -> Path:
        """Where the analytics process keeps the record of published aggregates."""
        return self.analytics.privacy_dir or self.data_dir.parent / "privacy"

    @property
    def api_url(self) -> str:
        """The API's base URL for clients on this machine."""
        scheme, listen = "https" if self.api.is_tls else "http", self.api.listen
        return f"{scheme}://{Address(_LOOPBACKS.get(listen.host, listen.host), listen.port)}"

    @model_validator(mode="after")
    def _check_peers(self) -> Self:
        if self.member in self.p2p.peers:
            raise ValueError(f"p2p.peers names the node's own member, {self.member}")
        return self


def load_config(path: Path) -> NodeConfig:
    """Return the configuration in a TOML file, after a look at every file that it names.

    Raises:
        ConfigError: with the code ``config_unreadable``, ``config_syntax``, ``config_invalid``,
            ``file_missing`` or ``key_file_exposed``; the detail names the file, the key in it and
            what is allowed.
    """
    try:
        document = tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        detail = f"{path} cannot be read: {error.strerror}"
        raise ConfigError("config_unreadable", detail, file=path) from None
    except ValueError as error:  # tomllib.TOMLDecodeError and UnicodeDecodeError
        raise ConfigError("config_syntax", f"{path} is not TOML: {error}", file=path) from None
    try:
        config = NodeConfig.model_validate(document, context=path.resolve().parent)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "the document"
        reason = first["msg"].removeprefix("Value error, ")
        detail = f"{path}: {key}: {reason}"
        raise ConfigError("config_invalid", detail, file=path, key=key) from None
    _check_files(path, config)
    return config


def _check_files(path: Path, config: NodeConfig) -> None:
    for key, file in _files(config):
        if not file.is_file():
            raise ConfigError("file_missing", f"{path}: {key}: no file {file}", file=file, key=key)
        if key.endswith("_key"):
            _check_key_file(path, key, file)


def _files(config: NodeConfig) -> Iterator[tuple[str, Path]]:
    yield "genesis", config.genesis
    yield "sealing_key", config.sealing_key
    yield "tls_key", config.tls_key
    yield "tls_certificate", config.tls_certificate
    for key in ("typologies", "sanctions"):
        file: Path | None = getattr(config.analytics, key)
        if file is not None:
            yield f"analytics.{key}", file
    if config.api.tls_certificate is not None and config.api.tls_key is not None:
        yield "api.tls_key", config.api.tls_key
        yield "api.tls_certificate", config.api.tls_certificate


def _check_key_file(path: Path, key: str, file: Path) -> None:
    """Refuse a private key that another user of the machine can read or replace."""
    status = file.stat()
    mode = stat.S_IMODE(status.st_mode)
    if mode & OTHERS_ACCESS or status.st_uid not in (os.geteuid(), 0):
        detail = (
            f"{path}: {key}: {file} has mode {mode:04o} and owner {status.st_uid}; a private key "
            f"is its user's alone (0600, owner {os.geteuid()})"
        )
        raise ConfigError("key_file_exposed", detail, file=file, key=key, mode=mode)
