"""A node's data with a long chain in it, written by the engine and the store of a node.

One member seals alone, so that its own votes make blocks final. Every transaction is signed. Two
checks are left out, because they cost most of the time and their answers are known: signatures are
not verified, and keys are not looked at when accounts are opened.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from unittest import mock

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consensus.headers import ChainRules
from consensus.target import target_to_bits
from ledger.genesis import Genesis
from ledger.hashing import BlockHash
from ledger.identity import AccountId, AccountKind, Asset, KeySet, MemberId
from ledger.keys import SCHEME_ED25519, verify
from ledger.kinds import Effect, Entry, Issue, Leg, OpenAccount, Transfer
from ledger.parameters import Parameters
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
from node.core.effects import (
    CommitChain,
    LogTransactions,
    RecordVote,
    Reply,
    RetireTransactions,
    StartMining,
    StoreBlock,
    StoreCertificate,
    StoreEvidence,
    StoreFinality,
    VerifySignatures,
)
from node.core.engine import Engine
from node.core.events import Event, NonceFound, SignaturesVerified, Tick, TransactionsSubmitted
from node.core.ports import Environment
from node.core.timing import Now
from node.storage.chain_store import RocksStore
from node.storage.vote_journal import VoteJournalFile
from node.workers.search import NONCE_BYTES as POW_NONCE_BYTES
from node.workers.search import NONCES, search
from tests.factories import CNY, Signer, make_member, make_signer

MEMBER = MemberId("bank1")
OPENING_BALANCE = 1_000_000
PER_BLOCK = 2_000
OPENINGS_PER_BLOCK = 1_000
"""A member has one lane, and no more than 1,024 of its transactions wait in it."""
HASHES_PER_BLOCK = 20_000
BLOCK_MS = 1_000
BLOCKS_AHEAD = 4
"""Blocks that are signed before they are needed."""
CACHE_MIB = 256
"""Enough for all accounts: the store is written with it, and read with a node's own."""
STORED = (
    *(StoreBlock, CommitChain, StoreCertificate, StoreFinality, StoreEvidence),
    *(LogTransactions, RetireTransactions),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account and its key."""

    id: AccountId
    signer: Signer


def make_genesis(*, certificate: bytes | None = None) -> Genesis:
    """Return the genesis, a day old, of a network of one member that seals alone.

    ``certificate`` is the member's, in DER.
    """
    bits = target_to_bits(2**256 // HASHES_PER_BLOCK)
    return Genesis(
        chain_id="long",
        time_ms=int(time.time() * 1_000) - 86_400_000,
        parameters=Parameters(
            genesis_bits=bits,
            easiest_bits=bits,
            block_signatures_max=PER_BLOCK,
            block_legs_max=10_000,
        ),
        members={MEMBER: make_member(MEMBER, 1, certificate=certificate)},
        assets={CNY: Asset(name="Yuan", decimals=2, issuer=MEMBER)},
        accounts={},
        balances={},
    )


def write_chain(directory: Path, genesis: Genesis, *, transactions: int, accounts: int) -> int:
    """Write the chain of ``transactions`` payments and return its height.

    ``directory`` is that of the node's configuration: ``data`` and ``journal`` go there.
    """
    with mock.patch("ledger.transition.check_registrable"):
        writer = _Writer(directory, genesis)
        try:
            return writer.write(transactions, accounts)
        finally:
            writer.close()


class _Writer:
    """An engine over a node's store and journal, with time and work at hand."""

    def __init__(self, directory: Path, genesis: Genesis) -> None:
        self._genesis_hash = genesis.header().hash
        self._store = RocksStore(directory / "data" / "chain", genesis, CACHE_MIB)
        self._journal = VoteJournalFile(directory / "journal" / "votes.log")
        self._now_ms = genesis.time_ms
        self._job: StartMining | None = None
        self._request_id = 0
        self._officer = make_signer(f"{MEMBER} maker")
        self._engine = Engine(
            Environment(
                member=MEMBER,
                chain_id=genesis.chain_id,
                rules=ChainRules(
                    genesis_hash=self._genesis_hash,
                    parameters=genesis.parameters,
                    sealers=genesis.sealers(),
                ),
                store=self._store,
                votes=self._journal.recovered,
                verify=verify,
                sign=make_signer(f"{MEMBER} sealing").sign,
                random_bytes=bytes,
            )
        )
        self._perform(self._engine.start(self._now))

    @property
    def _now(self) -> Now:
        return Now(wall_ms=self._now_ms, monotonic_ms=self._now_ms)

    def close(self) -> None:
        self._journal.close()
        self._store.close()

    def write(self, transactions: int, count: int) -> int:
        accounts = self._open_accounts(count)
        self._fund(accounts)
        for raws in _signed_beside(self._genesis_hash, accounts, transactions):
            self._block(raws)
        while self._engine.mempool or not self._is_final:
            self._block([])
        return self._engine.chain.head.height

    @property
    def _is_final(self) -> bool:
        """Whether all is final but the last block, which its child will make so."""
        chain = self._engine.chain
        return chain.head.height - chain.tree.root.height <= 1

    def _open_accounts(self, count: int) -> list[Account]:
        accounts, raws = [], []
        for number in range(count):
            signer = _signer(number)
            opening = OpenAccount(
                account_kind=AccountKind.USER,
                keys=KeySet(keys=(signer.public_key,), threshold=1),
            )
            raw = _signed(
                self._genesis_hash, opening, Actor(MEMBER, 0, number), self._officer, number
            )
            accounts.append(Account(id=opened_account_id(raw.txid), signer=signer))
            raws.append(raw.raw)
        for first in range(0, count, OPENINGS_PER_BLOCK):
            self._block(raws[first : first + OPENINGS_PER_BLOCK])
        self._next_sequence = count
        return accounts

    def _fund(self, accounts: Sequence[Account]) -> None:
        for first in range(0, len(accounts), OPENINGS_PER_BLOCK):
            entries = tuple(
                Entry(account.id, OPENING_BALANCE)
                for account in accounts[first : first + OPENINGS_PER_BLOCK]
            )
            sequence = self._next_sequence
            self._next_sequence += 1
            issue = Issue(asset=CNY, entries=entries)
            actor = Actor(MEMBER, 0, sequence)
            signed = _signed(self._genesis_hash, issue, actor, self._officer, sequence)
            self._block([signed.raw])

    def _block(self, raws: Sequence[bytes]) -> None:
        """Submit transactions and seal the next block with them."""
        self._request_id += 1
        self._now_ms += BLOCK_MS
        self._handle(TransactionsSubmitted(request_id=self._request_id, transactions=tuple(raws)))
        self._handle(Tick())
        job = self._job
        if job is None:
            raise AssertionError("a lone sealer always has work")
        nonce = search(job.work_prefix, job.target, 0, NONCES)
        if nonce is None:
            raise AssertionError("a target of so many hashes has a solution")
        self._handle(NonceFound(job_id=job.job_id, nonce=nonce.to_bytes(POW_NONCE_BYTES)))

    def _handle(self, event: Event) -> None:
        self._perform(self._engine.handle(event, self._now))

    def _perform(self, effects: Sequence[object]) -> None:
        self._store.apply([effect for effect in effects if isinstance(effect, STORED)])
        for effect in effects:
            if isinstance(effect, RecordVote):
                self._journal.append(effect.vote)
            elif isinstance(effect, StartMining):
                self._job = effect
            elif isinstance(effect, VerifySignatures):
                verdicts = (True,) * len(effect.items)
                self._handle(SignaturesVerified(job_id=effect.job_id, verdicts=verdicts))
            elif isinstance(effect, Reply) and any(o.status is None for o in effect.outcomes):
                raise AssertionError(f"a transaction was refused: {effect.outcomes[0]}")


def _signed_beside(
    genesis_hash: BlockHash, accounts: Sequence[Account], transactions: int
) -> Iterator[list[bytes]]:
    """Yield the payments of each block, which another process signs meanwhile."""
    context = multiprocessing.get_context("fork")  # the keys go over without being written down
    blocks = range(0, transactions, PER_BLOCK)
    ready: multiprocessing.Queue[list[bytes]] = context.Queue(BLOCKS_AHEAD)

    def make() -> None:
        for first in blocks:
            ready.put(_payments(genesis_hash, accounts, first))

    process = context.Process(target=make)
    process.start()
    for _ in blocks:
        yield ready.get()
    process.join()


def _payments(genesis_hash: BlockHash, accounts: Sequence[Account], first: int) -> list[bytes]:
    """Return a block's payments: each account pays the next in turn, round after round."""
    raws = []
    for number in range(first, first + PER_BLOCK):
        sequence, at = divmod(number, len(accounts))
        payer, payee = accounts[at], accounts[(at + 1) % len(accounts)]
        transfer = Transfer(legs=(Leg(payer.id, payee.id, CNY, 1 + number % 97),))
        actor = Actor(payer.id, 0, sequence)
        raws.append(_signed(genesis_hash, transfer, actor, payer.signer, number).raw)
    return raws


def _signed(
    genesis_hash: BlockHash, effect: Effect, actor: Actor, signer: Signer, number: int
) -> SignedTransaction:
    body = Body(
        genesis_hash=genesis_hash,
        valid_from=0,
        valid_until=9_000,
        nonce=number.to_bytes(NONCE_BYTES),
        actors=(actor,),
        reference="",
        payload=b"",
        effect=effect,
    )
    signature = signer.sign(signing_message(body.encode()))
    return assemble(body, (Signature(signer.public_key, signature),))


def _signer(number: int) -> Signer:
    private = Ed25519PrivateKey.from_private_bytes(sha256(b"payer %d" % number).digest())
    public = bytes([SCHEME_ED25519]) + private.public_key().public_bytes_raw()
    return Signer(f"payer {number}", private, public)
