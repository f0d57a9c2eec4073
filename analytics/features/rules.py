"""Rules of a history and of the features made of it: what breaks one is told, and nothing is dropped.

    legs        amounts are not negative; payer and payee are accounts that are known
    features    an account has one row; nothing is negative; shares are at most 1

Legs are counted by the engine that holds them, features are held to pandera's rules.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from analytics.features.accounts import NAMES
from analytics.models.limits import NAMED_ROWS_MAX
from analytics.models.quality import Finding

if TYPE_CHECKING:
    from pandas import DataFrame

NEGATIVE: Final = "negative"
"""A number below 0 where there can be none."""
UNKNOWN_ACCOUNT: Final = "unknown_account"
"""A payer or payee that the table of accounts lacks; its row of features lacks, too."""
RANGE: Final = "range"
"""A share above 1."""
REPEATED: Final = "repeated"
"""An account with more than one row."""
SHARES: Final = (
    "round_share", "night_share", "concentration", "new_payees", "returning", "passed_through",
)  # fmt: skip
"""Features that are shares."""
_UNIQUE: Final = "field_uniqueness"
"""What pandera calls a repetition."""
_COUNTS: Final = """
    SELECT count(*) AS legs,
        coalesce(sum(CASE WHEN l.amount < 0 THEN 1 ELSE 0 END), 0) AS negative,
        coalesce(sum(CASE WHEN l.debit IS NOT NULL AND d.account IS NULL THEN 1 ELSE 0 END), 0)
            AS unknown_debit,
        coalesce(sum(CASE WHEN l.credit IS NOT NULL AND c.account IS NULL THEN 1 ELSE 0 END), 0)
            AS unknown_credit
    FROM legs AS l
    LEFT JOIN (SELECT DISTINCT account FROM accounts) AS d ON d.account = l.debit
    LEFT JOIN (SELECT DISTINCT account FROM accounts) AS c ON c.account = l.credit
"""
_OF_LEGS: Final = {
    "negative": ("amount", NEGATIVE, "amount is negative"),
    "unknown_debit": ("debit", UNKNOWN_ACCOUNT, "payer is no known account"),
    "unknown_credit": ("credit", UNKNOWN_ACCOUNT, "payee is no known account"),
}
_OF_FEATURES: Final = {
    NEGATIVE: "below 0",
    RANGE: "above 1, and it is a share",
    REPEATED: "of an account that has another row",
}


def check_legs(read: Callable[[str], DataFrame]) -> tuple[Finding, ...]:
    """Return the rules that legs break; ``read`` gives a query's rows on the engine that has them."""
    counts = read(_COUNTS).iloc[0]
    legs = int(counts["legs"])
    return tuple(
        Finding(
            column=column,
            check=check,
            rows=int(counts[name]),
            share=round(int(counts[name]) / legs, 6),
            first_rows=(),
            text=f"{int(counts[name])} legs whose {text}",
        )
        for name, (column, check, text) in _OF_LEGS.items()
        if counts[name]
    )


def check_features(rows: DataFrame) -> tuple[Finding, ...]:
    """Return the rules that a table of features breaks; rows are counted from 1 in its order."""
    import pandera.pandas as pa  # noqa: PLC0415 - imports are slow

    at_least_0 = pa.Check.ge(0, error=NEGATIVE)
    at_most_1 = pa.Check.le(1, error=RANGE)
    columns = {
        name: pa.Column(checks=[at_least_0, at_most_1] if name in SHARES else [at_least_0])
        for name in NAMES
    }
    schema = pa.DataFrameSchema({"account": pa.Column(unique=True), **columns})
    try:
        schema.validate(rows, lazy=True)
    except pa.errors.SchemaErrors as error:
        failures = error.failure_cases.replace({"check": {_UNIQUE: REPEATED}})
    else:
        return ()
    findings = []
    for (column, check), places in failures.groupby(["column", "check"], sort=True)["index"]:
        found = sorted(int(place) + 1 for place in places)
        findings.append(
            Finding(
                column=column,
                check=check,
                rows=len(found),
                share=round(len(found) / len(rows), 6),
                first_rows=tuple(found[:NAMED_ROWS_MAX]),
                text=f"feature {column}: {len(found)} rows {_OF_FEATURES.get(check, check)}",
            )
        )
    return tuple(findings)
