"""labels.json: what was planted in a market on a chain, for judges alone; no node reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from scripts.markets.payments import Label
from wallet.files import write_private

LABELS_NAME: Final = "labels.json"


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class PatternDocument(_Document):
    """One planted pattern."""

    number: int
    """Its number in the market, from 0."""
    typology: str
    """What it is."""
    account: str | None
    """Account that a warning should be about, ``sun1…``; null where it is the market."""
    accomplices: list[str]
    """The other accounts in it."""
    transactions: list[str]
    """Its payments, txids in lower-case hex, by time."""


class LabelsDocument(_Document):
    """The whole file."""

    format: Literal["sunlit-market/1"] = "sunlit-market/1"
    seed: int
    days: int
    rate: float
    """What the market was drawn from; its accounts are counted below."""
    chain_id: str
    genesis_hash: str
    """The chain that holds it, lower-case hex."""
    height: int
    """Its last block; what came later is no part of the market."""
    payments: int
    """Number of its transactions."""
    accounts: dict[str, str]
    """Account ids by the names of the parties."""
    patterns: list[PatternDocument]
    """In order of their numbers."""

    def labels(self) -> list[Label]:
        """Return the patterns as judges take them, with account ids."""
        return [
            Label(one.number, one.typology, one.account, tuple(one.accomplices))
            for one in self.patterns
        ]

    def pattern_of(self) -> dict[str, int]:
        """Return the number of the pattern that each planted transaction belongs to."""
        return {txid: one.number for one in self.patterns for txid in one.transactions}


def save_labels(directory: Path, document: LabelsDocument) -> None:
    """Write the labels beside the members' directories, for their owner alone."""
    content = document.model_dump_json(indent=1).encode() + b"\n"
    write_private(directory / LABELS_NAME, content, replace=True)


def load_labels(directory: Path) -> LabelsDocument:
    """Return a market's labels.

    Raises:
        ValueError: there are none, or they are damaged.
    """
    path = directory / LABELS_NAME
    try:
        return LabelsDocument.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise ValueError(f"no market in {directory}; scripts/market --out makes one") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "document"
        raise ValueError(f"{path}: {where}: {first['msg']}") from None
