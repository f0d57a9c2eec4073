"""What a statement may be: one SELECT over documented tables, by functions that only compute.

DuckDB's own parser says what a statement is (``json_serialize_sql``); nothing here reads SQL. What is
not known to be harmless is refused: a form of statement, a table, a function. A scalar function is
harmless when DuckDB itself calls it consistent, which means that its result depends on its arguments
alone, and it is not one of a few that read the catalog or memory images.

The process that runs the statement could do nothing with the rest anyway (``child``): it holds no
database, and no file or network may be opened there. This check is what gives a clear answer, and the
second wall.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import duckdb

from analytics.errors import RequestRefused
from analytics.sandbox.limits import SQL_TABLES_MAX

TIMEOUT: Final = "query_timeout"
STATUS: Final = 422
"""HTTP status of refusals: whoever asks can ask for less."""
TIMEOUT_STATUS: Final = 504

_HINT: Final = "a query is one SELECT over the documented tables"
_TABLE_FORMS: Final = frozenset(
    {"BASE_TABLE", "JOIN", "SUBQUERY", "EXPRESSION_LIST", "EMPTY", "TABLE_FUNCTION", "SHOW_REF"}
)
_QUERY_FORMS: Final = frozenset(
    {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"}
)
_EXPRESSION_CLASSES: Final = frozenset(
    {
        "BETWEEN", "CASE", "CAST", "COLLATE", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT",
        "FUNCTION", "LAMBDA", "LAMBDA_REF", "OPERATOR", "POSITIONAL_REFERENCE", "STAR", "SUBQUERY",
        "TYPE", "WINDOW",
    }
)  # fmt: skip
_TABLE_FUNCTIONS: Final = frozenset(
    {"range", "generate_series", "unnest", "json_each", "json_tree"}
)
_MOMENT_FUNCTIONS: Final = frozenset(
    {
        "current_date", "current_timestamp", "get_current_time", "get_current_timestamp", "now",
        "today", "transaction_timestamp",
    }
)  # fmt: skip
"""Not consistent, and harmless: they tell the time."""
_REFUSED_FUNCTIONS: Final = frozenset(
    {
        "combine", "current_catalog", "current_role", "current_user", "finalize", "get_block_size",
        "index_key", "invoke", "json_serialize_plan", "session_user", "to_aggregate_state", "user",
        "variant_bytes_to_variant", "version",
    }
)  # fmt: skip
"""Consistent, and not harmless: they read the catalog, or take bytes for values in memory."""
_ALWAYS_KNOWN: Final = frozenset({"unnest", "count_star"})
"""Functions of the parser that the catalog does not list as scalar."""
_ASIDES: Final = ("LINE ", "Traceback")
"""How lines begin after which DuckDB's messages only repeat the statement, or name its own code."""
_SHOWN: Final = frozenset({"DESCRIBE", "SUMMARY"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """What DuckDB itself has, before any table of ours is there."""

    functions: frozenset[str]
    """Names of functions that only compute."""
    names: frozenset[str]
    """Names of tables and views."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A statement that may run."""

    sql: str
    """Its text."""
    columns: Mapping[str, tuple[str, ...]]
    """The columns that it may read, by table; those tables that it names."""
    tables: int
    """Places that name a documented table."""


def read_catalog(connection: duckdb.DuckDBPyConnection) -> Catalog:
    """Return what a fresh connection has."""
    functions = connection.execute(
        "SELECT lower(function_name) FROM duckdb_functions()"
        " WHERE function_type IN ('scalar', 'aggregate', 'window', 'macro')"
        " AND (function_type <> 'macro' OR schema_name = 'main')"
        " GROUP BY ALL HAVING bool_and(coalesce(stability, 'CONSISTENT') = 'CONSISTENT')"
    ).fetchall()
    names = connection.execute(
        "SELECT lower(view_name) FROM duckdb_views() UNION SELECT lower(table_name)"
        " FROM duckdb_tables() UNION SELECT lower(function_name) FROM duckdb_functions()"
        " WHERE function_type LIKE 'table%'"
    ).fetchall()
    pure = {name for (name,) in functions if not name.startswith(("__internal", "json_copy"))}
    known = (pure | _MOMENT_FUNCTIONS | _ALWAYS_KNOWN) - _REFUSED_FUNCTIONS
    return Catalog(functions=frozenset(known), names=frozenset(name for (name,) in names))


def check_statement(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    tables: Mapping[str, tuple[str, ...]],
    catalog: Catalog,
) -> Checked:
    """Return a statement that may run, and what it reads.

    Args:
        connection: any; it only parses.
        sql: what somebody sent.
        tables: the documented tables with their columns.
        catalog: what DuckDB had before those tables came.

    Raises:
        RequestRefused: ``query_refused``, or ``query_failed`` where it cannot be parsed.
    """
    node = _parse(connection, sql)
    check = _Check(tables=tables, catalog=catalog, ctes=frozenset(_cte_names(node)))
    for name in check.ctes:
        if name in catalog.names or not name.isidentifier():
            raise refused(f"the name {name!r} cannot be given to a common table expression")
    for part in _dictionaries(node):
        check.look(part)
    if len(check.found) > SQL_TABLES_MAX:
        raise refused(f"at most {SQL_TABLES_MAX} places of a query may name a table")
    words = None if check.reads_all else {text.lower() for text in _strings(node)}
    columns = {
        name: tuple(c for c in tables[name] if words is None or c in words) or tables[name][:1]
        for name in sorted(set(check.found))
    }
    return Checked(sql=sql, columns=columns, tables=len(check.found))


def refused(detail: str) -> RequestRefused:
    """Return the refusal of a statement, with what is allowed."""
    return RequestRefused(STATUS, "query_refused", f"{detail}; {_HINT}")


def _parse(connection: duckdb.DuckDBPyConnection, sql: str) -> Any:
    """Return the tree of the one SELECT that a text is."""
    try:
        kinds = [statement.type for statement in connection.extract_statements(sql)]
    except duckdb.Error as error:
        raise RequestRefused(STATUS, "query_failed", first_line(error)) from None
    except ValueError:  # such as UPDATE EXTENSIONS: the parser knows it, Python's list does not
        raise refused("this kind of statement is not allowed") from None
    if len(kinds) != 1:
        raise refused(f"there are {len(kinds)} statements" if kinds else "there is no statement")
    if kinds[0] != duckdb.StatementType.SELECT:
        raise refused(f"{kinds[0].name} is not allowed")
    row = connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchall()[0]
    try:
        document = json.loads(row[0])
    except RecursionError:
        raise refused("the query is nested too deeply") from None
    if document.get("error") or len(document.get("statements", ())) != 1:
        raise refused("this form of query is not allowed")
    statement = document["statements"][0]
    if statement.get("named_param_map"):
        raise refused("parameters are not allowed")
    return statement["node"]


def first_line(error: Exception) -> str:
    """Return what DuckDB says, without its picture of the statement."""
    lines = str(error).splitlines()
    ends = (at for at, line in enumerate(lines) if not line or line.startswith(_ASIDES))
    return " ".join(lines[: next(ends, len(lines))])


class _Check:
    """Looks at every part of a statement's tree."""

    def __init__(
        self, *, tables: Mapping[str, tuple[str, ...]], catalog: Catalog, ctes: frozenset[str]
    ) -> None:
        self.ctes = ctes
        self.found: list[str] = []
        self._has_star = False
        self._tables = tables
        self._catalog = catalog
        self._names: set[str] = set()
        self._words: set[str] = set()

    @property
    def reads_all(self) -> bool:
        """Whether columns may be read that the statement does not name."""
        # A table's or an alias's own name, where a column's may stand, is its whole row.
        return self._has_star or not self._names.isdisjoint(self._words)

    def look(self, part: dict[str, Any]) -> None:
        """Refuse a part that is not known to be harmless."""
        kind = part.get("class")
        if kind is not None:
            self._look_at_expression(kind, part)
        elif "query_location" in part and "type" in part:
            self._look_at_table(part)
        elif str(part.get("type", "")).endswith("_NODE") and part["type"] not in _QUERY_FORMS:
            raise refused("this form of query is not allowed")

    def _look_at_expression(self, kind: str, part: dict[str, Any]) -> None:
        if kind not in _EXPRESSION_CLASSES:
            raise refused(f"{kind.lower()} is not allowed")
        if kind == "STAR":
            self._has_star = True
        if kind == "COLUMN_REF" and len(part["column_names"]) == 1:
            self._words.add(part["column_names"][0].lower())
        if kind in ("FUNCTION", "WINDOW"):
            name = part["function_name"].lower()
            if part.get("schema") or part.get("catalog") or name not in self._catalog.functions:
                raise refused(f"the function {name!r} is not allowed")

    def _look_at_table(self, part: dict[str, Any]) -> None:
        form = part["type"]
        if form not in _TABLE_FORMS:
            raise refused(f"{form.lower().replace('_', ' ')} is not allowed")
        if part["alias"]:
            self._names.add(part["alias"].lower())
        if form == "JOIN" and part.get("ref_type") == "NATURAL":
            self._has_star = True
        if form == "SHOW_REF" and (part.get("query") is None or part["show_type"] not in _SHOWN):
            raise refused("SHOW is not allowed, only DESCRIBE and SUMMARIZE of a table")
        if form == "BASE_TABLE":
            self._look_at_name(part)
        if form == "TABLE_FUNCTION":
            self._look_at_table_function(part)

    def _look_at_name(self, part: dict[str, Any]) -> None:
        name = part["table_name"].lower()
        path = [word.lower() for word in part["qualified_name"]["path"]]
        if path not in ([name], ["main", name]) or part.get("at_clause") is not None:
            raise refused(f"the table {'.'.join(path)!r} is not allowed")
        self._names.add(name)
        if name in self._tables:
            self.found.append(name)
        elif name not in self.ctes:
            tables = ", ".join(self._tables)
            raise refused(f"there is no table {name!r}; the documented tables are {tables}")

    def _look_at_table_function(self, part: dict[str, Any]) -> None:
        function = part["function"]
        if function.get("class") != "FUNCTION":
            raise refused("this table function is not allowed")
        name = function["function_name"].lower()
        if name not in _TABLE_FUNCTIONS or function.get("schema") or function.get("catalog"):
            raise refused(f"the table function {name!r} is not allowed")
        # It has been looked at; its arguments follow by themselves.
        part["function"] = {"arguments": function.get("arguments", [])}


def _dictionaries(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of a tree, each before what is inside it."""
    waiting = [tree]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield part
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)


def _cte_names(tree: Any) -> Iterator[str]:
    for part in _dictionaries(tree):
        if isinstance(found := part.get("cte_map"), dict):
            yield from (entry["key"].lower() for entry in found.get("map", ()))


def _strings(tree: Any) -> Iterator[str]:
    """Yield every text of a tree: a column that is read is named by one of them."""
    waiting = [tree]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
        elif isinstance(part, str):
            yield part
