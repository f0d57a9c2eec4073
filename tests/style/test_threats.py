"""Every threat that the project answers has a test that names it, and docs/threats.md says which.

A test names threat 24 with ``threat_24`` in its name, and threats 1 to 6 with ``threats_1_to_6``.
The page in turn is true: what it names exists, and what the project cites is in it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "threats.md"
PACKAGES = (
    *("ledger", "consensus", "node", "wallet", "auditor", "analytics", "sunlit"),
    *("scripts", "docker", "tests"),
)
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]

ACTORS = {"outsider", "customer", "member", "miner", "node", "thief", "chance"}
HELD, UNHELD = {"yes", "partly"}, {"no", "moot"}

ONE = re.compile(r"threat_(\d+)")
RANGE = re.compile(r"threats_(\d+)_to_(\d+)")
CITED = re.compile(r"\bthreats? (\d+(?:(?:, | and | to )\d+)*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Threat:
    """A row of the page."""

    number: int
    actors: tuple[str, ...]
    answer: str
    modules: tuple[str, ...]
    held: str
    tests: tuple[str, ...]


def _rows() -> Iterator[Threat]:
    for line in PAGE.read_text("utf-8").splitlines():
        if re.match(r"\| \d", line):
            number, _, actors, answer, modules, held, tests = (
                cell.strip() for cell in line.removeprefix("|").removesuffix("|").split("|")
            )
            yield Threat(
                number=int(number),
                actors=tuple(actors.split(", ")),
                answer=answer,
                modules=_quoted(modules),
                held=held,
                tests=_quoted(tests),
            )


def _quoted(cell: str) -> tuple[str, ...]:
    return tuple(re.findall(r"`([^`]+)`", cell))


THREATS: Mapping[int, Threat] = {threat.number: threat for threat in _rows()}


def _names_of_tests() -> set[str]:
    return {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    }


def _threats_in(name: str) -> set[int]:
    """Return the numbers that the name of a test carries."""
    single = {int(number) for number in ONE.findall(name)}
    return single.union(*(range(int(a), int(b) + 1) for a, b in RANGE.findall(name)))


TESTS = _names_of_tests()


def test_numbers_have_one_row_each() -> None:
    """Numbers are cited for ever: none is missing, none stands twice."""
    numbers = [threat.number for threat in _rows()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_rows_speak_the_words_of_the_page() -> None:
    """Who attacks, and how far the answer goes, in the words that the page explains."""
    strange = [
        threat.number
        for threat in THREATS.values()
        if not ACTORS.issuperset(threat.actors) or threat.held not in HELD | UNHELD
    ]
    assert strange == []


def test_what_is_missing_is_said() -> None:
    """A row says what is missing exactly where the answer is not whole."""
    for threat in THREATS.values():
        is_short = threat.held in {"partly", "no"}
        assert ("Missing: " in threat.answer) is is_short, threat.number


def test_answers_name_modules_that_exist() -> None:
    """An answer that holds says where it is."""
    missing = [
        (threat.number, module)
        for threat in THREATS.values()
        for module in threat.modules
        if not (ROOT / module).is_file()
    ]
    assert missing == []
    assert [t.number for t in THREATS.values() if t.held in HELD and not t.modules] == []


def test_answers_name_tests_that_hold_them() -> None:
    """Each test that a row names exists and carries its number; an answer that holds has one."""
    for threat in THREATS.values():
        assert bool(threat.tests) is (threat.held in HELD), threat.number
        for name in threat.tests:
            assert name in TESTS, (threat.number, name)
            assert threat.number in _threats_in(name), (threat.number, name)


def test_what_has_a_test_counts_as_held() -> None:
    """A test that carries the number of a threat without an answer makes the page out of date."""
    unheld = {threat.number for threat in THREATS.values() if threat.held in UNHELD}
    assert [name for name in sorted(TESTS) if unheld & _threats_in(name)] == []


def test_cited_numbers_are_listed() -> None:
    """Code, documents and tests cite no number that the page lacks."""
    texts = {
        path: path.read_text("utf-8")
        for path in (*(p for name in PACKAGES for p in (ROOT / name).rglob("*.py")), *PAGES)
        if path != PAGE
    }
    cited = {
        (path.relative_to(ROOT).as_posix(), int(number))
        for path, text in texts.items()
        for numbers in CITED.findall(text)
        for number in re.findall(r"\d+", numbers)
    }
    carried = {(name, number) for name in TESTS for number in _threats_in(name)}
    assert sorted((w, n) for w, n in cited | carried if n not in THREATS) == []
    assert cited


def test_names_are_read_as_they_are_meant() -> None:
    """Single numbers, several of them and ranges are understood, with or without a zero."""
    assert _threats_in("test_of_threat_24") == {24}
    assert _threats_in("test_threat_08_and_threat_43") == {8, 43}
    assert _threats_in("test_threats_1_to_3_of_frames") == {1, 2, 3}
    assert _threats_in("test_blocks_of_24_transactions") == set()
