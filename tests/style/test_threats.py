"""Every threat that the project answers has a test that names it.

A test names threat 24 with ``threat_24`` in its name, and threats 1 to 6 with ``threats_1_to_6``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]

THREATS = {
    # The wire
    1: "malformed MessagePack",
    2: "depth bomb",
    3: "length lie or oversized frame",
    4: "duplicate keys or maps",
    5: "other bytes than the canonical ones",
    6: "float or NaN",
    7: "decompression bomb",
    8: "slow or half-open connection",
    9: "no certificate, a foreign or an expired one",
    10: "revoked member",
    11: "many connections as one member",
    12: "TLS identity differs from the hello",
    13: "inventory spam",
    14: "peer that never delivers",
    15: "unknown protocol version",
    16: "peer list pointing elsewhere",
    # Transactions
    17: "replay",
    18: "sequence gap",
    19: "two transactions with one sequence",
    20: "amounts that are none",
    21: "credit overflow",
    22: "transfer to oneself",
    23: "another chain's transaction",
    24: "malleated signature",
    25: "small-order or non-canonical key",
    26: "unknown asset, mint without right",
    27: "mempool flood",
    28: "same sequence with another body",
    29: "control characters in text",
    30: "leg order, duplicate or missing signer",
    # Blocks
    31: "wrong state root, tx root or bits",
    32: "duplicated transactions in the tree (CVE-2012-2459)",
    33: "time in the future, or not after the parent's",
    34: "time warp",
    35: "flood of cheap headers",
    36: "orphan flood",
    37: "sealer without the role, or inside its diversity gap",
    38: "selfish mining",
    39: "long withheld fork below the last final block",
    40: "censorship",
    41: "concatenation collisions",
    42: "oversized block",
    # Finality
    43: "double vote",
    44: "surround vote",
    45: "forged, duplicate or non-member vote",
    46: "vote of a removed member",
    47: "a third or more silent",
    48: "conflicting certificates",
    49: "eclipse",
    50: "one key on two hosts, or a journal that met newer votes of its own",
    # The host
    51: "kill at any instant",
    52: "torn write",
    53: "failed fsync",
    54: "full disk",
    55: "flipped bit",
    56: "leap of the clock",
    57: "restored old backup",
    58: "key file readable by others",
    59: "weak key derivation",
    60: "secrets in logs, arguments and dumps",
    61: "log injection",
    # Audit and API
    62: "token without algorithm, life or audience",
    63: "another member's data",
    64: "stolen token",
    65: "queries that read files or run for ever",
    66: "huge range",
    67: "slow stream consumer",
    68: "forged or ancient cursor",
    69: "reorganisation under a stream",
    70: "path traversal",
    71: "pickled data",
    72: "CSV formula injection",
    73: "lying node",
    74: "personal data on the chain",
}
"""The attacks that were thought of."""

UNANSWERED = {38, 40, 49, 56, 65, 74}
"""Those that this version has no answer to, and so no test."""

ONE = re.compile(r"threat_(\d+)")
RANGE = re.compile(r"threats_(\d+)_to_(\d+)")


def _names_of_tests() -> Iterator[str]:
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if node.name.startswith("test_"):
                yield node.name


def _threats_in(name: str) -> set[int]:
    """Return the numbers that the name of a test names."""
    single = {int(number) for number in ONE.findall(name)}
    return single.union(*(range(int(a), int(b) + 1) for a, b in RANGE.findall(name)))


def test_every_answered_threat_has_a_test() -> None:
    """A threat without a test is an answer that nobody checks."""
    tested: set[int] = set().union(*map(_threats_in, _names_of_tests()))
    due = THREATS.keys() - UNANSWERED - tested
    assert {number: THREATS[number] for number in sorted(due)} == {}


def test_no_test_names_a_threat_that_is_not_listed() -> None:
    """A number that the list lacks is a slip, or a new threat that belongs into it."""
    assert [name for name in _names_of_tests() if not _threats_in(name) <= THREATS.keys()] == []


def test_names_are_read_as_they_are_meant() -> None:
    """Single numbers, several of them and ranges are understood, with or without a zero."""
    assert _threats_in("test_of_threat_24") == {24}
    assert _threats_in("test_threat_08_and_threat_43") == {8, 43}
    assert _threats_in("test_threats_1_to_3_of_frames") == {1, 2, 3}
    assert _threats_in("test_blocks_of_24_transactions") == set()
