"""Refusals as problem documents (RFC 9457).

A handler raises `Problem`; whatever else reaches `problem_of` becomes one too, so that every
answer of 400 and above has the same shape and none shows a stack trace.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Final, TypedDict

from aiohttp import web
from aiohttp.http_exceptions import PayloadEncodingError
from pydantic import ValidationError

from analytics.errors import RequestRefused, Unavailable
from ledger.errors import LedgerError
from node.api.backend import Busy, ReadOnly

CONTENT_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:sunlit:problem:"
CHALLENGE: Final = 'Bearer realm="sunlit"'

READ_ONLY_RETRY_SECONDS: Final = 10
"""When to try again what a node without room on its disk does not take."""
FINALITY_RETRY_SECONDS: Final = 2
"""When to ask again for what waits for finality."""

FRAMEWORK_CODES: Final = {
    404: "unknown_path",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
}
"""Codes of the refusals that aiohttp itself raises."""


class Fault(TypedDict):
    """One wrong field."""

    pointer: str
    """JSON Pointer (RFC 6901) into the body, or ``/query/<name>``, ``/path/<name>``."""
    message: str
    """What is wrong with it."""


class Problem(Exception):
    """A refusal: HTTP status, stable code, one sentence, the wrong fields, headers."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        faults: Iterable[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.faults = tuple(faults)
        self.headers = dict(headers or {})

    def response(self) -> web.Response:
        """Return the answer that carries this problem."""
        document = {
            "type": TYPE_PREFIX + self.code,
            "status": self.status,
            "code": self.code,
            "title": self.code.replace("_", " ").capitalize(),
            "detail": self.detail,
            "errors": list(self.faults),
        }
        return web.Response(
            status=self.status,
            body=json.dumps(document).encode(),
            content_type=CONTENT_TYPE,
            headers=self.headers,
        )


def unauthorized(code: str, detail: str) -> Problem:
    """Return the 401 with its challenge (RFC 6750)."""
    challenge = CHALLENGE if code == "token_missing" else f'{CHALLENGE}, error="invalid_token"'
    return Problem(401, code, detail, headers={"WWW-Authenticate": challenge})


def forbidden(code: str, detail: str) -> Problem:
    """Return a 403."""
    return Problem(403, code, detail)


def not_found(code: str, detail: str) -> Problem:
    """Return a 404."""
    return Problem(404, code, detail)


def invalid(pointer: str, message: str, *, code: str = "invalid_field") -> Problem:
    """Return the 422 of one wrong field; the empty pointer is the whole body."""
    fault = Fault(pointer=pointer, message=message)
    return Problem(422, code, f"{pointer or 'body'}: {message}", faults=[fault])


def invalid_fields(error: ValidationError, *, place: str = "") -> Problem:
    """Return the 422 that lists what pydantic found wrong below ``place``."""
    faults = [
        Fault(
            pointer="/".join((place, *(_escaped(part) for part in found["loc"]))),
            message=found["msg"].removeprefix("Value error, "),
        )
        for found in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    count = f"{len(faults)} fields are" if len(faults) > 1 else f"{faults[0]['pointer']} is"
    return Problem(422, "invalid_field", f"{count} not valid.", faults=faults)


def too_many_requests(
    retry_after_s: int, detail: str, *, code: str = "too_many_requests"
) -> Problem:
    """Return a 429 that says when to try again."""
    return Problem(429, code, detail, headers={"Retry-After": str(max(1, retry_after_s))})


def not_yet(code: str, detail: str) -> Problem:
    """Return the 409 of what will come by itself, for example finality."""
    return Problem(409, code, detail, headers={"Retry-After": str(FINALITY_RETRY_SECONDS)})


def unavailable(code: str, detail: str, *, retry_after_s: int = 1) -> Problem:
    """Return a 503 that says when to try again."""
    return Problem(503, code, detail, headers={"Retry-After": str(max(1, retry_after_s))})


def read_only() -> Problem:
    """Return the 503 of a node whose disk has no room."""
    return unavailable(
        "read_only",
        "The node's disk is almost full; it only reads until there is room.",
        retry_after_s=READ_ONLY_RETRY_SECONDS,
    )


def problem_of(error: Exception) -> Problem | None:
    """Return the problem that an exception stands for; None for a fault of our own."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestRefused | Unavailable):
        return _problem_of_analytics(error)
    if isinstance(error, Busy):
        detail = "The node has too much to do; try again."
        return unavailable("busy", detail, retry_after_s=error.retry_after_s)
    if isinstance(error, ReadOnly):
        return read_only()
    if isinstance(error, LedgerError):
        return Problem(422, error.code, error.detail)
    if isinstance(error, TimeoutError):
        return unavailable("timeout", "The answer took too long.")
    if isinstance(error, web.HTTPException | web.RequestPayloadError | PayloadEncodingError):
        return _problem_of_framework(error)
    return None


def _problem_of_framework(
    error: web.HTTPException | web.RequestPayloadError | PayloadEncodingError,
) -> Problem:
    """Return the problem that aiohttp found with a request."""
    if not isinstance(error, web.HTTPException):
        detail = "The body is not what its headers say: its length, its chunks or its encoding."
        return Problem(400, "malformed_http", detail)
    code = FRAMEWORK_CODES.get(error.status, "http_error")
    kept = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    phrase = HTTPStatus(error.status).description or HTTPStatus(error.status).phrase
    return Problem(error.status, code, f"{phrase.removesuffix('.')}.", headers=kept)


def _problem_of_analytics(error: RequestRefused | Unavailable) -> Problem:
    """Return the problem that the analytics process found, or that it is not there."""
    detail = _sentence(error.detail)
    if isinstance(error, Unavailable):
        return unavailable(error.code, detail, retry_after_s=error.retry_after_s)
    if error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        return unavailable(error.code, detail)
    pointer = error.fields.get("pointer")
    faults = [] if pointer is None else [Fault(pointer=str(pointer), message=error.detail)]
    return Problem(error.status, error.code, detail, faults=faults)


def _sentence(detail: str) -> str:
    """Return a detail of the analytics process as this API writes its own."""
    return detail[:1].upper() + detail[1:].removesuffix(".") + "."


def internal_problem() -> Problem:
    """Return the 500 that tells nothing of the inside; the log has the rest."""
    return Problem(500, "internal_error", "The node failed to answer; its log says why.")


def _escaped(part: int | str) -> str:
    """Return a JSON Pointer's reference token (RFC 6901 section 3)."""
    return str(part).replace("~", "~0").replace("/", "~1")
