"""Genesis: canonical bytes, the first header and state, and documents that contradict themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ledger import codec, limits
from ledger.blocks import decode_header
from ledger.errors import DecodeError, InvalidGenesis
from ledger.genesis import NO_SEAL, Genesis, decode_genesis
from ledger.hashing import GENESIS_DOCUMENT
from ledger.identity import AccountId, AssetCode, MemberId
from ledger.parameters import Parameters
from ledger.state import encode_record
from tests.factories import CNY, USD, key_set, make_account_id, make_network, make_signer
from tests.refusals import refuses

NETWORK = make_network()
GENESIS = NETWORK.genesis
ALICE = make_account_id("alice")
BANK1, BANK2 = MemberId("bank1"), MemberId("bank2")
SMALL_ORDER = b"\x01\x01" + bytes(31)


def test_genesis_round_trips() -> None:
    """The canonical bytes give the same genesis, in whatever order it was written."""
    assert decode_genesis(GENESIS.encode()) == GENESIS
    shuffled = replace(GENESIS, members=dict(reversed([*GENESIS.members.items()])))
    assert shuffled.encode() == GENESIS.encode()


def test_header_commits_to_document_and_state() -> None:
    """Block 0 names the document as its parent, the state, and sealer set 0; it has no seal."""
    sealed = GENESIS.header()
    header = sealed.header
    assert decode_header(sealed.header_bytes) == header
    assert header.parent == GENESIS_DOCUMENT(GENESIS.encode())
    assert header.state_root == GENESIS.state_tree().root
    assert (header.height, header.set_id, header.set_hash) == (0, 0, GENESIS.sealers().hash)
    assert sealed.seal == NO_SEAL
    other = replace(GENESIS, chain_id="other")
    assert other.header().hash != sealed.hash


def test_state_holds_everything_and_the_supply() -> None:
    """Every record and balance is an entry, the supply is the sum, and each entry is provable."""
    state, tree = GENESIS.state(), GENESIS.state_tree()
    assert state[b"tCNY"] == sum(held[CNY] for held in GENESIS.balances.values())  # type: ignore[index]  # a literal key
    for key, record in state.items():
        tree.prove(key).verify(root=tree.root, key=key, value=encode_record(record))


def member(name: MemberId, **changes: Any) -> Genesis:
    """Return the genesis with a member changed."""
    return replace(
        GENESIS, members={**GENESIS.members, name: replace(GENESIS.members[name], **changes)}
    )


def account(**changes: Any) -> Genesis:
    """Return the genesis with alice's account changed."""
    return replace(
        GENESIS, accounts={**GENESIS.accounts, ALICE: replace(GENESIS.accounts[ALICE], **changes)}
    )


def balance(amount: int, asset: AssetCode = CNY, holder: AccountId = ALICE) -> Genesis:
    """Return the genesis with one balance added or replaced."""
    return replace(GENESIS, balances={**GENESIS.balances, holder: {asset: amount}})


def without_sealers() -> Genesis:
    """Return the genesis with every member's roles taken away."""
    return replace(
        GENESIS, members={name: replace(m, roles=()) for name, m in GENESIS.members.items()}
    )


def bad_keys() -> Any:
    """Return a key set that holds a key of small order."""
    return replace(key_set([make_signer("a")]), keys=(SMALL_ORDER,))


@pytest.mark.parametrize(
    ("build", "code"),
    [
        (lambda: replace(GENESIS, chain_id=""), "bad_chain_id"),
        (lambda: replace(GENESIS, chain_id="孙" * 22), "bad_chain_id"),
        (lambda: replace(GENESIS, time_ms=-1), "bad_time"),
        (lambda: replace(GENESIS, time_ms=2**53), "bad_time"),
        (without_sealers, "no_sealer"),
        (lambda: member(BANK2, sealing_key=GENESIS.members[BANK1].sealing_key), "shared_key"),
        (lambda: replace(GENESIS, accounts={}), "unknown_account"),
        (lambda: account(member=MemberId("bank9")), "unknown_member"),
        (lambda: replace(GENESIS, assets={CNY: GENESIS.assets[CNY]}), "unknown_asset"),
        (lambda: balance(0), "bad_amount"),
        (lambda: balance(-1), "bad_amount"),
        (lambda: balance(limits.AMOUNT_MAX + 1), "bad_amount"),
        (lambda: balance(limits.AMOUNT_MAX), "supply_overflow"),
        (
            lambda: replace(
                GENESIS, assets={CNY: replace(GENESIS.assets[CNY], issuer=MemberId("bank9"))}
            ),
            "unknown_issuer",
        ),
        (
            lambda: replace(
                GENESIS, members={MemberId(f"m{n}"): GENESIS.members[BANK1] for n in range(1_025)}
            ),
            "too_many_members",
        ),
        (
            lambda: replace(
                GENESIS, assets={AssetCode(f"A{n}"): GENESIS.assets[CNY] for n in range(1_025)}
            ),
            "too_many_assets",
        ),
    ],
)
def test_each_contradiction_has_its_code(build: Callable[[], Genesis], code: str) -> None:
    """A document that no chain can start from is refused by name."""
    with refuses(InvalidGenesis, code):
        build().validate()


@pytest.mark.parametrize(
    "build",
    [
        lambda: member(BANK1, sealing_key=SMALL_ORDER),
        lambda: member(BANK1, officers=bad_keys()),
        lambda: account(keys=bad_keys()),
    ],
)
def test_threat_25_weak_keys_in_genesis(build: Callable[[], Genesis]) -> None:
    """Sealing, officer and account keys of small order are refused."""
    with refuses(InvalidGenesis, "invalid_key"):
        build().validate()


def test_supply_is_counted_an_asset() -> None:
    """Each asset has its own bound."""
    limit = {CNY: limits.AMOUNT_MAX, USD: limits.AMOUNT_MAX}
    replace(GENESIS, balances={ALICE: limit}).validate()


@pytest.mark.parametrize(
    ("at", "value", "code"),
    [
        (0, 7, "bad_text"),
        (1, -1, "bad_integer"),
        (2, (1, 2), "bad_shape"),
        (3, 7, "bad_shape"),
        (3, (("bank1",),), "bad_shape"),
        (3, (("Bank", ()),), "bad_member_id"),
        (4, (("cny", ("Yuan", 2, "bank1")),), "bad_asset_code"),
        (5, ((b"", ()),), "bad_bytes"),
        (6, ((ALICE, (("CNY", 2**63),)),), "bad_integer"),
    ],
)
def test_each_fault_of_the_bytes_has_its_code(at: int, value: Any, code: str) -> None:
    """One wrong part is refused with the code of that part."""
    values = list(codec.decode(GENESIS.encode(), bytes_max=limits.GENESIS_BYTES_MAX))
    values[at] = value
    with refuses(DecodeError, code):
        decode_genesis(codec.encode(tuple(values)))


def test_mappings_are_sorted_in_the_bytes() -> None:
    """Unsorted and repeated keys are refused, so that a genesis has one spelling."""
    values = list(codec.decode(GENESIS.encode(), bytes_max=limits.GENESIS_BYTES_MAX))
    for members in (tuple(reversed(values[3])), (*values[3], values[3][-1])):
        changed = [*values[:3], members, *values[4:]]
        with refuses(InvalidGenesis, "not_canonical"):
            decode_genesis(codec.encode(tuple(changed)))


def test_contradictions_are_found_in_bytes_too() -> None:
    """Decoding validates."""
    with refuses(InvalidGenesis, "no_sealer"):
        decode_genesis(without_sealers().encode())


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("target_block_ms", 9),
        ("target_block_ms", 3_600_001),
        ("half_life_ms", 999),
        ("diversity_percent", 101),
        ("future_ms_max", 999),
        ("block_bytes_max", 64 * 1024 * 1024 + 1),
        ("block_signatures_max", 0),
        ("block_legs_max", 1_000_001),
        ("unproved_blocks_max", 9),
    ],
)
def test_parameters_out_of_range(parameter: str, value: int) -> None:
    """A value that would stop the chain is refused and named."""
    parameters = replace(Parameters(), **{parameter: value})
    with pytest.raises(InvalidGenesis) as caught:
        replace(GENESIS, parameters=parameters).validate()
    assert caught.value.code == "bad_parameter"
    assert caught.value.fields == {"parameter": parameter}


def test_default_parameters_are_valid() -> None:
    """The defaults start a chain and round-trip."""
    Parameters().validate()
    value = codec.decode(Parameters().encode(), bytes_max=1_000)
    assert Parameters.decode(value) == Parameters()
