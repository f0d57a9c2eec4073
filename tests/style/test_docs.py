"""The documents say what the code does: commands, limits, numbers, codes, terms, links."""

from __future__ import annotations

import ast
import dataclasses
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from enum import Enum
from importlib import import_module
from pathlib import Path
from types import ModuleType

import click
import pytest
from pydantic import BaseModel

from ledger import hashing, limits, state
from ledger.identity import AccountKind, AccountStatus, Role
from ledger.kinds import Kind
from ledger.parameters import Parameters
from node import service
from node.analytics.metrics import AnalyticsMetrics
from node.config import NodeConfig
from node.core import limits as core_limits
from node.core.effects import TransactionStatus
from node.core.messages import MessageType
from node.metrics import Metrics
from scripts.docs import FILE as CLI_FILE
from scripts.docs import commands
from sunlit.cli import main as sunlit

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PACKAGES = ("ledger", "consensus", "node", "wallet", "auditor", "analytics", "sunlit")
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
DECISIONS = sorted((DOCS / "adr").glob("*.md"))
SOURCES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]

DECISION_SECTIONS = ["Context", "Alternatives", "Decision", "Consequences"]
LOOK_UPS = {"get", "getattr"}
CODE = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
LIMIT = re.compile(r"`([a-z_.]+\.(?:[A-Z][A-Z0-9_]+|[A-Z][a-z]+\.[a-z_]+))`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
NUMBER = re.compile(r"(?:0x[0-9a-f]+|[\d,]+(?:\.\d+)?)(?:\^\d+)?(?: - 1)?")


def _rows(path: Path) -> Iterator[list[str]]:
    """Yield the cells of every row of a page's tables, rules and all."""
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("|"):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def _quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


# --- commands --------------------------------------------------------------------------------


def test_the_command_reference_is_what_the_commands_print() -> None:
    """docs/cli.md has every command's help of today; `scripts/docs` writes it anew."""
    # In a process of its own: click keeps a command's first help option, and a test that ran the
    # command alone, without `sunlit` above it, has left it without -h.
    printed = subprocess.run(
        [sys.executable, "-c", "import scripts.docs as d; print(d.render(), end='')"],
        cwd=CLI_FILE.parents[1],
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    assert CLI_FILE.read_text("utf-8") == printed


def test_every_command_shows_an_example() -> None:
    """A command's help ends doubts with an example."""
    bare = [
        context.command_path
        for context, command in commands(sunlit, "sunlit")
        if not isinstance(command, click.Group)
        and not re.search(r"\bExamples?:", command.get_help(context))
    ]
    assert bare == []


# --- limits and numbers ----------------------------------------------------------------------


def _documented_limits() -> dict[str, float]:
    """Return the constants in the pages' tables, by their dotted names."""
    found = {}
    for page in PAGES:
        for row in _rows(page):
            name = LIMIT.fullmatch(row[0])
            if name and len(row) > 1 and NUMBER.fullmatch(row[1]):
                found[name[1]] = _number(row[1])
    return found


def _number(text: str) -> float:
    """Return what ``1,024``, ``2.5``, ``0x1f`` and ``2^63 - 1`` stand for."""
    if text.startswith("0x"):
        return int(text, 16)
    power, minus, _ = text.partition(" - ")
    base, _, exponent = power.replace(",", "").partition("^")
    whole = float(base) if "." in base else int(base)
    return whole ** int(exponent or 1) - (1 if minus else 0)


def _value(name: str) -> object:
    """Return a constant of a module, or a dataclass field's default."""
    module, _, attribute = name.rpartition(".")
    owner = module.rpartition(".")[2]
    if owner[:1].isupper():
        kind = getattr(import_module(module.rpartition(".")[0]), owner)
        return {field.name: field.default for field in dataclasses.fields(kind)}[attribute]
    return getattr(import_module(module), attribute)


def test_documented_limits_are_those_of_the_code() -> None:
    """A constant that a document names has the value that the document gives."""
    documented = _documented_limits()
    assert len(documented) > 80
    assert {n: v for n, v in documented.items() if _value(n) != v} == {}


def _binding(module: ModuleType) -> set[str]:
    """Return the dotted names of a module's limits that other modules use."""
    texts = [p.read_text("utf-8") for p in SOURCES if p != Path(str(module.__file__))]
    return {
        f"{module.__name__}.{name}"
        for name, value in vars(module).items()
        if isinstance(value, int) and any(re.search(rf"\b{name}\b", text) for text in texts)
    }


def test_every_limit_of_consensus_and_engine_is_documented() -> None:
    """docs/protocol.md leaves out no limit that a peer or a client can meet."""
    expected = _binding(limits) | _binding(core_limits)
    expected |= {f"ledger.parameters.Parameters.{f.name}" for f in dataclasses.fields(Parameters)}
    assert sorted(expected - _documented_limits().keys()) == []


def _numbered(page: Path) -> Iterator[tuple[int, str]]:
    for row in _rows(page):
        if len(row) > 1 and row[0].isdigit():
            yield int(row[0]), row[1]


def test_numbers_on_the_wire_are_documented() -> None:
    """The tables of messages and kinds have the numbers that the codec has."""
    numbered = list(_numbered(DOCS / "protocol.md"))
    for kind in (MessageType, Kind):
        assert [
            (n.value, n.name.lower()) for n in kind if (n, n.name.lower()) not in numbered
        ] == []
    assert len(numbered) == len(MessageType) + len(Kind)


def test_tags_and_state_prefixes_are_documented() -> None:
    """Every hashing tag and every prefix of a state key stands in docs/protocol.md."""
    first = {q for row in _rows(DOCS / "protocol.md") for q in _quoted(row[0])[:1]}
    tags = {tag.name for tag in vars(hashing).values() if isinstance(tag, hashing.Tag)}
    prefixes = {p.decode() for p in vars(state).values() if isinstance(p, bytes) and len(p) == 1}
    assert tags == {name for name in first if name.startswith("sunlit/")}
    assert prefixes == {name for name in first if len(name) == 1}


def _config_keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            yield from _config_keys(section, f"{prefix}{name}.")
        else:
            yield prefix + name


def test_every_configuration_key_is_documented() -> None:
    """docs/operations.md names each key of node.toml."""
    text = (DOCS / "operations.md").read_text("utf-8")
    assert [key for key in _config_keys(NodeConfig) if f"`{key}`" not in text] == []


def test_metrics_are_documented() -> None:
    """docs/operations.md names each metric of the node, and no other."""
    registry = Metrics(is_process=False).registry
    AnalyticsMetrics(registry)
    metrics = {family.name for family in registry.collect()}
    named = {q for row in _rows(DOCS / "operations.md") for q in _quoted(row[0])}
    assert metrics == {name for name in named if name.startswith("sunlit_")}


def test_events_of_the_engine_are_documented() -> None:
    """docs/operations.md names each event that the engine logs and counts."""
    notes = {
        text
        for path in (ROOT / "node" / "core").glob("*.py")
        for call in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(call, ast.Call) and _name(call) == "Note"
        for keyword in call.keywords
        if keyword.arg == "name"
        for text in _literals(keyword.value)
    }
    named = {q for row in _rows(DOCS / "operations.md") for q in _quoted(row[0])}
    assert len(notes) > 10
    assert sorted(notes - named) == []


def test_exit_statuses_are_documented() -> None:
    """docs/operations.md has a row for each exit status of a node."""
    statuses = {v for k, v in vars(service).items() if k.startswith("EXIT_")}
    assert {int(row[0]) for row in _rows(DOCS / "operations.md") if row[0].isdigit()} == statuses


# --- error codes -----------------------------------------------------------------------------


def _code_positions(trees: Mapping[Path, ast.Module]) -> dict[str, set[int]]:
    """Return where functions and error classes take their ``code``, by their names."""
    found: dict[str, set[int]] = defaultdict(set)
    bases: dict[str, set[str]] = defaultdict(set)
    for node in (node for tree in trees.values() for node in ast.walk(tree)):
        if isinstance(node, ast.ClassDef):
            bases[node.name] |= {base.id for base in node.bases if isinstance(base, ast.Name)}
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef) and inner.name == "__init__":
                    found[node.name] |= _code_position(inner)
        elif isinstance(node, ast.FunctionDef) and node.name != "__init__":
            found[node.name] |= _code_position(node)
    before = -1
    while before != (now := sum(map(len, found.values()))):
        before = now
        for name, parents in bases.items():
            found[name] = found[name].union(*(found[parent] for parent in parents))
    return found


def _code_position(function: ast.FunctionDef) -> set[int]:
    names = [argument.arg for argument in function.args.args if argument.arg not in ("self", "cls")]
    return {names.index("code")} if "code" in names else set()


def _code_expressions(node: ast.AST, positions: Mapping[str, set[int]]) -> Iterator[ast.expr]:
    """Yield what a node of the tree uses as a code."""
    if isinstance(node, ast.Call):
        name = _name(node)
        places = {0} if name == "__init__" else positions.get(name, set())
        yield from (node.args[at] for at in places if at < len(node.args))
        yield from (keyword.value for keyword in node.keywords if keyword.arg == "code")
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = {target.id for target in targets if isinstance(target, ast.Name)}
        if node.value is not None and names & {"code", "FRAMEWORK_CODES"}:
            yield node.value
    elif isinstance(node, ast.arguments):
        for argument, default in zip(node.kwonlyargs, node.kw_defaults, strict=True):
            if argument.arg == "code" and default is not None:
                yield default


def _name(call: ast.Call) -> str:
    """Return the last part of what is called."""
    name: str = getattr(call.func, "id", getattr(call.func, "attr", ""))
    return name


def _literals(expression: ast.expr) -> Iterator[str]:
    if isinstance(expression, ast.IfExp):
        yield from (*_literals(expression.body), *_literals(expression.orelse))
    elif isinstance(expression, ast.Dict):
        for value in expression.values:
            yield from _literals(value)
    elif isinstance(expression, ast.Constant) and isinstance(expression.value, str):
        yield expression.value
    elif isinstance(expression, ast.Call) and _name(expression) in LOOK_UPS:
        # The default of getattr(error, "code", …) and of CODES.get(status, …).
        yield from (text for default in expression.args[-1:] for text in _literals(default))


def _raised_codes() -> set[str]:
    """Return every stable code that the packages' sources give to an error or a refusal."""
    trees = {path: ast.parse(path.read_bytes()) for path in SOURCES}
    positions = _code_positions(trees)
    codes = {
        text
        for tree in trees.values()
        for node in ast.walk(tree)
        for expression in _code_expressions(node, positions)
        for text in _literals(expression)
        if CODE.fullmatch(text)
    }
    # The transition names the status: f"account_{status}".
    return codes | {f"account_{s.value}" for s in AccountStatus if s is not AccountStatus.ACTIVE}


def test_every_error_code_is_documented() -> None:
    """docs/errors.md has each code that is raised, and none that is not."""
    documented = {q for row in _rows(DOCS / "errors.md") for q in _quoted(row[0])}
    raised = _raised_codes()
    assert len(raised) > 200
    assert (sorted(raised - documented), sorted(documented - raised)) == ([], [])


# --- terms, decisions, links -----------------------------------------------------------------


def _terms() -> list[str]:
    return [row[0] for row in _rows(DOCS / "glossary.md")][2:]


def test_glossary_is_in_order() -> None:
    """Each term stands once, in alphabetical order, with a meaning."""
    terms = _terms()
    assert terms == sorted(set(terms), key=str.casefold)
    assert [row for row in _rows(DOCS / "glossary.md") if len(row) != 2 or not row[1]] == []


@pytest.mark.parametrize("words", [Kind, Role, AccountKind, AccountStatus, TransactionStatus])
def test_glossary_has_the_words_on_the_wire(words: type[Enum]) -> None:
    """Kinds, roles and statuses that users meet are explained."""
    terms = {part.strip() for term in _terms() for part in term.split(",")}
    assert [word.name.lower() for word in words if word.name.lower() not in terms] == []


def test_glossary_terms_are_used() -> None:
    """No term is explained that neither code nor documents use."""
    pages = [page for page in PAGES if page.name != "glossary.md"]
    text = " ".join(p.read_text("utf-8") for p in (*SOURCES, *pages)).casefold()
    words = {part.strip() for term in _terms() for part in term.casefold().split(",")}
    assert sorted(word for word in words if not re.search(rf"\b{re.escape(word)}", text)) == []


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_decision_has_its_parts(page: Path) -> None:
    """A decision has its number, context, alternatives, the decision and its consequences."""
    text = page.read_text("utf-8")
    assert text.startswith(f"# {page.name[:4]}: ")
    sections = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert [name for name in sections if name in DECISION_SECTIONS] == DECISION_SECTIONS
    assert re.search(r"^Status: ", text, re.MULTILINE)


def test_decisions_that_are_named_exist() -> None:
    """Numbers of decisions are unique, without gap, and every one that a file names is there."""
    numbers = [page.name[:4] for page in DECISIONS]
    assert numbers == [f"{number:04}" for number in range(1, len(DECISIONS) + 1)]
    texts = [path.read_text("utf-8") for path in (*SOURCES, *PAGES)]
    named = {number for text in texts for number in re.findall(r"\bADR\s+(\d{4})\b", text)}
    assert sorted(named - set(numbers)) == []


def _anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = HEADING.findall(page.read_text("utf-8"))
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    """Every link to a file of the project, and to a heading in it, leads there."""
    broken = []
    for link in LINK.findall(page.read_text("utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            broken.append(link)
    assert broken == []
