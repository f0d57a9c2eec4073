"""``/v1/audit/predict``: what a model of the registry says of rows or accounts, and why."""

from __future__ import annotations

import math
from typing import Annotated, Any, Final, Self

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, PlainValidator, model_validator

from analytics.serving.limits import PREDICT_BODY_BYTES_MAX, PREDICT_ROWS_MAX
from node.analytics.asking import analytics_of
from node.analytics.prediction_documents import (
    ModelText,
    PredictDocument,
    PredictionsDocument,
)
from node.api.bodies import read_body
from node.api.operations import JSON, Access, Call, Content, NoQuery, Operation, ok
from node.api.queries import AccountText
from node.api.views import account_text


def _value(value: object) -> object:
    """Let only what a table holds through; one error for a value, whatever it might have been."""
    if value is None or isinstance(value, str | int) or _is_finite(value):
        return value
    raise ValueError("text, a finite number, true, false or null")


def _is_finite(value: object) -> bool:
    return isinstance(value, float) and math.isfinite(value)


Row = dict[str, Annotated[Any, PlainValidator(_value)]]


class PredictBody(BaseModel):
    """What is to be predicted: rows or accounts."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: ModelText
    rows: Annotated[list[Row] | None, Field(min_length=1, max_length=PREDICT_ROWS_MAX)] = None
    accounts: Annotated[
        list[AccountText] | None, Field(min_length=1, max_length=PREDICT_ROWS_MAX)
    ] = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.rows is None) == (self.accounts is None):
            raise ValueError("either rows or accounts")
        return self

    def asked(self) -> dict[str, Any]:
        """Return the body as the analytics process takes it."""
        if self.accounts is None:
            return {"model": self.model, "rows": self.rows}
        return {"model": self.model, "accounts": [account_text(one) for one in self.accounts]}


async def predict(call: Call, _: NoQuery) -> web.Response:
    """Give predictions with reasons, and the version that made them."""
    client = analytics_of(call).client
    call.release_view()
    body = await read_body(call.request, PredictBody, bytes_max=PREDICT_BODY_BYTES_MAX)
    # The answer is JSON already: reading and writing it again would hold the event loop.
    answer = await client.post_for_bytes("/predict", body.asked())
    return web.Response(body=answer, content_type=JSON)


OPERATION: Final = Operation(
    method="POST",
    path="/v1/audit/predict",
    name="predict",
    summary="Predictions of a model for rows or accounts, with reasons",
    tag="audit",
    access=Access.REGULATOR,
    handler=predict,
    bodies=(Content(document=PredictDocument),),
    answers=ok(PredictionsDocument),
    problems=(400, 404, 409, 413, 415, 503, 504),
)
