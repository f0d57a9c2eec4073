"""A development network as a user has it: `sunlit dev up`, its commands, its HTTP API.

Tests share one where they can: the fixtures `net` and `api` of conftest.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import aiohttp

from ledger.addresses import encode_account_id
from ledger.genesis_document import AccountDocument, KeySetDocument
from ledger.identity import ACCOUNT_ID_BYTES, AccountId, AccountKind, AssetCode, MemberId
from ledger.kinds import Leg, Transfer
from ledger.transactions import NONCE_BYTES, Actor, SignedTransaction
from node.config import MiningConfig
from sunlit.devnet import create_devnet
from sunlit.devnet_document import config_path, is_devnet
from sunlit.devnet_plan import USER_BALANCE
from sunlit.home import choose_passphrase
from sunlit.network_document import MembersDocument
from tests import barriers
from tests.functional.mining import EASED_DUTY, eased
from wallet.building import sign_transaction
from wallet.connection import token_source
from wallet.files import make_private_directory, write_private
from wallet.keystore import Keystore, generate_seed
from wallet.profile import Profile, load_profile

HANG_S = barriers.HANG_S
CNY = AssetCode("CNY")
NODES = 3
BLOCK_TIME_MS = 500

Answer = tuple[int, dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended."""

    status: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.stdout)


class Devnet:
    """A running development network: two banks and the regulator, or what is in its directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "network"
        self.home = directory / "home"
        self.description: dict[str, Any] = {}
        self._spare: dict[str, Iterator[str]] = {}

    def sunlit(self, *words: str) -> Ended:
        """Run a command of this home to its end."""
        done = subprocess.run(
            self.command(*words),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=HANG_S,
            check=False,
        )
        return Ended(status=done.returncode, stdout=done.stdout, stderr=done.stderr)

    def done(self, *words: str) -> dict[str, Any]:
        """Run a command with --json, expect success, return its document."""
        ended = self.sunlit(*words, "--json")
        assert ended.status == 0, ended.stderr + ended.stdout
        document: dict[str, Any] = ended.document
        return document

    def command(self, *words: str) -> Sequence[str]:
        """Return the command line of `sunlit`."""
        return (sys.executable, "-m", "sunlit", *words)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a user whose home this is."""
        return os.environ | {"SUNLIT_HOME": str(self.home)}

    def create(self, *, spare_accounts: int = 0) -> None:
        """Write a network as `dev up` does, but with easy work; `up` starts it.

        At each bank are ``spare_accounts`` more, for `take_account`.
        """
        make_private_directory(self.directory)
        choose_passphrase(self.home)
        document = create_devnet(
            self.directory,
            home=self.home,
            nodes=NODES,
            block_time_ms=BLOCK_TIME_MS,
            keystore=self.keystore,
            report=lambda _: None,
            complete=partial(self._completed, spare_accounts=spare_accounts),
        )
        for node in document.nodes:
            ease_mining(config_path(self.directory, node))

    def up(self) -> None:
        """Start what is down."""
        self.description = self.done("dev", "up", "--dir", str(self.directory), "--detach")

    def take_account(self, member: str = "bank1") -> str:
        """Return the name of an account of a bank with 1,000,000.00 CNY that no other test has."""
        name = next(self._spare[member], None)
        assert name is not None, f"{member} has no spare account left"
        return name

    def _completed(self, members: MembersDocument, *, spare_accounts: int) -> MembersDocument:
        """Return the members document with the spare accounts, and with easy work."""
        banks = [entry.id for entry in members.members if "regulator" not in entry.roles]
        spare = {bank: [f"{bank}-spare-{n}" for n in range(spare_accounts)] for bank in banks}
        self._spare = {bank: iter(names) for bank, names in spare.items()}
        accounts = [
            self._add_account(name, MemberId(bank))
            for bank, names in spare.items()
            for name in names
        ]
        return members.model_copy(
            update={
                "parameters": eased(members.parameters),
                "accounts": [*members.accounts, *accounts],
            }
        )

    def _add_account(self, name: str, member: MemberId) -> AccountDocument:
        account = AccountId(os.urandom(ACCOUNT_ID_BYTES))
        entry = self.keystore.add_account(
            name, seed=generate_seed(), member=member, account=account
        )
        return AccountDocument(
            id=encode_account_id(account),
            member=member,
            kind=AccountKind.USER.value,
            keys=KeySetDocument(keys=[entry.public_key.hex()]),
            balances={CNY: str(USER_BALANCE)},
        )

    def node(self, name: str) -> dict[str, Any]:
        """Return what `dev up` printed about a node."""
        return next(node for node in self.description["nodes"] if node["name"] == name)

    @cached_property
    def keystore(self) -> Keystore:
        """The home's keys."""
        passphrase = (self.home / "passphrase").read_text().strip()
        return Keystore(self.home, passphrase=lambda: passphrase)

    @cached_property
    def profile(self) -> Profile:
        """The home's network."""
        return load_profile(self.home)

    def account(self, name: str) -> AccountId:
        """Return the account of a name."""
        account = self.keystore.entry(name).account
        assert account is not None
        return account

    def headers(self, reader: str, node: str) -> dict[str, str]:
        """Return the headers of a key's holder for a node."""
        key = self.keystore.signing_key(reader)
        token = token_source(self.profile, key, MemberId(node)).current().text
        return {"Authorization": f"Bearer {token}"}

    def payment(
        self, payer: str, payee: str, amount: int, *, lane: int, sequence: int, head_height: int
    ) -> SignedTransaction:
        """Return a signed payment of CNY, valid from the head."""
        leg = Leg(self.account(payer), self.account(payee), CNY, amount)
        return sign_transaction(
            Transfer(legs=(leg,)),
            actors=(Actor(leg.debit, lane, sequence),),
            signers=(self.keystore.signing_key(payer),),
            genesis_hash=self.profile.genesis_hash,
            head_height=head_height,
            nonce=os.urandom(NONCE_BYTES),
        )


class Api:
    """The HTTP API of a network's nodes."""

    def __init__(self, net: Devnet, http: aiohttp.ClientSession) -> None:
        self._net = net
        self._http = http

    async def get(self, node: str, path: str, *, reader: str | None = None) -> Answer:
        """Return status and JSON of a GET."""
        headers = {} if reader is None else self._net.headers(reader, node)
        async with self._http.get(self._net.node(node)["api"] + path, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def submit(self, node: str, raw: bytes) -> Answer:
        """Return status and JSON of a submission."""
        url = self._net.node(node)["api"] + "/v1/transactions"
        headers = {"Content-Type": "application/msgpack"}
        async with self._http.post(url, data=raw, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def head_height(self, node: str) -> int:
        """Return the height of a node's head."""
        _, status = await self.get(node, "/v1/status")
        return int(status["head"]["height"])

    async def account(self, name: str) -> dict[str, Any]:
        """Return an account as its holder sees it at the head of its member's node."""
        path = f"/v1/accounts/{encode_account_id(self._net.account(name))}?state=head"
        member = self._net.keystore.entry(name).member
        status, account = await self.get(member, path, reader=name)
        assert status == 200, account
        return account

    async def until_final(self, node: str, txids: set[str], *, first: int) -> None:
        """Return when a node's audit stream has brought all these transactions."""
        url = f"{self._net.node(node)['api']}/v1/audit/blocks?follow=true&from={first}"
        headers = self._net.headers("regulator", node) | {"Accept": "application/x-ndjson"}
        missing = set(txids)
        timeout = aiohttp.ClientTimeout(total=HANG_S)
        async with self._http.get(url, headers=headers, timeout=timeout) as answer:
            async for line in answer.content:
                if line.strip():
                    for transaction in json.loads(line)["transactions"]:
                        missing.discard(transaction["txid"])
                if not missing:
                    return
        raise AssertionError(f"the stream ended before {len(missing)} were final")


def ease_mining(config: Path) -> None:
    """Let a node search as little as its network's work asks for."""
    text, said = config.read_text(), f"duty = {MiningConfig().duty}"
    assert said in text, f"{config} does not say {said}"
    write_private(config, text.replace(said, f"duty = {EASED_DUTY}").encode(), replace=True)


@contextmanager
def running_devnet(directory: Path, *, spare_accounts: int = 0) -> Iterator[Devnet]:
    """Hold the development network that the directory holds, or a new one.

    A new one has ``spare_accounts`` at each bank. On leaving none of its processes is left.
    """
    net = Devnet(directory)
    try:
        if not is_devnet(net.directory):
            net.create(spare_accounts=spare_accounts)
        net.up()
        yield net
    finally:
        net.sunlit("dev", "down", "--dir", str(net.directory))
