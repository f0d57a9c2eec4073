"""A market of any size as decoded blocks, for what follows the decoder.

A hundred thousand accounts, few of which pay much, pay anyone; half of the legs are payments of their
own, half stand in batches of a hundred, as salaries do. Hardly anyone pays the same account twice,
which is the worst case for sums by pair.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Final

from ledger.blocks import Block, SealedHeader
from ledger.genesis import Genesis
from ledger.hashing import TRANSACTION_ID, TxId
from ledger.identity import ACCOUNT_ID_BYTES, AccountId
from ledger.kinds import Leg, Transfer
from ledger.transactions import NONCE_BYTES, Actor, Body, Signature, SignedTransaction
from tests.factories import CNY, make_account, make_network

DAYS: Final = 60
"""Days that the chain spans."""
BLOCK_LEGS: Final = 5_000
BATCH_LEGS: Final = 100
BANKS: Final = 8
OPENING: Final = 10**13
SEED: Final = 8


class SyntheticMarket:
    """Blocks as a decoder gives them; nothing in them is signed, for nobody looks."""

    def __init__(self, accounts: int, *, blocks: int) -> None:
        self._random = Random(SEED)
        network = make_network(banks=BANKS, accounts=1)
        record = make_account(network.holders["alice"])
        banks = [name for name in network.genesis.members if name.startswith("bank")]
        self.ids = [AccountId(self._random.randbytes(ACCOUNT_ID_BYTES)) for _ in range(accounts)]
        self.genesis: Genesis = replace(
            network.genesis,
            accounts={
                account: replace(record, member=banks[place % len(banks)])
                for place, account in enumerate(self.ids)
            },
            balances={account: {CNY: OPENING} for account in self.ids},
        )
        self.genesis_hash = self.genesis.header().hash
        self._blocks = blocks
        self._step_ms = DAYS * 86_400_000 // blocks
        self._signature = Signature(bytes(33), bytes(64))

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks, each made when it is asked for."""
        parent = self.genesis.header()
        for height in range(1, self._blocks + 1):
            transactions = tuple(self._transactions())
            header = replace(
                parent.header,
                height=height,
                parent=parent.hash,
                time_ms=parent.header.time_ms + self._step_ms,
                transaction_count=len(transactions),
            )
            sealed = SealedHeader(header=header, header_bytes=header.encode(), seal=bytes(64))
            yield Block(sealed=sealed, transactions=transactions, certificates=())
            parent = sealed

    def _transactions(self) -> Iterator[SignedTransaction]:
        for _ in range(BLOCK_LEGS // 2):
            yield self._transfer(1)
        for _ in range(BLOCK_LEGS // 2 // BATCH_LEGS):
            yield self._transfer(BATCH_LEGS)

    def _transfer(self, legs: int) -> SignedTransaction:
        random, ids = self._random, self.ids
        debit = ids[min(int(random.paretovariate(0.5)) - 1, len(ids) - 1)]
        effect = Transfer(
            legs=tuple(
                Leg(
                    debit, ids[int(random.random() * len(ids))], CNY, 1 + int(random.random() * 1e6)
                )
                for _ in range(legs)
            )
        )
        nonce = random.randbytes(NONCE_BYTES)
        body = Body(
            genesis_hash=self.genesis_hash,
            valid_from=0,
            valid_until=1,
            nonce=nonce,
            actors=(Actor(debit, 0, 0),),
            reference="",
            payload=b"",
            effect=effect,
        )
        # A txid hashes its body; a nonce makes it as random as a body does.
        return SignedTransaction(
            body=body,
            body_bytes=nonce,
            signatures=(self._signature,),
            raw=nonce,
            txid=TxId(TRANSACTION_ID(nonce)),
        )
