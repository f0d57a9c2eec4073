"""The customers: transfers to whichever node, most of them in order, some wrong in every way.

The regulator is among them: it freezes an account now and then and unfreezes it again. Members attest
reports, two of them under one name now and then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from random import Random

from ledger.attestations import DocumentKind
from ledger.attesting import AttestationName, attestation_key
from ledger.identity import AccountStatus
from ledger.state import account_of, next_sequence
from ledger.transactions import NONCE_BYTES, Actor, SignedTransaction
from tests.factories import REGULATOR
from tests.factories import Network as Register
from tests.simulation.machine import Machine

LANES = 3
BATCH_LEGS_MAX = 60
VALIDITY_BLOCKS = (6, 20)
"""For how many blocks a transaction is valid: short, so that what is stuck expires in the run."""
REMEMBERED = 50
"""Submissions that may be submitted again."""

_REPORT, _SUBJECT = DocumentKind.REPORT, "liquidity"


class Customers:
    """Account holders with a careless bookkeeping of their sequences."""

    def __init__(self, register: Register, machines: Sequence[Machine], random: Random) -> None:
        self._register = register
        self._machines = machines
        self._random = random
        self._names = list(register.holders)
        self._next: dict[tuple[str, int], int] = {}
        self._sent: list[bytes] = []
        self.submissions = 0

    def submit(self) -> None:
        """Let one customer do one thing at some node that is up."""
        up = [machine for machine in self._machines if machine.is_up]
        if not up:
            return
        machine = self._random.choice(up)
        self._submit(machine, self._random.choices(_DEEDS, _WEIGHTS)[0](self, machine))

    def _submit(self, machine: Machine, raws: tuple[bytes, ...]) -> None:
        self.submissions += 1
        self._sent = [*self._sent, *raws][-REMEMBERED:]
        machine.submit(self.submissions, raws)

    # --- what they do ------------------------------------------------------------------------

    def _pay(self, machine: Machine) -> tuple[bytes, ...]:
        """Pay in order, several at once now and then."""
        payer, lane = self._payer(machine)
        return tuple(
            self._transfer(machine, payer, lane, self._take(payer, lane)).raw
            for _ in range(self._random.choice((1, 1, 1, 4)))
        )

    def _pay_many(self, machine: Machine) -> tuple[bytes, ...]:
        """Pay a batch of many legs."""
        payer, lane = self._payer(machine)
        legs = self._random.randrange(20, BATCH_LEGS_MAX)
        return (self._transfer(machine, payer, lane, self._take(payer, lane), legs=legs).raw,)

    def _pay_twice(self, machine: Machine) -> tuple[bytes, ...]:
        """Sign two payments with one sequence and hand them to two nodes."""
        payer, lane = self._payer(machine)
        sequence = self._take(payer, lane)
        other = self._random.choice([m for m in self._machines if m is not machine])
        if other.is_up:
            self._submit(other, (self._transfer(other, payer, lane, sequence).raw,))
        return (self._transfer(machine, payer, lane, sequence).raw,)

    def _skip(self, machine: Machine) -> tuple[bytes, ...]:
        """Pay with a sequence ahead of its turn."""
        payer, lane = self._payer(machine)
        ahead = self._next.get((payer, lane), 0) + self._random.randrange(1, 5)
        return (self._transfer(machine, payer, lane, ahead).raw,)

    def _overdraw(self, machine: Machine) -> tuple[bytes, ...]:
        """Pay what nobody has."""
        payer, lane = self._payer(machine)
        sequence = self._next.get((payer, lane), 0)
        return (self._transfer(machine, payer, lane, sequence, amount=10**17).raw,)

    def _forge(self, machine: Machine) -> tuple[bytes, ...]:
        """Break a signature."""
        payer, lane = self._payer(machine)
        sequence = self._next.get((payer, lane), 0)
        raw = bytearray(self._transfer(machine, payer, lane, sequence).raw)
        raw[-1 - self._random.randrange(32)] ^= 1
        return (bytes(raw),)

    def _repeat(self, machine: Machine) -> tuple[bytes, ...]:
        """Submit once more what was submitted somewhere."""
        return (self._random.choice(self._sent),) if self._sent else ()

    def _scribble(self, machine: Machine) -> tuple[bytes, ...]:
        """Send bytes that mean nothing."""
        return (self._random.randbytes(self._random.randrange(200)),)

    def _measure(self, machine: Machine) -> tuple[bytes, ...]:
        """Freeze an account, or unfreeze one that is frozen, with whatever sequence looks next."""
        if machine.engine is None:
            return ()
        chain = machine.engine.chain
        frozen = [
            name
            for name, holder in self._register.holders.items()
            if (record := account_of(chain, holder.id)) and record.status is AccountStatus.FROZEN
        ]
        make = self._register.unfreeze if frozen else self._register.freeze
        measure = make(
            self._random.choice(frozen or self._names),
            sequence=next_sequence(chain, Actor(REGULATOR, 0, 0)),
            valid_from=chain.head.height,
            valid_until=chain.head.height + self._random.randrange(*VALIDITY_BLOCKS),
            nonce=self._random.randbytes(NONCE_BYTES),
        )
        return (measure.raw,)

    def _attest(self, machine: Machine) -> tuple[bytes, ...]:
        """Attest a report; another officer attests another one for the same revision, perhaps."""
        if machine.engine is None:
            return ()
        chain = machine.engine.chain
        member = self._random.choice(list(self._register.genesis.members))
        names = (AttestationName(member, _REPORT, _SUBJECT, number) for number in count(1))
        revision = next(n.revision for n in names if chain.get(attestation_key(n)) is None)
        sequence = next_sequence(chain, Actor(member, 0, 0))
        return tuple(
            self._register.attest(
                bytes([revision % 2, at]),
                kind=_REPORT,
                subject=_SUBJECT,
                revision=revision,
                member=member,
                sequence=sequence + at,
                valid_from=chain.head.height,
                valid_until=chain.head.height + self._random.randrange(*VALIDITY_BLOCKS),
                nonce=self._random.randbytes(NONCE_BYTES),
            ).raw
            for at in range(self._random.choice((1, 1, 2)))
        )

    # --- how they do it ----------------------------------------------------------------------

    def _payer(self, machine: Machine) -> tuple[str, int]:
        """Choose an account and a lane; look its sequence up now and then, as after a refusal."""
        payer, lane = self._random.choice(self._names), self._random.randrange(LANES)
        if machine.engine is not None and self._random.random() < 0.2:
            actor = Actor(self._register.holders[payer].id, lane, 0)
            self._next[payer, lane] = next_sequence(machine.engine.chain, actor)
        return payer, lane

    def _take(self, payer: str, lane: int) -> int:
        sequence = self._next.get((payer, lane), 0)
        self._next[payer, lane] = sequence + 1
        return sequence

    def _transfer(
        self,
        machine: Machine,
        payer: str,
        lane: int,
        sequence: int,
        *,
        legs: int = 1,
        amount: int | None = None,
    ) -> SignedTransaction:
        height = machine.engine.chain.head.height if machine.engine is not None else 0
        payees = self._random.choices([name for name in self._names if name != payer], k=legs)
        return self._register.transfer(
            *(
                self._register.leg(payer, payee, amount or self._random.randrange(1, 500_000))
                for payee in payees
            ),
            sequence=sequence,
            lane=lane,
            valid_from=height,
            valid_until=height + self._random.randrange(*VALIDITY_BLOCKS),
            nonce=self._random.randbytes(NONCE_BYTES),
        )


_DEEDS: tuple[Callable[[Customers, Machine], tuple[bytes, ...]], ...] = (
    Customers._pay,
    Customers._pay_many,
    Customers._pay_twice,
    Customers._skip,
    Customers._overdraw,
    Customers._forge,
    Customers._repeat,
    Customers._scribble,
    Customers._measure,
    Customers._attest,
)
_WEIGHTS = (70, 4, 6, 5, 4, 3, 5, 3, 4, 2)
