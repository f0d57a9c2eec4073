"""Who takes part in a development network, and how hard its work is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from consensus.target import target_to_bits
from ledger.genesis_document import AssetDocument
from ledger.identity import AccountKind, Role
from node.config import MiningConfig
from sunlit.network_document import AccountPlan, MemberPlan, NetworkPlan, OfficersPlan

REGULATOR: Final = "regulator"
REGULATOR_OFFICERS: Final = ("regulator", "regulator-checker")

USER_BALANCE: Final = 1_000_000_00  # 1,000,000.00 CNY, in fen
TREASURY_BALANCE: Final = 100_000_000_00

HASHES_PER_SECOND_ASSUMED: Final = 500_000
"""Double SHA-256 a second that one core of a workstation searches; ASERT corrects the rest."""

EASIEST_FACTOR: Final = 64
"""How many times easier than at the start the work may become, for slow machines."""

HALF_LIFE_MS: Final = 120_000
BLOCK_SIGNATURES_MAX: Final = 2_000
BLOCK_LEGS_MAX: Final = 10_000
"""With the signatures, what nodes that share two cores can check within a block interval."""


def plan_network(
    *, chain_id: str, p2p: Sequence[str], api: Sequence[str], block_time_ms: int
) -> NetworkPlan:
    """Return the plan of a network of banks and, last, the regulator.

    Args:
        chain_id: name of the chain.
        p2p: ``HOST:PORT`` of each node for its peers.
        api: ``HOST:PORT`` of each node's API, in the same order.
        block_time_ms: intended time between blocks, milliseconds.
    """
    names = [*(f"bank{number}" for number in range(1, len(p2p))), REGULATOR]
    members = [
        _member(name, number, p2p=p2p[number - 1], api=api[number - 1], names=names)
        for number, name in enumerate(names, start=1)
    ]
    return NetworkPlan(
        chain_id=chain_id,
        parameters=consensus_parameters(sealers=len(names), block_time_ms=block_time_ms),
        members=members,
        assets=[
            AssetDocument(code="CNY", name="Renminbi", decimals=2, issuer="bank1"),
            AssetDocument(code="USD", name="US dollar", decimals=2, issuer="bank1"),
        ],
        accounts=_accounts(banks=names[:-1]),
    )


def consensus_parameters(*, sealers: int, block_time_ms: int) -> dict[str, int]:
    """Return the genesis parameters of a development network of that many sealers."""
    # As many sealers as make a quorum may seal at any time; the others rest (diversity).
    eligible = 2 * sealers // 3 + 1
    hashes_per_second = eligible * MiningConfig().duty * HASHES_PER_SECOND_ASSUMED
    target = (1 << 256) // max(1, int(hashes_per_second * block_time_ms / 1_000))
    return {
        "target_block_ms": block_time_ms,
        "half_life_ms": max(HALF_LIFE_MS, block_time_ms),
        "genesis_bits": target_to_bits(target),
        "easiest_bits": target_to_bits(target * EASIEST_FACTOR),
        "block_signatures_max": BLOCK_SIGNATURES_MAX,
        "block_legs_max": BLOCK_LEGS_MAX,
    }


def make_lei(number: int) -> str:
    """Return a well-formed Legal Entity Identifier that no institution has (ISO 17442).

    The check digits are those of ISO 7064 MOD 97-10.
    """
    base = f"SUNLIT{number:012d}"
    digits = "".join(str(int(character, 36)) for character in f"{base}00")
    return f"{base}{98 - int(digits) % 97:02d}"


def _member(name: str, number: int, *, p2p: str, api: str, names: Sequence[str]) -> MemberPlan:
    is_regulator = name == REGULATOR
    roles = {Role.SEALER, Role.GOVERNOR}
    if is_regulator:
        roles.add(Role.REGULATOR)
    if name == names[0]:
        roles.add(Role.ISSUER)
    officers = (
        OfficersPlan(names=list(REGULATOR_OFFICERS), threshold=2)
        if is_regulator
        else OfficersPlan(names=[f"{name}-officer"])
    )
    return MemberPlan(
        id=name,
        legal_name="Financial Regulator" if is_regulator else f"Bank {number} plc",
        lei=make_lei(number),
        roles=sorted(role.value for role in roles),
        officers=officers,
        p2p=p2p,
        api_listen=api,
    )


def _accounts(*, banks: Sequence[str]) -> list[AccountPlan]:
    # In a network of fewer banks than users, bank1 takes the users that have none.
    holders = [
        ("alice", banks[0], AccountKind.USER, USER_BALANCE),
        ("bob", banks[1] if len(banks) > 1 else banks[0], AccountKind.USER, USER_BALANCE),
        ("carol", banks[2] if len(banks) > 2 else banks[0], AccountKind.USER, USER_BALANCE),
        ("treasury", banks[0], AccountKind.TREASURY, TREASURY_BALANCE),
    ]
    return [
        AccountPlan(name=name, member=member, kind=kind.value, balances={"CNY": str(balance)})
        for name, member, kind, balance in holders
    ]
