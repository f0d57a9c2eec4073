"""The state: typed entries under byte keys, read through a view and written as a delta.

key                          value
a ‖ account id               Account
b ‖ account id ‖ asset code  posted balance, smallest units (absent: 0)
d ‖ …                        Attestation (`ledger.attesting` has the key)
m ‖ member id                Member
n ‖ member id                next sequence of the member (absent: 0)
p                            Parameters
q ‖ account id ‖ lane        next sequence of the account's lane (absent: 0)
s ‖ asset code               Asset
t ‖ asset code               total supply, smallest units (absent: 0)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NewType, Protocol, cast

from ledger import codec, limits
from ledger.attestations import Attestation
from ledger.errors import DecodeError
from ledger.identity import Account, AccountId, Asset, AssetCode, Member, MemberId
from ledger.parameters import Parameters
from ledger.transactions import Actor

StateKey = NewType("StateKey", bytes)
Record = Any  # Account | Asset | Attestation | Member | Parameters | int, by the key's first byte

ACCOUNT, BALANCE, MEMBER, MEMBER_SEQUENCE = b"a", b"b", b"m", b"n"
PARAMETERS, ACCOUNT_SEQUENCE, ASSET, SUPPLY = b"p", b"q", b"s", b"t"
ATTESTATION = b"d"
RECORD_BYTES_MAX = 16 * 1024

PARAMETERS_KEY = StateKey(PARAMETERS)

LANE_BYTES = tuple(bytes([lane]) for lane in range(limits.LANES))
"""How the key of a sequence ends, by lane."""


def account_key(account: AccountId) -> StateKey:
    """Return the key of an account's record."""
    return ACCOUNT + account  # type: ignore[return-value] # as `balance_key`


def balance_key(account: AccountId, asset: AssetCode) -> StateKey:
    """Return the key of an account's posted balance of an asset."""
    # Called twice a leg: a call of StateKey would cost as much as the rest.
    return BALANCE + account + asset.encode()  # type: ignore[return-value]


def member_key(member: MemberId) -> StateKey:
    """Return the key of a member's record."""
    return StateKey(MEMBER + member.encode())


def asset_key(asset: AssetCode) -> StateKey:
    """Return the key of an asset's record."""
    return StateKey(ASSET + asset.encode())


def supply_key(asset: AssetCode) -> StateKey:
    """Return the key of an asset's total supply."""
    return StateKey(SUPPLY + asset.encode())


def sequence_key(actor: Actor) -> StateKey:
    """Return the key of the sequence that an actor consumes."""
    identity = actor.id
    if isinstance(identity, str):
        return StateKey(MEMBER_SEQUENCE + identity.encode())
    return ACCOUNT_SEQUENCE + identity + LANE_BYTES[actor.lane]  # type: ignore[return-value]


def encode_record(record: Record) -> bytes:
    """Return the canonical bytes of a record."""
    if type(record) is int:
        return codec.encode(record)
    if isinstance(record, Parameters):
        return record.encode()
    return codec.encode(record.to_value())


def encode_records(
    records: Mapping[StateKey, Record | None],
) -> dict[bytes, bytes | None]:
    """Return the canonical bytes of records by their keys; None where there is none."""
    encode = codec.encode
    return {
        # Nearly all are integers, and a call each would cost more than their encoding.
        key: encode(record)
        if type(record) is int
        else (None if record is None else encode_record(record))
        for key, record in records.items()
    }


def decode_record(key: bytes, data: bytes) -> Record:
    """Return the record that ``data`` encodes, as the key's first byte tells its type.

    Raises:
        DecodeError: not the canonical encoding of such a record.
    """
    value = codec.decode(data, bytes_max=RECORD_BYTES_MAX)
    decoder = _DECODERS.get(key[:1])
    if decoder is None:
        raise DecodeError("unknown_state_key", f"no record has the prefix {key[:1].hex()}")
    return decoder(value)


def _decode_int(value: codec.Value) -> int:
    return codec.uint(value, "state integer")


_DECODERS: Mapping[bytes, Callable[[codec.Value], Record]] = {
    ACCOUNT: Account.from_value,
    ATTESTATION: Attestation.from_value,
    BALANCE: _decode_int,
    MEMBER: Member.from_value,
    MEMBER_SEQUENCE: _decode_int,
    PARAMETERS: Parameters.decode,
    ACCOUNT_SEQUENCE: _decode_int,
    ASSET: Asset.from_value,
    SUPPLY: _decode_int,
}


class StateView(Protocol):
    """Read access to a state."""

    def get(self, key: StateKey) -> Record | None:
        """Return the record under ``key``, or None."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """A change of state: both the write (``after``) and its undo (``before``).

    Both have the same keys; None stands for absence.
    """

    before: Mapping[StateKey, Record | None]
    after: Mapping[StateKey, Record | None]


class Overlay:
    """A writable layer over a view, which must not change meanwhile: what is read is kept."""

    __slots__ = ("below", "read", "written")

    def __init__(self, base: StateView) -> None:
        self.below = base.get
        """Reads the view."""
        self.read: dict[StateKey, Record | None] = {}
        """Records of the view that were read, and absences."""
        self.written: dict[StateKey, Record | None] = {}
        """Records that were written, and absences."""

    def get(self, key: StateKey) -> Record | None:
        """Return the record under ``key``, written here or below."""
        if key in self.written:
            return self.written[key]
        if key in self.read:
            return self.read[key]
        record = self.read[key] = self.below(key)
        return record

    def put(self, key: StateKey, record: Record | None) -> None:
        """Write a record, or its absence."""
        self.written[key] = record

    def put_all(self, records: Mapping[StateKey, Record | None]) -> None:
        """Write several records, or their absence."""
        self.written.update(records)

    def delta(self) -> Delta:
        """Return what was written, without entries that ended as they were."""
        before: dict[StateKey, Record | None] = {}
        after: dict[StateKey, Record | None] = {}
        read = self.read
        for key, record in self.written.items():
            below = read[key] if key in read else self.below(key)
            if below is not record and below != record:
                before[key], after[key] = below, record
        return Delta(before=before, after=after)


def account_of(view: StateView, account: AccountId) -> Account | None:
    """Return the account's record, or None."""
    record: Account | None = view.get(account_key(account))
    return record


def member_of(view: StateView, member: MemberId) -> Member | None:
    """Return the member's record, or None."""
    record: Member | None = view.get(member_key(member))
    return record


def asset_of(view: StateView, asset: AssetCode) -> Asset | None:
    """Return the asset's record, or None."""
    record: Asset | None = view.get(asset_key(asset))
    return record


def balance_of(view: StateView, account: AccountId, asset: AssetCode) -> int:
    """Return the posted balance in smallest units; 0 where there is none."""
    return view.get(balance_key(account, asset)) or 0


def supply_of(view: StateView, asset: AssetCode) -> int:
    """Return the asset's total supply in smallest units."""
    return view.get(supply_key(asset)) or 0


def next_sequence(view: StateView, actor: Actor) -> int:
    """Return the next unused sequence number of the actor's lane."""
    return view.get(sequence_key(actor)) or 0


def parameters_of(view: StateView) -> Parameters:
    """Return the chain's parameters; every state has them."""
    parameters: Parameters = cast("Parameters", view.get(PARAMETERS_KEY))
    return parameters
