"""Predictions by a model of the regulator's registry, of rows in a file or of accounts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from auditor.stream import regulator_key
from ledger.addresses import encode_account_id
from wallet.client import NodeClient
from wallet.connection import connect
from wallet.console import Session, printable, progress, table
from wallet.errors import ApiError
from wallet.naming import account_of
from wallet.session import Json

if TYPE_CHECKING:
    from analytics.models.tabular import Table

PATH: Final = "/v1/audit/predict"
ROWS_A_REQUEST: Final = 500
"""Rows of a file that are sent at a time."""
REASONS_SHOWN: Final = 3
"""Reasons of a row printed for people; --json has all."""


async def show_predictions(
    session: Session,
    *,
    model: str,
    data: Path | None,
    accounts: Sequence[str],
    reader: str | None,
) -> None:
    """Print what a model says of each row of a file, or of each account."""
    keystore = session.keystore()
    ids = [encode_account_id(account_of(keystore, account)) for account in accounts]
    batches = [{"accounts": ids}] if data is None else list(_batches(_read(data)))
    key = regulator_key(keystore, reader)
    done = 0
    async with connect(session.profile(), key, url=session.node) as connection:
        for batch in batches:
            answer = await _ask(connection.client, {"model": model, **batch})
            if not done:
                by = answer["model"]
                progress(
                    f"by {by['series']}/{by['version']} ({by['method']}, {by['state']}),"
                    f" id {by['id']}, card {by['card_hash']}"
                )
            for finding in answer.get("quality", []):
                progress(f"rows from {done + 1} on: {printable(finding['text'])}")
            for line in _lines(answer, ids, done, as_json=session.as_json):
                click.echo(line)
            done += len(answer["predictions"])


async def _ask(client: NodeClient, body: Json) -> Json:
    answer = await client.ask("POST", PATH, document=body)
    if not isinstance(answer.get("predictions"), list) or not isinstance(answer.get("model"), dict):
        raise ApiError("bad_answer", f"{PATH} gives no predictions", status=200)
    return answer


def _lines(answer: Json, ids: Sequence[str], done: int, *, as_json: bool) -> Iterator[str]:
    """Yield a line of JSON for each row, or a table for people."""
    rows = []
    for place, (said, reasons) in enumerate(
        zip(answer["predictions"], answer["reasons"], strict=True)
    ):
        number = done + place + 1
        if as_json:
            about = {"account": ids[place]} if ids else {}
            whole = said | {"row": number} | about | {"reasons": reasons, "model": answer["model"]}
            yield json.dumps(whole, ensure_ascii=False)
            continue
        why = "; ".join(reason["text"] for reason in reasons[:REASONS_SHOWN])
        name = ids[place] if ids else str(number)
        rows.append((name, str(said["prediction"]), _score(said["score"]), printable(why)))
    if not as_json:
        yield from table(("ACCOUNT" if ids else "ROW", "PREDICTION", "SCORE", "WHY"), rows)


def _score(score: Any) -> str:
    parts = score if isinstance(score, list) else [score]
    return " ".join(f"{part:.4g}" for part in parts)


def _read(data: Path) -> Table:
    from analytics.models.tabular import read_table  # noqa: PLC0415 - imports are slow

    return read_table(data)


def _batches(rows: Table) -> Iterator[Json]:
    """Yield the rows of a table as JSON has them, some at a time."""
    from analytics.models.reasons import plain_value  # noqa: PLC0415 - imports are slow

    columns = [[_gap(plain_value(each)) for each in rows.frame[name]] for name in rows.columns]
    whole = [dict(zip(rows.columns, row, strict=True)) for row in zip(*columns, strict=True)]
    for first in range(0, len(whole), ROWS_A_REQUEST):
        yield {"rows": whole[first : first + ROWS_A_REQUEST]}


def _gap(value: Any) -> Any:
    return None if value == "NaT" else value
