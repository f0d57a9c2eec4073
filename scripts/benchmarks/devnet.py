"""A development network for measuring: `sunlit dev up`, many funded accounts, signed payments."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.identity import AccountId, AccountKind, AssetCode, KeySet, MemberId
from ledger.keys import SCHEME_ED25519
from ledger.kinds import Effect, Leg, OpenAccount, Transfer
from ledger.limits import LANES
from ledger.transactions import (
    NONCE_BYTES,
    Actor,
    Body,
    Signature,
    SignedTransaction,
    assemble,
    opened_account_id,
    signing_message,
)
from scripts.benchmarks.watch import watching
from wallet.client import NodeClient
from wallet.keystore import Keystore, SigningKey
from wallet.profile import Profile, load_profile

CNY = AssetCode("CNY")
BANK = MemberId("bank1")
OFFICER, TREASURY, REGULATOR_OFFICER = "bank1-officer", "treasury", "regulator"
OPENING_BALANCE = 1_000_000
"""What each new account is given, smallest units."""
VALIDITY_BLOCKS = 9_000


@dataclass(frozen=True, slots=True)
class Payer:
    """An account whose key is here."""

    account: AccountId
    private_key: Ed25519PrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class DevelopmentNetwork:
    """A running network and its secrets."""

    urls: tuple[str, ...]
    """Base URL of each node's API."""
    pids: tuple[int, ...]
    """Each node's process."""
    profile: Profile
    """Its chain, and which node is whose."""
    officer: Ed25519PrivateKey
    """Signs for `BANK`."""
    treasury: Payer
    """Holds what new accounts are funded with."""
    regulator: SigningKey
    """An officer of the regulator."""

    def pid_of(self, member: MemberId) -> int:
        """Return the process of a member's node."""
        return self.pids[self.urls.index(self.profile.node_of(member).api)]

    def sign(
        self, effect: Effect, actor: Actor, private_key: Ed25519PrivateKey
    ) -> SignedTransaction:
        """Return the signed transaction of one actor with one key."""
        body = Body(
            genesis_hash=self.profile.genesis_hash,
            valid_from=0,
            valid_until=VALIDITY_BLOCKS,
            nonce=os.urandom(NONCE_BYTES),
            actors=(actor,),
            reference="",
            payload=b"",
            effect=effect,
        )
        signature = private_key.sign(signing_message(body.encode()))
        return assemble(body, (Signature(_public_key(private_key), signature),))


@contextmanager
def development_network(directory: Path, *, nodes: int) -> Iterator[DevelopmentNetwork]:
    """Hold a new network running, its data in a folder under ``directory`` that goes with it."""
    directory.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=directory, prefix="devnet-") as folder:
        home, data = Path(folder) / "home", Path(folder) / "network"
        passphrase = secrets.token_hex(16)
        environment = os.environ | {"SUNLIT_HOME": str(home), "SUNLIT_PASSPHRASE": passphrase}
        try:
            up = _sunlit(environment, "up", "--nodes", str(nodes), "--dir", str(data), "--detach")
            keystore = Keystore(home, passphrase=lambda: passphrase)
            treasury = keystore.signing_key(TREASURY)
            if treasury.entry.account is None:
                raise AssertionError("a development network opens its treasury")
            yield DevelopmentNetwork(
                urls=tuple(node["api"] for node in up["nodes"]),
                pids=tuple(node["pid"] for node in up["nodes"]),
                profile=load_profile(home),
                officer=keystore.signing_key(OFFICER).private_key,
                treasury=Payer(treasury.entry.account, treasury.private_key),
                regulator=keystore.signing_key(REGULATOR_OFFICER),
            )
        finally:
            if data.exists():
                _sunlit(environment, "down", "--dir", str(data))


async def fund_accounts(
    network: DevelopmentNetwork, count: int, *, balance: int = OPENING_BALANCE
) -> list[Payer]:
    """Open ``count`` accounts of `BANK` and give each ``balance`` smallest units; all is final."""
    keys = [Ed25519PrivateKey.generate() for _ in range(count)]
    openings = [
        network.sign(_opening(key), Actor(BANK, 0, number), network.officer)
        for number, key in enumerate(keys)
    ]
    payers = [
        Payer(opened_account_id(opening.txid), key)
        for opening, key in zip(openings, keys, strict=True)
    ]
    legs = tuple(Leg(network.treasury.account, payer.account, CNY, balance) for payer in payers)
    treasury = network.treasury
    funding = network.sign(Transfer(legs=legs), Actor(treasury.account, 0, 0), treasury.private_key)
    async with NodeClient(network.urls[0]) as client, watching(network.urls[0]) as watch:
        for transactions in (openings, [funding]):
            await submit_all(client, transactions)
            await watch.until_final(transactions)
    return payers


class Payments:
    """Signed payments by each payer in turn, round after round, over all lanes."""

    def __init__(self, network: DevelopmentNetwork, payers: Sequence[Payer]) -> None:
        self._network = network
        self._payers = payers
        self._made = 0

    def take(self, count: int, *, legs: int = 1) -> list[SignedTransaction]:
        """Return the next ``count`` payments; each pays the ``legs`` accounts after its payer."""
        taken = [self._payment(number, legs) for number in range(self._made, self._made + count)]
        self._made += count
        return taken

    def _payment(self, number: int, legs: int) -> SignedTransaction:
        turn, at = divmod(number, len(self._payers))
        sequence, lane = divmod(turn, LANES)
        payer = self._payers[at]
        others = (self._payers[(at + 1 + leg) % len(self._payers)] for leg in range(legs))
        effect = Transfer(
            legs=tuple(Leg(payer.account, other.account, CNY, 1 + at % 7) for other in others)
        )
        return self._network.sign(effect, Actor(payer.account, lane, sequence), payer.private_key)


def shares(transactions: Sequence[SignedTransaction], count: int) -> list[list[SignedTransaction]]:
    """Return the transactions dealt to ``count`` nodes; those of one payer stay together."""
    payers = dict.fromkeys(transaction.body.actors[0].id for transaction in transactions)
    number = {payer: at for at, payer in enumerate(payers)}
    dealt: list[list[SignedTransaction]] = [[] for _ in range(count)]
    for transaction in transactions:
        dealt[number[transaction.body.actors[0].id] % count].append(transaction)
    return dealt


async def submit_all(
    client: NodeClient, transactions: Sequence[SignedTransaction], *, batch: int = 250
) -> None:
    """Submit transactions in batches, in order; each must be taken."""
    waiting = iter(transactions)
    while chunk := list(islice(waiting, batch)):
        for result in await client.submit_batch([transaction.raw for transaction in chunk]):
            if result.get("status") not in ("pending", "included", "final"):
                raise AssertionError(f"a payment was refused: {result}")


def processor_seconds(pids: Sequence[int]) -> float:
    """Return the processor time of some processes and all that they started, seconds."""
    statistics = dict(_statistics())
    family = set(pids)
    while True:
        children = {pid for pid, (parent, _) in statistics.items() if parent in family}
        if children <= family:
            break
        family |= children
    ticks = sum(statistics[pid][1] for pid in family if pid in statistics)
    return ticks / os.sysconf("SC_CLK_TCK")


def children(parent: int) -> list[int]:
    """Return the processes that a process started and that still run."""
    return [pid for pid, (its_parent, _) in _statistics() if its_parent == parent]


def _statistics() -> Iterator[tuple[int, tuple[int, int]]]:
    """Yield each process's id with its parent's and its clock ticks, user and system (proc(5))."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        after_name = text.rpartition(")")[2].split()
        yield int(path.parent.name), (int(after_name[1]), int(after_name[11]) + int(after_name[12]))


def _opening(key: Ed25519PrivateKey) -> OpenAccount:
    keys = KeySet(keys=(_public_key(key),), threshold=1)
    return OpenAccount(account_kind=AccountKind.USER, keys=keys)


def _public_key(key: Ed25519PrivateKey) -> bytes:
    return bytes([SCHEME_ED25519]) + key.public_key().public_bytes_raw()


def _sunlit(environment: dict[str, str], *arguments: str) -> dict[str, Any]:
    """Return the document that a `sunlit dev` command prints."""
    command = [sys.executable, "-m", "sunlit", "dev", *arguments, "--json"]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    document: dict[str, Any] = json.loads(done.stdout)
    return document
