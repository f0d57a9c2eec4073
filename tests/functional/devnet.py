"""A development network as a user has it: `sunlit dev up`, its commands, its HTTP API."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import aiohttp

from ledger.addresses import encode_account_id
from ledger.identity import AccountId, AssetCode, MemberId
from ledger.kinds import Leg, Transfer
from ledger.transactions import NONCE_BYTES, Actor, SignedTransaction
from sunlit.devnet_document import is_devnet
from wallet.building import sign_transaction
from wallet.connection import token_source
from wallet.keystore import Keystore
from wallet.profile import Profile, load_profile

HANG_S = 120  # a command that never ends fails the test instead of hanging it
CNY = AssetCode("CNY")

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

    def command(self, *words: str) -> Sequence[str]:
        """Return the command line of `sunlit`."""
        return (sys.executable, "-m", "sunlit", *words)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a user whose home this is."""
        return os.environ | {"SUNLIT_HOME": str(self.home)}

    def up(self) -> None:
        """Start what is down."""
        words: tuple[str, ...] = ("--dir", str(self.directory))
        if not is_devnet(self.directory):
            words = (*words, "--nodes", "3", "--block-time-ms", "500")
        ended = self.sunlit("dev", "up", *words, "--detach", "--json")
        assert ended.status == 0, ended.stderr
        self.description = ended.document

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


@contextmanager
def running_devnet(directory: Path) -> Iterator[Devnet]:
    """Hold a development network; on leaving none of its processes is left."""
    net = Devnet(directory)
    try:
        net.up()
        yield net
    finally:
        net.sunlit("dev", "down", "--dir", str(net.directory))
