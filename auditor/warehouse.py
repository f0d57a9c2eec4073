"""Verifying a regulator's warehouse from outside: a replay of the chain beside what it says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import aclosing
from dataclasses import asdict
from itertools import count
from typing import Any, Final

from analytics.warehouse.digests import BlockDigest
from analytics.warehouse.replay import Replay
from auditor.stream import regulator_key
from ledger.blocks import decode_block
from ledger.genesis import Genesis
from ledger.genesis_document import parse_genesis
from ledger.limits import BLOCK_OVERHEAD_BYTES
from wallet.client import NodeClient
from wallet.connection import connect
from wallet.console import Session, progress
from wallet.errors import ApiError, InvalidRequest
from wallet.profile import Profile
from wallet.session import Json
from wallet.streaming import stream_blocks

PROGRESS_BLOCKS: Final = 1_000
"""Blocks between two lines that say how far it is."""


async def verify_warehouse(session: Session, *, reader: str | None, url: str | None) -> Json:
    """Return what was compared, ``equal``, and the first ``difference`` where there is one.

    Raises:
        ReplayFailed: the blocks do not follow from the genesis document.
        InvalidRequest: ``wrong_chain``, the node's genesis document is of another chain.
    """
    key, profile = regulator_key(session.keystore(), reader), session.profile()
    async with connect(profile, key, url=url or session.node) as connection:
        client = connection.client
        genesis = await _genesis(client, profile)
        said = await client.audit_warehouse_state()
        comparison = _Comparison(genesis)
        async with aclosing(client.audit_warehouse_blocks(said["height"])) as blocks:
            async for block in blocks:
                if not comparison.take(block):
                    break
                if comparison.blocks % PROGRESS_BLOCKS == 0:
                    progress(f"block {comparison.blocks} of {said['height']}")
    comparison.finish(said)
    return comparison.result()


async def _genesis(client: NodeClient, profile: Profile) -> Genesis:
    async with aclosing(stream_blocks(client, first=0, follow=False)) as events:
        first = await anext(events)
    genesis = parse_genesis(json.dumps(first.data["genesis"]))
    if genesis.header().hash != profile.genesis_hash:
        raise InvalidRequest("wrong_chain", "the node's genesis document is of another chain")
    return genesis


class _Comparison:
    """The replay, and how far it agrees."""

    def __init__(self, genesis: Genesis) -> None:
        self._replay = Replay(genesis)
        self._block_bytes_max = genesis.parameters.block_bytes_max + BLOCK_OVERHEAD_BYTES
        self._heights = count()
        self._difference: Json | None = None
        self._counts = {"blocks": 0, "transactions": 0, "legs": 0}
        self._last: Json = {}

    @property
    def blocks(self) -> int:
        """Blocks that agreed, the genesis document among them."""
        return self._counts["blocks"]

    def take(self, said: Json) -> bool:
        """Replay a block and compare; return whether all is equal so far."""
        height = next(self._heights)
        if said["height"] != height:
            self._differ(height, "block", "missing", "present")
            return False
        digest = asdict(self._digest(height, said["block"]))
        for name, expected in digest.items():
            if said[name] != expected:
                self._differ(height, name, said[name], expected)
                return False
        for name, number in (("blocks", 1), ("transactions", digest["transactions"]),
                             ("legs", digest["legs"])):  # fmt: skip
            self._counts[name] += number
        return True

    def finish(self, said: Json) -> None:
        """Compare the state after the last block."""
        if self._difference is None and self.blocks != said["height"] + 1:
            self._differ(self.blocks, "block", "missing", "present")
        self._last = asdict(self._replay.state())
        if self._difference is not None:
            return
        for name, expected in self._last.items():
            if said[name] != expected:
                self._differ(said["height"], name, said[name], expected)
                return

    def result(self) -> Json:
        """Return what the command prints."""
        result: Json = {**self._counts, **dict(self._account()), "equal": self._difference is None}
        return result if self._difference is None else {**result, "difference": self._difference}

    def _account(self) -> Iterator[tuple[str, Any]]:
        return ((name, self._last[name]) for name in ("accounts", "height", "hash"))

    def _digest(self, height: int, text: str) -> BlockDigest:
        if height == 0:
            return self._replay.begin()
        try:
            raw = bytes.fromhex(text)
        except ValueError:
            raise ApiError("bad_answer", "a block is not in hexadecimal", status=200) from None
        return self._replay.apply(decode_block(raw, bytes_max=self._block_bytes_max))

    def _differ(self, height: int, what: str, warehouse: object, chain: object) -> None:
        self._difference = {
            "height": height, "what": what, "warehouse": warehouse, "chain": chain
        }  # fmt: skip


def verification_lines(result: Mapping[str, Any]) -> list[str]:
    """Return a result as lines for people."""
    counted = ("blocks", "transactions", "legs", "accounts")
    numbers = ", ".join(f"{result[name]:,} {name}" for name in counted)
    if result["equal"]:
        return [f"The warehouse equals the chain up to block {result['height']}: {numbers}."]
    found = result["difference"]
    return [
        (
            f"The warehouse differs from the chain at block {found['height']}, in {found['what']}: "
            f"it has {found['warehouse']}, the chain {found['chain']}."
        ),
        f"Equal before: {numbers}.",
    ]
