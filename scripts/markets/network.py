"""A development network whose chain holds a market: written to disk, for `sunlit dev up` to start."""

from __future__ import annotations

import csv
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ledger.genesis import Genesis
from ledger.genesis_document import parse_genesis
from ledger.identity import MemberId
from ledger.transactions import SignedTransaction
from node.config import NodeConfig, load_config
from node.storage.chain_store import RocksStore
from node.storage.vote_journal import VoteJournalFile
from scripts.markets.blocks import BEGAN_MS, BLOCK_MS, PlannedBlock, planned_blocks
from scripts.markets.cast import BANKS
from scripts.markets.labels import LabelsDocument, PatternDocument, save_labels
from scripts.markets.life import DAY_MS
from scripts.markets.plan import MarketPlan
from scripts.markets.signing import Holder, Signer, account_documents, holders_of
from scripts.markets.writer import ChainWriter
from sunlit.devnet import create_devnet
from sunlit.devnet_document import (
    LOCK_NAME,
    DevnetDocument,
    config_path,
    is_devnet,
    lock_devnet,
)
from sunlit.devnet_plan import EASIEST_FACTOR, REGULATOR
from sunlit.errors import DevnetError
from sunlit.home import choose_passphrase
from sunlit.network_document import MembersDocument
from wallet.console import Session
from wallet.files import write_private
from wallet.secrecy import environment_passphrase

NODES: Final = len(BANKS) + 1
BLOCK_TIME_MS: Final = 1_000
"""Time between blocks once the network is started, milliseconds."""
SANCTIONS_NAME: Final = "sanctions.csv"
STORE_CACHE_MIB: Final = 256
"""Enough for every account while the chain is written; nodes read it with a cache of their own."""
PROGRESS_BLOCKS: Final = 1_000
"""Blocks between two lines that say how far it is."""

_DUTY: Final = "duty = 0.1"

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenMarket:
    """A market on disk."""

    height: int
    """Its last block that holds payments; an empty one after it makes it final."""
    payments: int
    """Number of its transactions."""


def write_market(
    plan: MarketPlan, directory: Path, *, home: Path, rate: float, report: Report
) -> WrittenMarket:
    """Write a development network whose chain holds a market, and its labels.

    The network's keys go to ``home``. When anything fails, what was written in ``directory`` is
    removed again.

    Raises:
        ValueError: the market would end in the future.
        DevnetError, HomeTaken, KeystoreError: as for `create_devnet`; or ``directory_in_use``.
    """
    _check_past(plan)
    with lock_devnet(directory):
        if is_devnet(directory):
            detail = f"{directory} holds a development network already"
            raise DevnetError("directory_in_use", detail, directory=directory)
        is_ours = not [path for path in directory.iterdir() if path.name != LOCK_NAME]
        try:
            return _write(plan, directory, home, rate, report)
        except BaseException:
            if is_ours:
                _clear(directory)
            raise


def _write(
    plan: MarketPlan, directory: Path, home: Path, rate: float, report: Report
) -> WrittenMarket:
    holders = holders_of(plan)
    document = _create(plan, directory, home, holders, report)
    configs = {
        MemberId(node.member): _configure(config_path(directory, node), plan, node.member)
        for node in document.nodes
    }
    first = next(iter(configs.values()))
    genesis = parse_genesis(first.genesis.read_bytes())
    writer = ChainWriter(
        RocksStore(first.data_dir / "chain", genesis, STORE_CACHE_MIB),
        genesis,
        {member: _sealing_key(config).sign for member, config in configs.items()},
    )
    txids = _write_blocks(plan, writer, Signer(genesis.header().hash, holders), report)
    height = writer.height - 1
    with ThreadPoolExecutor() as threads:  # each vote is waited for until it is on disk
        list(threads.map(lambda item: _write_journal(item[1], writer, item[0]), configs.items()))
    for config in list(configs.values())[1:]:
        shutil.copytree(first.data_dir / "chain", config.data_dir / "chain")
    save_labels(directory, _labels(plan, rate, genesis, height, holders, txids))
    return WrittenMarket(height=height, payments=len(txids))


def _check_past(plan: MarketPlan) -> None:
    end_ms = BEGAN_MS + plan.days * DAY_MS + 2 * BLOCK_MS
    days_max = int((time.time() * 1_000 - BEGAN_MS - 2 * BLOCK_MS) // DAY_MS)
    if end_ms > time.time() * 1_000:
        raise ValueError(f"a market of {plan.days} days would end in the future; {days_max} fit")


def _create(
    plan: MarketPlan, directory: Path, home: Path, holders: dict[str, Holder], report: Report
) -> DevnetDocument:
    if environment_passphrase() is None:
        choose_passphrase(home)
    return create_devnet(
        directory,
        home=home,
        nodes=NODES,
        block_time_ms=BLOCK_TIME_MS,
        keystore=Session(home=home, as_json=False).keystore(),
        report=report,
        complete=lambda members: _completed(members, plan, holders),
    )


def _completed(
    members: MembersDocument, plan: MarketPlan, holders: dict[str, Holder]
) -> MembersDocument:
    """Return the members document with the market's accounts, from its beginning and easy work on."""
    parameters = members.parameters
    return members.model_copy(
        update={
            "time_ms": BEGAN_MS,
            "parameters": parameters | {"genesis_bits": parameters["easiest_bits"]},
            "accounts": [*members.accounts, *account_documents(plan, holders)],
        }
    )


def _configure(path: Path, plan: MarketPlan, member: str) -> NodeConfig:
    """Fit a node's configuration to a market's chain, and return it.

    Ten minutes lie between blocks that were to be a second apart, so the work is the easiest that
    the chain allows and stays so. Nodes search as much less, and blocks keep their pace.
    """
    text = path.read_text()
    if _DUTY not in text:
        raise ValueError(f"{path} does not say {_DUTY}")
    text = text.replace(_DUTY, f"duty = {0.1 / EASIEST_FACTOR:.6f}")
    if member == REGULATOR:
        with (path.parent / SANCTIONS_NAME).open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(("name", "aliases", "account"))
            rows.writerows((name, "", "") for name in plan.listed_names)
        text += f'\n[analytics]\nsanctions = "{SANCTIONS_NAME}"\n'
    write_private(path, text.encode(), replace=True)
    return load_config(path)


def _sealing_key(config: NodeConfig) -> Ed25519PrivateKey:
    key = load_pem_private_key(config.sealing_key.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError(f"{config.sealing_key} is no Ed25519 key")
    return key


def _write_blocks(
    plan: MarketPlan, writer: ChainWriter, signer: Signer, report: Report
) -> list[str]:
    """Write every block and one more, whose votes make the last final; return the txids in order."""
    txids: list[str] = []
    try:
        blocks = list(planned_blocks(plan.payments))
        for block in blocks:
            signed = _signed(block, signer)
            writer.add(signed, block.time_ms)
            txids.extend(transaction.txid.hex() for transaction in signed)
            if block.height % PROGRESS_BLOCKS == 0:
                report(f"block {block.height} of {len(blocks)}, {len(txids)} payments")
        writer.add((), blocks[-1].time_ms + BLOCK_MS)
    finally:
        writer.close()
    return txids


def _signed(block: PlannedBlock, signer: Signer) -> Sequence[SignedTransaction]:
    return [signer.sign(placed, block.height) for placed in block.payments]


def _write_journal(config: NodeConfig, writer: ChainWriter, member: MemberId) -> None:
    """Write a member's journal: a key with votes that its journal lacks would be stopped."""
    path = config.data_dir.parent / "journal" / "votes.log"
    with VoteJournalFile(path) as journal:
        for vote in writer.votes[member]:
            journal.append(vote)


def _labels(
    plan: MarketPlan,
    rate: float,
    genesis: Genesis,
    height: int,
    holders: dict[str, Holder],
    txids: list[str],
) -> LabelsDocument:
    planted: dict[int, list[str]] = {label.number: [] for label in plan.labels}
    for payment, txid in zip(plan.payments, txids, strict=True):
        if payment.pattern >= 0:
            planted[payment.pattern].append(txid)
    return LabelsDocument(
        seed=plan.seed,
        days=plan.days,
        rate=rate,
        chain_id=genesis.chain_id,
        genesis_hash=genesis.header().hash.hex(),
        height=height,
        payments=len(txids),
        accounts={name: holder.address for name, holder in holders.items()},
        patterns=[
            PatternDocument(
                number=label.number,
                typology=label.typology,
                account=None if label.account is None else holders[label.account].address,
                accomplices=[holders[name].address for name in label.accomplices],
                transactions=planted[label.number],
            )
            for label in plan.labels
        ],
    )


def _clear(directory: Path) -> None:
    for path in directory.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != LOCK_NAME:
            path.unlink()
