"""``GET /v1/audit/export``: the warehouse's tables as Parquet, a part at a time."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from aiohttp import hdrs, web
from pydantic import BaseModel, ConfigDict, Field

from ledger.transactions import HEIGHT_MAX
from node.analytics.asking import analytics_of
from node.api.operations import Access, Answer, Call, Content, Operation
from node.api.queries import Height

PARQUET: Final = "application/vnd.apache.parquet"
HEADERS: Final = ("Sunlit-From", "Sunlit-To", "Sunlit-Rows", "Sunlit-Sha256", "Sunlit-Next")

TableName = Literal[
    "blocks", "transactions", "legs", "accounts", "members", "assets", "balances_daily",
    "measures", "alerts", "scores",
]  # fmt: skip


class ExportQuery(BaseModel):
    """Which part of which table."""

    model_config = ConfigDict(extra="forbid")

    table: Annotated[TableName, Field(description="A documented table.")] = "legs"
    format: Annotated[Literal["parquet"], Field(description="Apache Parquet.")] = "parquet"
    first: Annotated[Height, Field(alias="from", description="Height that the part begins at.")] = 0
    last: Annotated[Height, Field(alias="to", description="Highest height, inclusive.")] = (
        HEIGHT_MAX
    )


async def export_table(call: Call, query: ExportQuery) -> web.StreamResponse:
    """Give a part of a table: whole blocks, from a height on.

    ``Sunlit-From`` and ``Sunlit-To`` say which heights it holds, ``Sunlit-Rows`` how many rows,
    ``Sunlit-Sha256`` what the file must hash to, and ``Sunlit-Next`` where the next part begins; it is
    missing from the last one.
    """
    client = analytics_of(call).client
    call.release_view()
    asked = {"table": query.table, "from": str(query.first), "to": str(query.last)}
    async with client.download("/export", asked) as answer:
        response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: PARQUET})
        for name in HEADERS:
            if name in answer.headers:
                response.headers[name] = answer.headers[name]
        response.content_length = answer.content_length
        await response.prepare(call.request)
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
        return response


OPERATION: Final = Operation(
    method="GET",
    path="/v1/audit/export",
    name="export_table",
    summary="A documented table as Parquet, in parts of whole blocks",
    tag="audit",
    access=Access.REGULATOR,
    handler=export_table,
    query=ExportQuery,
    answers={
        200: Answer(
            description="A part. Headers: Sunlit-From, Sunlit-To, Sunlit-Rows, Sunlit-Sha256, and "
            "Sunlit-Next where another part follows.",
            contents=(Content(media_type=PARQUET, description="A Parquet file."),),
        )
    },
    problems=(404, 503, 504),
    is_stream=True,  # as long as it takes to send
)
