"""Members, accounts and assets: identifiers, key sets, and records that refuse what they must."""

from __future__ import annotations

from typing import Any

import pytest

from ledger import codec, limits
from ledger.errors import DecodeError
from ledger.identity import (
    Account,
    Asset,
    KeySet,
    Member,
    MemberId,
    Role,
    account_id,
    asset_code,
    is_lei,
    member_id,
)
from ledger.sealers import SealerSet, sealer_set
from tests.factories import CNY, key_set, make_lei, make_network, make_signer
from tests.refusals import refuses

NETWORK = make_network()
MEMBER = NETWORK.genesis.members[MemberId("bank1")]
ACCOUNT = NETWORK.genesis.accounts[NETWORK.holders["alice"].id]
ASSET = NETWORK.genesis.assets[CNY]
KEYS = tuple(sorted(make_signer(name).public_key for name in ("a", "b", "c")))


@pytest.mark.parametrize("record", [MEMBER, ACCOUNT, ASSET, ACCOUNT.keys], ids=type)
def test_records_round_trip(record: Member | Account | Asset | KeySet) -> None:
    """A record's array gives the same record."""
    value = codec.decode(codec.encode(record.to_value()), bytes_max=10_000)
    assert type(record).from_value(value) == record


def test_roles() -> None:
    """A member has the roles that it was given."""
    assert MEMBER.has_role(Role.ISSUER)
    assert not MEMBER.has_role(Role.REGULATOR)


@pytest.mark.parametrize(
    "lei", ["7LTWFZYICNSX8D621K86", "5493001KJTIIGC8Y1R12", "HWUPKR0MPOU8FGXBT394", make_lei(7)]
)
def test_correct_leis(lei: str) -> None:
    """Well-formed identifiers pass, a made one too; two neighbours swapped do not."""
    assert is_lei(lei)
    swapped = lei[:5] + lei[6] + lei[5] + lei[7:]
    assert swapped == lei or not is_lei(swapped)


@pytest.mark.parametrize(
    "lei", ["", "7LTWFZYICNSX8D621K87", "7ltwfzyicnsx8d621k86", "7LTWFZYICNSX8D621K8", "٣" * 20]
)
def test_wrong_leis(lei: str) -> None:
    """Wrong check digits, small letters, another length and foreign digits are refused."""
    assert not is_lei(lei)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (7, "bad_shape"),
        ((1,), "bad_shape"),
        ((1, ()), "bad_shape"),
        ((1, tuple(bytes([n]) * 33 for n in range(limits.KEYS_MAX + 1))), "bad_shape"),
        ((1, (KEYS[0][:32],)), "bad_bytes"),
        ((1, (KEYS[1], KEYS[0])), "keys_unsorted"),
        ((1, (KEYS[0], KEYS[0])), "keys_unsorted"),
        ((0, KEYS), "bad_threshold"),
        ((4, KEYS), "bad_threshold"),
        ((True, KEYS), "bad_integer"),
    ],
    ids=lambda part: repr(part)[:16],
)
def test_each_fault_of_a_key_set_has_its_code(value: Any, code: str) -> None:
    """Keys are sorted and distinct, and the threshold can be met."""
    with refuses(DecodeError, code):
        KeySet.from_value(value)


@pytest.mark.parametrize(
    ("at", "value", "code"),
    [
        (0, "x" * 201, "bad_text"),
        (1, "7LTWFZYICNSX8D621K87", "bad_lei"),
        (1, 7, "bad_lei"),
        (2, ("sealer", "issuer"), "roles_unsorted"),
        (2, ("issuer", "issuer"), "roles_unsorted"),
        (2, ("king",), "bad_choice"),
        (2, ("a",) * 5, "bad_shape"),
        (2, (1, "issuer"), "bad_choice"),
        (2, ((), b"x"), "bad_choice"),
        (3, bytes(32), "bad_bytes"),
        (4, bytes(limits.CERTIFICATE_BYTES_MAX + 1), "bad_bytes"),
        (5, (), "bad_shape"),
    ],
)
def test_each_fault_of_a_member_has_its_code(at: int, value: Any, code: str) -> None:
    """One wrong field is refused with the code of that field."""
    values = list(MEMBER.to_value())
    values[at] = value
    with refuses(DecodeError, code):
        Member.from_value(tuple(values))


@pytest.mark.parametrize(
    ("at", "value", "code"),
    [
        (0, "Bank", "bad_member_id"),
        (1, "person", "bad_choice"),
        (2, "asleep", "bad_choice"),
        (2, (), "bad_choice"),
        (3, (), "bad_shape"),
        (4, -1, "bad_integer"),
    ],
)
def test_each_fault_of_an_account_has_its_code(at: int, value: Any, code: str) -> None:
    """One wrong field is refused with the code of that field."""
    values = list(ACCOUNT.to_value())
    values[at] = value
    with refuses(DecodeError, code):
        Account.from_value(tuple(values))


@pytest.mark.parametrize("name", ["", "1bank", "Bank", "bank_1", "b" * 33, "bank\n", "банк", 7])
def test_wrong_member_ids(name: Any) -> None:
    """A member id is plain lower-case ASCII."""
    with refuses(DecodeError, "bad_member_id"):
        member_id(name)


@pytest.mark.parametrize("code", ["", "cny", "1A", "A" * 13, "CNY\n", "CΝY", b"CNY"])
def test_wrong_asset_codes(code: Any) -> None:
    """An asset code is plain upper-case ASCII; a Greek letter that looks like one is not."""
    with refuses(DecodeError, "bad_asset_code"):
        asset_code(code)


def test_identifiers_at_their_limits() -> None:
    """The longest identifiers are accepted."""
    assert member_id("b" * 32) == "b" * 32
    assert asset_code("A" * 12) == "A" * 12
    assert account_id(bytes(20)) == bytes(20)


@pytest.mark.parametrize(
    ("size", "quorum"), [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (6, 5), (7, 5), (100, 67)]
)
def test_quorum(size: int, quorum: int) -> None:
    """A quorum is floor(2n/3) + 1."""
    keys = {MemberId(f"m{number}"): bytes(33) for number in range(size)}
    sealers = SealerSet(set_id=0, keys=keys)
    assert (sealers.size, sealers.quorum) == (size, quorum)


def test_sealer_set_is_those_with_the_role() -> None:
    """Members without the role are left out; order of entry does not change the hash."""
    members = dict(NETWORK.genesis.members)
    idle = Member.from_value(
        tuple(() if at == 2 else field for at, field in enumerate(MEMBER.to_value()))
    )
    sealers = sealer_set(3, {MemberId("idle"): idle, **dict(reversed([*members.items()]))})
    assert list(sealers.keys) == sorted(members)
    assert sealers == sealer_set(3, members)
    assert sealers.hash != sealer_set(4, members).hash


def test_key_set_of_factories_is_sorted() -> None:
    """The builders give key sets that decode."""
    keys = key_set([make_signer(name) for name in ("c", "a", "b")], 2)
    assert KeySet.from_value(keys.to_value()) == KeySet(keys=KEYS, threshold=2)
