"""Sealing: what to mine on, when to refresh it, and the block that a nonce completes."""

from __future__ import annotations

from collections.abc import Iterable

from consensus.finality import FinalityTally
from consensus.headers import may_seal
from consensus.target import bits_to_target
from consensus.tree import BlockNode
from ledger.blocks import Block, Header, SealedHeader, seal_message
from ledger.limits import CERTIFICATES_PER_BLOCK_MAX
from node.core import limits
from node.core.chain import Chain
from node.core.effects import Effect, StartMining, StopMining
from node.core.mempool import Mempool
from node.core.pooled import PooledTransaction
from node.core.ports import Environment
from node.core.template import Template, certificate_room_bytes, framed_bytes
from node.core.timing import Now


class Sealing:
    """The template in work and its mining job."""

    def __init__(
        self, environment: Environment, chain: Chain, mempool: Mempool, tally: FinalityTally
    ) -> None:
        self._environment = environment
        self._chain = chain
        self._mempool = mempool
        self._tally = tally
        self._template: Template | None = None
        self._header: Header | None = None
        self._transactions_in_work = 0
        self._arrived: list[PooledTransaction] = []
        self._job_id = 0
        self._renewed_ms = 0
        self._is_mining = False

    def offer(self, pooled: PooledTransaction) -> None:
        """Note a transaction that came after the template was made."""
        if self._template is not None:
            self._arrived.append(pooled)

    def renew(self, now: Now) -> Iterable[Effect]:
        """Start over on the head; call when the head moved."""
        self._arrived.clear()
        head = self._chain.head
        if not self._may_seal(head):
            self._template = self._header = None
            if self._is_mining:
                self._is_mining = False
                yield StopMining()
            return
        self._template = Template(
            self._chain, head, self._certificates(head), self._environment.member
        )
        if self._chain.may_hold_transactions(head):
            self._template.fill(self._mempool.fair_order())
        yield self._start(self._template, now)

    def refresh(self, now: Now) -> Iterable[Effect]:
        """Take in new transactions and the time, each at its pace; call on every tick."""
        template = self._template
        if template is None:
            return
        waited_ms = now.monotonic_ms - self._renewed_ms
        has_grown = False
        if self._arrived and waited_ms >= limits.TEMPLATE_REFRESH_MS:
            if self._chain.may_hold_transactions(template.parent):
                has_grown = template.fill(self._arrived)
            self._arrived.clear()
        if has_grown or waited_ms >= limits.TEMPLATE_TIME_MS:
            yield self._start(template, now)

    def solve(self, job_id: int, nonce: bytes) -> Block | None:
        """Return the sealed block that a nonce completes; None for a job that is over."""
        template, header, sign = self._template, self._header, self._environment.sign
        if job_id != self._job_id or template is None or header is None or sign is None:
            return None
        solved = header.with_nonce(nonce)
        header_bytes = solved.encode()
        unsealed = SealedHeader(header=solved, header_bytes=header_bytes, seal=b"")
        return Block(
            sealed=SealedHeader(
                header=solved, header_bytes=header_bytes, seal=sign(seal_message(unsealed.hash))
            ),
            transactions=tuple(template.transactions[: self._transactions_in_work]),
            certificates=template.certificates,
        )

    def _start(self, template: Template, now: Now) -> StartMining:
        self._header = template.header(now.wall_ms)
        self._transactions_in_work = len(template.transactions)
        self._renewed_ms = now.monotonic_ms
        self._job_id += 1
        self._is_mining = True
        return StartMining(
            job_id=self._job_id,
            work_prefix=self._header.work_prefix(),
            target=bits_to_target(self._header.bits),
        )

    def _may_seal(self, head: BlockNode) -> bool:
        environment = self._environment
        return (
            environment.is_mining
            and head.descends_from_checkpoint(self._tally.final)
            and environment.sign is not None
            and environment.member in environment.rules.sealers.keys
            and may_seal(environment.member, head.recent_sealers)
        )

    def _certificates(self, head: BlockNode) -> tuple[bytes, ...]:
        """Return the certificates that the next block can add to what its chain proves, as many as fit."""
        proved = list(head.proved.justified)
        chosen: list[bytes] = []
        room_bytes = certificate_room_bytes(self._environment.rules)
        for certificate in self._tally.certificates_above(proved[-1]):
            source, target = certificate.vote.source, certificate.vote.target
            is_ours = self._chain.ancestor_hash(head, target.height) == target.hash
            if not is_ours or source.height not in proved:
                continue
            encoded = certificate.encode()
            room_bytes -= framed_bytes([encoded])
            if room_bytes < 0 or len(chosen) == CERTIFICATES_PER_BLOCK_MAX:
                break  # the next block goes on
            proved.append(target.height)
            chosen.append(encoded)
        return tuple(chosen)
