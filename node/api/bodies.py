"""JSON bodies of requests: bounded while they are read, strict, and refused field by field."""

from __future__ import annotations

from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from node.api.json_text import read_json
from node.api.operations import JSON
from node.api.problems import Problem, invalid_fields

Body = TypeVar("Body", bound=BaseModel)

_CHUNK_BYTES = 64 * 1024


async def read_body(request: web.Request, model: type[Body], *, bytes_max: int) -> Body:
    """Return the body of a request.

    Raises:
        Problem: 400 ``malformed_json``, 413, 415, or 422 with a pointer to each wrong field.
    """
    if request.content_type != JSON:
        raise Problem(415, "unsupported_media_type", f"The body is {JSON}.")
    text = bytearray()
    async for chunk in request.content.iter_chunked(_CHUNK_BYTES):
        text += chunk
        if len(text) > bytes_max:
            raise Problem(413, "body_too_large", f"The body has {bytes_max} bytes at most.")
    try:
        return model.model_validate(read_json(bytes(text)))
    except ValidationError as error:
        raise invalid_fields(error) from None
