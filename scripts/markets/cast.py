"""Who is in the market: people, employers, shops, suppliers, landlords, treasuries, and whom each knows."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from random import Random
from typing import Final

BANKS: Final = ("bank1", "bank2", "bank3")
ACCOUNTS_MIN: Final = 60
"""Fewest accounts that make a market."""


@dataclass(slots=True, kw_only=True)
class Party:
    """One account and how its holder lives. Amounts are whole fen."""

    name: str
    """Unique in the market."""
    role: str
    """``person``, ``employer``, ``shop``, ``supplier``, ``landlord``, ``utility`` or ``treasury``."""
    bank: str
    """Member that keeps the account."""
    kind: str
    """Kind of account on the ledger."""
    size: float = 1.0
    """How much of its kind's business it does, 1 on average."""
    wage: int = 0
    """Monthly wage of a person."""
    rent_day: int = 0
    bill_day: int = 0
    """Days of the month on which a person pays the rent and the bills."""
    employer: str = ""
    landlord: str = ""
    haunts: list[str] = field(default_factory=list)
    """Shops of a person, suppliers of a firm; the favourite first."""
    friends: list[str] = field(default_factory=list)
    pays_in_batches: bool = False
    """Whether an employer pays all wages in one transaction."""


def make_cast(accounts: int, random: Random) -> dict[str, Party]:
    """Return that many parties by name.

    Raises:
        ValueError: fewer than ``ACCOUNTS_MIN``.
    """
    if accounts < ACCOUNTS_MIN:
        raise ValueError(f"a market has at least {ACCOUNTS_MIN} accounts")
    firms = {
        "treasury": ("treasury", len(BANKS)),
        "employer": ("institution", max(3, accounts // 50)),
        "shop": ("institution", max(8, accounts // 20)),
        "supplier": ("institution", max(4, accounts // 40)),
        "utility": ("institution", 3),
        "landlord": ("user", max(4, accounts // 9)),
    }
    cast: dict[str, Party] = {}
    for role, (kind, count) in firms.items():
        for number in range(1, count + 1):
            bank = BANKS[number - 1] if role == "treasury" else random.choice(BANKS)
            party = Party(name=f"{role}{number}", role=role, bank=bank, kind=kind)
            party.size = random.lognormvariate(0, 0.5)
            cast[party.name] = party
    for number in range(1, accounts - len(cast) + 1):
        name = f"person{number}"
        cast[name] = Party(name=name, role="person", bank=random.choice(BANKS), kind="user")
    _introduce(cast, random)
    return cast


def of_role(cast: dict[str, Party], role: str) -> list[Party]:
    """Return the parties of a role, in order."""
    return [party for party in cast.values() if party.role == role]


def _introduce(cast: dict[str, Party], random: Random) -> None:
    """Let everybody know the parties with whom they deal."""
    names = {
        role: [party.name for party in of_role(cast, role)]
        for role in ("employer", "shop", "supplier", "landlord", "person")
    }
    for person in of_role(cast, "person"):
        person.wage = int(random.lognormvariate(math.log(7_800_00), 0.4))
        person.rent_day, person.bill_day = random.randrange(5), random.randrange(7, 22)
        person.employer = random.choice(names["employer"])
        person.landlord = random.choice(names["landlord"])
        person.haunts = random.sample(
            names["shop"], k=min(len(names["shop"]), random.randint(4, 9))
        )
        others = [name for name in names["person"] if name != person.name]
        person.friends = random.sample(others, k=random.randint(2, 7))
        person.size = random.lognormvariate(0, 0.35)
    for role in ("shop", "supplier", "employer"):
        for firm in of_role(cast, role):
            others = [name for name in names["supplier"] if name != firm.name]
            firm.haunts = random.sample(others, k=min(len(others), random.randint(2, 4)))
            firm.pays_in_batches = random.random() < 0.6
