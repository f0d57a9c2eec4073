"""Each rule of a header, broken one at a time on a chain that keeps all the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from consensus.headers import (
    CLOCK_STEP_INTERVALS_MAX,
    may_seal,
    next_bits,
    next_clock_ms,
    validate_header,
    validate_seal,
    validate_target,
    validate_work,
)
from consensus.target import bits_to_target
from ledger.blocks import Header, SealedHeader
from ledger.errors import InvalidHeader
from ledger.identity import MemberId
from ledger.keys import verify
from ledger.parameters import Parameters
from tests.chains import ChainBuilder, make_sealers
from tests.factories import EASIEST_BITS, REGULATOR, make_network, seal
from tests.refusals import refuses

HARD_BITS = 0x1F7FFFFF
Change = Callable[[Header], Header]


@pytest.fixture
def chain() -> ChainBuilder:
    """Return a chain of four sealers with blocks on it."""
    return ChainBuilder()


def _check(chain: ChainBuilder, header: Header, parent: SealedHeader) -> None:
    node = chain.tree(() if parent is chain.genesis else (parent,)).get(parent.hash)
    assert node is not None
    validate_header(
        header,
        parent.header,
        rules=chain.rules,
        recent_sealers=node.recent_sealers,
        history_root=node.history.root(),
    )


def test_a_chain_that_keeps_every_rule_is_accepted(chain: ChainBuilder) -> None:
    """Headers by the rules raise nothing, and each is one node of the tree."""
    blocks = chain.extend(chain.genesis, 12)
    assert len(chain.tree(blocks)) == 13


RULES: list[tuple[str, Change]] = [
    ("wrong_height", lambda h: replace(h, height=h.height + 1)),
    ("wrong_height", lambda h: replace(h, height=h.height - 1)),
    ("wrong_clock", lambda h: replace(h, clock_ms=h.clock_ms + 1)),
    ("wrong_clock", lambda h: replace(h, time_ms=h.time_ms + 1)),
    ("not_sealer", lambda h: replace(h, sealer=MemberId("nobody"))),
    ("wrong_history_root", lambda h: replace(h, history_root=bytes(32))),
    ("wrong_sealer_set", lambda h: replace(h, set_id=h.set_id + 1)),
    ("wrong_sealer_set", lambda h: replace(h, set_hash=bytes(32))),
    ("wrong_next_set", lambda h: replace(h, next_set_id=h.next_set_id + 1)),
    ("wrong_next_set", lambda h: replace(h, next_set_hash=bytes(32))),
]


@pytest.mark.parametrize(("code", "change"), RULES)
def test_a_header_that_breaks_one_rule_names_it(
    chain: ChainBuilder, code: str, change: Change
) -> None:
    """Each rule has its own code, and the error carries the height and the sealer."""
    parent = chain.child(chain.genesis)
    header = change(chain.draft(parent))
    with pytest.raises(InvalidHeader) as caught:
        _check(chain, header, parent)
    assert caught.value.code == code
    assert caught.value.fields == {"height": header.height, "sealer": header.sealer}


@pytest.mark.parametrize("bits", [EASIEST_BITS - 1, EASIEST_BITS + 1, HARD_BITS])
def test_threat_31_bits_other_than_the_rule_gives_are_refused(
    chain: ChainBuilder, bits: int
) -> None:
    """A header may claim neither an easier nor a harder target than ASERT computes."""
    header = replace(chain.draft(chain.genesis), bits=bits)
    with pytest.raises(InvalidHeader, match="wrong_bits"):
        _check(chain, header, chain.genesis)


@pytest.mark.parametrize("step_ms", [0, -1, -10_000])
def test_threat_33_a_time_not_after_the_parents_is_refused(
    chain: ChainBuilder, step_ms: int
) -> None:
    """Time moves forward by a millisecond at least."""
    parent = chain.child(chain.genesis)
    with pytest.raises(InvalidHeader, match="time_not_after_parent"):
        _check(chain, chain.draft(parent, step_ms=step_ms), parent)
    _check(chain, chain.draft(parent, step_ms=1), parent)


@pytest.mark.parametrize(
    ("step_ms", "clock_step_ms"),
    [(1, 1), (9_999, 9_999), (10_000, 10_000), (10_001, 10_000), (7 * 86_400_000, 10_000)],
)
def test_threat_34_the_difficulty_clock_is_capped(
    chain: ChainBuilder, step_ms: int, clock_step_ms: int
) -> None:
    """However far a header's time jumps, the clock moves ten intervals at most."""
    parameters = chain.rules.parameters
    parent = chain.genesis.header
    clock_ms = next_clock_ms(parent, parent.time_ms + step_ms, parameters)
    assert clock_ms - parent.clock_ms == clock_step_ms
    assert clock_step_ms <= CLOCK_STEP_INTERVALS_MAX * parameters.target_block_ms


def test_threat_34_a_leap_of_a_week_eases_the_target_by_ten_intervals() -> None:
    """A time warp buys what a pause of ten intervals buys, and no more."""
    parameters = Parameters(easiest_bits=EASIEST_BITS, genesis_bits=HARD_BITS)
    chain = ChainBuilder(make_network(accounts=0, parameters=parameters))
    week, pause = (
        chain.draft(chain.genesis, step_ms=step_ms) for step_ms in (7 * 86_400_000, 10_000)
    )
    assert next_bits(week, parameters) == next_bits(pause, parameters)
    eased = bits_to_target(next_bits(week, parameters)) / bits_to_target(HARD_BITS)
    assert eased == pytest.approx(2 ** (9_000 / parameters.half_life_ms), rel=1e-3)


def test_bits_follow_the_schedule() -> None:
    """A chain that is late gets easier, one that is early gets harder."""
    parameters = Parameters(easiest_bits=EASIEST_BITS, genesis_bits=HARD_BITS)
    chain = ChainBuilder(make_network(accounts=0, parameters=parameters))
    on_time, late, early = (
        bits_to_target(next_bits(chain.draft(chain.genesis, step_ms=step_ms), parameters))
        for step_ms in (1_000, 2_000, 500)
    )
    assert early < on_time < late
    assert on_time == bits_to_target(HARD_BITS)


def test_work_below_the_target_is_refused(chain: ChainBuilder) -> None:
    """A hash above the target is no proof of work; the error carries the hash."""
    header = replace(chain.draft(chain.genesis), bits=HARD_BITS)
    sealed = seal(header, chain.network.sealers[header.sealer])
    with pytest.raises(InvalidHeader) as caught:
        validate_work(sealed)
    assert (caught.value.code, caught.value.fields) == ("insufficient_work", {"hash": sealed.hash})


def test_bits_that_are_no_target_are_refused(chain: ChainBuilder) -> None:
    """Bits of a target of zero are a header's error, not a crash."""
    header = replace(chain.draft(chain.genesis), bits=0)
    with pytest.raises(InvalidHeader, match="bits_zero"):
        validate_work(seal(header, chain.network.sealers[header.sealer]))


def test_threat_37_a_member_without_the_role_may_not_seal() -> None:
    """A member of the chain that is no sealer is refused like a stranger, in header and seal."""
    chain = ChainBuilder(make_sealers(3))
    sealed = chain.child(chain.genesis, sealer=REGULATOR)
    with pytest.raises(InvalidHeader, match="not_sealer"):
        chain.tree([sealed])
    with pytest.raises(InvalidHeader, match="bad_seal"):
        validate_seal(sealed, chain.rules.sealers, verify)


def test_a_seal_by_another_member_is_refused(chain: ChainBuilder) -> None:
    """Work cannot be stolen: the member that the header names must have sealed it."""
    sealed = chain.child(chain.genesis, sealer=chain.members[0])
    validate_seal(sealed, chain.rules.sealers, verify)
    stolen = seal(sealed.header, chain.network.sealers[chain.members[1]])
    assert stolen.hash == sealed.hash
    with pytest.raises(InvalidHeader) as caught:
        validate_seal(stolen, chain.rules.sealers, verify)
    assert caught.value.fields == {"sealer": chain.members[0]}


GAPS = {1: 0, 2: 0, 3: 0, 4: 1, 5: 1, 6: 1, 7: 2, 10: 3, 13: 4}
"""Diversity gap by number of sealers at 50 %: min(floor((n - 1) / 2), n - q)."""


@pytest.mark.parametrize(("sealers", "gap"), GAPS.items())
def test_threat_37_a_sealer_waits_out_its_diversity_gap(sealers: int, gap: int) -> None:
    """A sealer may seal again after ``gap`` blocks of others, and not a block earlier.

    Tried at the start of the chain too, where fewer than ``gap`` blocks have been sealed.
    """
    chain = ChainBuilder(make_sealers(sealers))
    assert chain.rules.diversity_gap == gap
    first, others = chain.members[0], chain.members[1:]
    for before in range(3):
        parent = chain.genesis
        for sealer in [others[-1 - at] for at in range(min(before, len(others) - gap))]:
            parent = chain.child(parent, sealer=sealer)
        branch = [*chain.ancestry(parent), chain.child(parent, sealer=first)]
        for waited in range(gap):
            too_early = chain.child(branch[-1], sealer=first)
            with pytest.raises(InvalidHeader, match="diversity"):
                chain.tree([*branch, too_early])
            branch.append(chain.child(branch[-1], sealer=others[waited]))
        branch.append(chain.child(branch[-1], sealer=first))
        chain.tree(branch)


@pytest.mark.parametrize("sealers", range(1, 14))
@pytest.mark.parametrize("percent", [0, 50, 100])
def test_threat_37_the_gap_never_stops_a_quorum(sealers: int, percent: int) -> None:
    """Whatever the diversity parameter, q sealers can go on alone; at 0 % anyone may always."""
    network = make_sealers(sealers, diversity_percent=percent)
    chain = ChainBuilder(network)
    gap, quorum = chain.rules.diversity_gap, chain.rules.sealers.quorum
    assert gap < quorum
    assert gap <= sealers - quorum
    if percent == 0:
        assert gap == 0


def test_the_gap_is_counted_in_blocks_and_genesis_counts_for_nobody(chain: ChainBuilder) -> None:
    """The member that the genesis header names may seal block 1."""
    assert chain.genesis.header.sealer == chain.members[0]
    chain.tree([chain.child(chain.genesis, sealer=chain.members[0])])
    assert may_seal(chain.members[0], ())
    assert not may_seal(chain.members[0], (chain.members[1], chain.members[0]))


def test_threat_35_a_target_easier_than_the_chains_easiest_is_refused() -> None:
    """Before its parent is known: a header whose work costs nothing takes no place anywhere."""
    chain = ChainBuilder()
    sealed = chain.child(chain.genesis)
    hard = replace(chain.rules.parameters, easiest_bits=HARD_BITS)
    assert bits_to_target(sealed.header.bits) > bits_to_target(HARD_BITS)
    with refuses(InvalidHeader, "wrong_bits"):
        validate_target(sealed, hard)
    validate_target(sealed, chain.rules.parameters)
