"""The running node: opens what it needs, starts every part under one task group, stops in order.

config -> keys, genesis -> store, journal -> engine -> runner
                                                   -> transport, verifier, miner, HTTP API
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import click
import structlog
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from consensus.headers import ChainRules
from consensus.target import bits_to_target
from ledger.access_records import access_root
from ledger.errors import InvalidGenesis, InvalidHeader
from ledger.genesis import Genesis
from ledger.genesis_document import parse_genesis
from ledger.identity import MemberId, Role
from ledger.keys import SCHEME_ED25519, verify
from node.analytics.supervisor import Analytics, ProcessSettings
from node.api.app import make_app
from node.api.protocol import ProblemProtocol
from node.audit.access_log import AccessLog
from node.backend import NodeBackend
from node.collector import settle_collector
from node.config import NodeConfig
from node.core.chain import CoreFault
from node.core.engine import Engine
from node.core.messages import frame_bytes_max
from node.core.ports import Environment
from node.errors import ConfigError, NodeError, RestartNeeded
from node.gossip.dialler import PeerAddress
from node.gossip.limits import TransportLimits
from node.gossip.tls import MemberCertificate, TrustStore
from node.gossip.transport import PeerTransport
from node.log import configure_logging, escaped
from node.metrics import Metrics
from node.runner import EngineRunner
from node.shell import NodeHalted, Shell
from node.storage.chain_store import RocksStore
from node.storage.rocks import MIB
from node.storage.space import DiskSpace
from node.storage.vote_journal import VoteJournalFile
from node.stream import BlockStream
from node.workers.errors import WorkerError
from node.workers.miner import Miner
from node.workers.pool import VerifierPool

EXIT_OK, EXIT_FAILED, EXIT_CONFIG, EXIT_HALTED = 0, 1, 2, 3
START_OVER: Final = -1
"""No exit status: the command runs itself anew, from what is on the disk."""
HTTP_BACKLOG: Final = 128
"""Connections that wait to be accepted."""
HTTP_CLOSE_S_MAX: Final = 2.0
"""How long open requests and streams may take to end at a stop, seconds."""

log = structlog.get_logger(__name__)


def run(config: NodeConfig) -> int:
    """Run a node until SIGTERM or SIGINT; return its exit status.

    0 stopped, 1 a part failed (the store, a worker), 2 the configuration cannot be used, 3 the
    engine halted because going on could harm; ``START_OVER`` when a full disk has room again.
    """
    configure_logging(config.log.format, config.log.level)
    settle_collector()
    status = EXIT_OK
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_run_until_signal(config))
    except* ConfigError as group:
        _report("config_error", group)
        status = EXIT_CONFIG
    except* (NodeHalted, CoreFault) as group:
        _report("node_halted", group)
        status = EXIT_HALTED
    except* RestartNeeded as group:
        log.warning("starting_over", reason=str(_leaves(group)[0]))
        status = START_OVER
    except* (NodeError, WorkerError, OSError) as group:
        _report("node_failed", group)
        status = EXIT_FAILED
    return status


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    """Return uvloop's event loop where it is installed; asyncio's own elsewhere."""
    try:
        import uvloop  # noqa: PLC0415 - absent on some platforms
    except ImportError:
        return None
    return uvloop.Loop


def _report(event: str, group: BaseExceptionGroup[BaseException]) -> None:
    """Say why the node ends: in the log, and as the line that every command ends with."""
    for error in _leaves(group):
        code = getattr(error, "code", "input_output")
        detail = getattr(error, "detail", str(error).removeprefix(f"{code}: "))
        log.error(event, code=code, detail=detail)
        click.echo(f"error[{code}]: {escaped(detail)}", err=True)


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    leaves: list[BaseException] = []
    for error in group.exceptions:
        leaves.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return leaves


async def _run_until_signal(config: NodeConfig) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running_node(config):
        await stop.wait()
        log.info("stopping", member=config.member)


@contextlib.asynccontextmanager
async def running_node(config: NodeConfig) -> AsyncIterator[NodeBackend]:
    """Hold a node running; on leaving, every part is stopped and the store is closed.

    Raises:
        ConfigError: keys, genesis or member do not fit together.
        StoreFailed, StoreCorrupt: the disk cannot be used.
        NodeHalted: the engine stopped the node.
    """
    genesis = _load_genesis(config.genesis)
    member = MemberId(config.member)
    sign_key = _load_sealing_key(config, genesis)
    rules = _rules(genesis, config.genesis)
    with contextlib.ExitStack() as held:
        store = RocksStore(config.data_dir / "chain", genesis, config.storage.cache_mib)
        held.callback(store.close)
        journal_path = config.data_dir.parent / "journal" / "votes.log"
        journal = held.enter_context(VoteJournalFile(journal_path))
        if journal.torn_bytes:
            log.warning("vote_journal_torn", bytes=journal.torn_bytes)
        engine = Engine(
            Environment(
                member=member,
                chain_id=genesis.chain_id,
                rules=rules,
                store=store,
                votes=journal.recovered,
                verify=verify,
                sign=sign_key.sign,
                random_bytes=random.SystemRandom().randbytes,
                is_mining=config.mining.enabled,
            )
        )
        shell = Shell(metrics=Metrics(), stream=BlockStream(store.view), status=engine.status())
        space = DiskSpace(
            [config.data_dir, journal_path.parent],
            reserve_bytes=config.storage.reserve_mib * MIB,
        )
        runner = EngineRunner(engine, store, journal, shell, shell.metrics, space)
        access_log = AccessLog(
            config.data_dir.parent / "access", access_root(genesis.header().hash, member)
        )
        backend = NodeBackend(
            genesis=genesis,
            member=member,
            store=store,
            shell=shell,
            runner=runner,
            access_log=access_log,
        )
        async with _parts(config, genesis, shell, runner, backend):
            yield backend


@contextlib.asynccontextmanager
async def _parts(
    config: NodeConfig, genesis: Genesis, shell: Shell, runner: EngineRunner, backend: NodeBackend
) -> AsyncIterator[None]:
    transport = _transport(config, genesis, shell)
    async with contextlib.AsyncExitStack() as held:
        verifier = await held.enter_async_context(
            VerifierPool(processes=config.verification.processes)
        )
        if _runs_analytics(config, genesis):
            analytics = Analytics.running(_analytics(config), shell.stream, shell.metrics)
            backend.analytics = await held.enter_async_context(analytics)
        miner = None
        if config.mining.enabled:
            miner = await held.enter_async_context(
                Miner(duty=config.mining.duty, on_solution=shell.on_solution)
            )
        listen = config.p2p.listen
        await held.enter_async_context(transport.listening(listen.host, listen.port))
        async with asyncio.TaskGroup() as tasks:
            shell.connect(
                runner=runner, transport=transport, verifier=verifier, miner=miner, tasks=tasks
            )
            running = [
                tasks.create_task(runner.run(), name="engine"),
                tasks.create_task(runner.tick(), name="ticks"),
                tasks.create_task(transport.run(), name="peers"),
            ]
            async with (
                contextlib.aclosing(backend.access_log),
                contextlib.aclosing(backend.supply),
                _serving(config, backend),
            ):
                log.info("node_started", member=config.member, api=str(config.api.listen))
                yield
            for task in running:
                task.cancel()


@contextlib.asynccontextmanager
async def _serving(config: NodeConfig, backend: NodeBackend) -> AsyncIterator[None]:
    """Serve the HTTP API."""
    app_runner = web.AppRunner(
        make_app(backend), access_log=None, shutdown_timeout=HTTP_CLOSE_S_MAX
    )
    await app_runner.setup()
    try:
        async with _listening(config, app_runner.server):
            yield
    finally:
        await app_runner.cleanup()


@contextlib.asynccontextmanager
async def _listening(config: NodeConfig, server: web.Server | None) -> AsyncIterator[None]:
    """Accept connections; aiohttp's sites would serve them by its own protocol."""
    if server is None:
        raise AssertionError("the HTTP server was set up")
    loop, listen = asyncio.get_running_loop(), config.api.listen
    listener = await loop.create_server(
        lambda: ProblemProtocol(server, loop=loop, access_log=None),  # type: ignore[arg-type] # as aiohttp's own sites
        listen.host,
        listen.port,
        ssl=_api_tls(config),
        backlog=HTTP_BACKLOG,
    )
    try:
        yield
    finally:
        listener.close()


def _api_tls(config: NodeConfig) -> ssl.SSLContext | None:
    if config.api.tls_certificate is None or config.api.tls_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(config.api.tls_certificate, config.api.tls_key)
    return context


def _transport(config: NodeConfig, genesis: Genesis, shell: Shell) -> PeerTransport:
    register = [
        MemberCertificate(member_id=name, certificate=member.certificate)
        for name, member in genesis.members.items()
    ]
    frame_bytes = frame_bytes_max(genesis.parameters.block_bytes_max)
    queue_bytes = max(TransportLimits().queue_bytes_max, 2 * frame_bytes)
    return PeerTransport(
        member_id=config.member,
        trust=TrustStore(
            certificate_file=config.tls_certificate, key_file=config.tls_key, register=register
        ),
        events=shell,
        peers={
            name: PeerAddress(host=address.host, port=address.port)
            for name, address in config.p2p.peers.items()
        },
        limits=TransportLimits(frame_bytes_max=frame_bytes, queue_bytes_max=queue_bytes),
        jitter=random.Random(),  # noqa: S311 - spreads dials, keeps no secret
    )


def _runs_analytics(config: NodeConfig, genesis: Genesis) -> bool:
    """Tell whether this node runs the embedded analytics: as told, else where a regulator's is."""
    if config.analytics.enabled is not None:
        return config.analytics.enabled
    return genesis.members[MemberId(config.member)].has_role(Role.REGULATOR)


def _analytics(config: NodeConfig) -> ProcessSettings:
    return ProcessSettings(
        genesis_file=config.genesis,
        directory=config.analytics_dir,
        cases_directory=config.cases_dir,
        models_directory=config.models_dir,
        privacy_directory=config.privacy_dir,
        privacy_epsilon=config.analytics.privacy_epsilon,
        memory_mib=config.analytics.memory_mib,
        threads=config.analytics.threads,
        typologies_file=config.analytics.typologies,
        sanctions_file=config.analytics.sanctions,
    )


def _load_genesis(path: Path) -> Genesis:
    try:
        return parse_genesis(path.read_bytes())
    except OSError as error:
        raise ConfigError("genesis_unreadable", f"{path}: {error.strerror}") from None
    except InvalidGenesis as error:
        raise ConfigError(error.code, f"{path}: {error.detail}") from None


def _rules(genesis: Genesis, path: Path) -> ChainRules:
    """Return the rules of a chain whose targets are targets, the first no easier than the easiest."""
    parameters = genesis.parameters
    try:
        first = bits_to_target(parameters.genesis_bits)
        is_in_range = first <= bits_to_target(parameters.easiest_bits)
    except InvalidHeader as error:
        raise ConfigError(error.code, f"{path}: {error.detail}") from None
    if not is_in_range:
        raise ConfigError("bad_parameter", f"{path}: genesis_bits is easier than easiest_bits")
    return ChainRules(
        genesis_hash=genesis.header().hash, parameters=parameters, sealers=genesis.sealers()
    )


def _load_sealing_key(config: NodeConfig, genesis: Genesis) -> Ed25519PrivateKey:
    """Return the sealing key, which must be the one that the genesis names for the member."""
    member = genesis.members.get(MemberId(config.member))
    if member is None:
        raise ConfigError("unknown_member", f"{config.member} is not in the genesis document")
    try:
        key = load_pem_private_key(config.sealing_key.read_bytes(), password=None)
    except (ValueError, TypeError):
        raise ConfigError("bad_key", f"{config.sealing_key} is not a PEM private key") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError("bad_key", f"{config.sealing_key} is not an Ed25519 key")
    if bytes([SCHEME_ED25519]) + key.public_key().public_bytes_raw() != member.sealing_key:
        raise ConfigError(
            "wrong_key", f"{config.sealing_key} is not the key that genesis has for {config.member}"
        )
    return key
