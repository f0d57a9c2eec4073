"""One operation of the API: what the router serves and OpenAPI describes, stated once.

Every request passes through `serve` in the order that the contract gives: who asks (401), how
often (429), whether at all (403), with what (422), and only then the handler, within a time limit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar

from aiohttp import hdrs, web
from pydantic import BaseModel, ConfigDict, ValidationError

from ledger.hashing import BlockHash
from node.api.auth import Principal, TokenAuthority
from node.api.backend import Backend
from node.api.json_text import write_json
from node.api.limits import REQUEST_SECONDS_MAX
from node.api.problems import forbidden, invalid, invalid_fields, unauthorized
from node.api.rate import RateLimiter
from node.api.recording import AUDIT_PREFIX, recorded
from node.storage.view import ChainView

JSON: Final = "application/json"
EVENT_STREAM: Final = "text/event-stream"

Query = TypeVar("Query", bound=BaseModel)


class Access(StrEnum):
    """Who may call an operation; a token that is sent must hold, except for probes."""

    PROBE = "probe"
    """Everyone, at any rate: health checks and metrics. An ``Authorization`` header is not looked
    at: a probe behind a proxy that adds one, or whose token ended, must not report a dead node."""
    OPEN = "open"
    """Everyone; a token may show more."""
    TOKEN = "token"  # noqa: S105 - names the kind of access, and is no token
    """Whoever has a token; the handler looks whether the thing is theirs."""
    REGULATOR = "regulator"
    """Regulators' officers."""


class NoQuery(BaseModel):
    """No query parameters."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A body of one media type."""

    document: Any = None
    """The typed dictionary (or type) that describes it; None where it is not JSON."""
    media_type: str = JSON
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an operation answers with one status."""

    description: str
    contents: tuple[Content, ...]


@dataclass(slots=True, kw_only=True)
class Call:
    """One request: who asks, and the view of the chain that the whole answer is read from."""

    request: web.Request
    backend: Backend
    authority: TokenAuthority
    principal: Principal | None = None
    statement: str | None = None
    """The SQL that somebody sent, for the access log; its handler leaves it here."""
    _view: ChainView | None = None

    @property
    def view(self) -> ChainView:
        """The chain as it was when the request came."""
        if self._view is None:
            self._view = self.backend.view()
        return self._view

    def release_view(self) -> None:
        """Let go of the view, which keeps old data on disk; the next read takes a new one."""
        self._view = None

    @property
    def caller(self) -> Principal:
        """Who asks, where the operation needs a token."""
        if self.principal is None:
            raise unauthorized("token_missing", "This needs a token.")
        return self.principal

    @property
    def genesis_hash(self) -> BlockHash:
        """Hash of block 0, which names the chain."""
        block_hash = self.view.hash_at(0)
        if block_hash is None:
            raise LookupError("the store holds no block 0")
        return block_hash

    def path(self, name: str) -> str:
        """Return a part of the path by its name in the template."""
        return self.request.match_info[name]


Handler = Callable[[Call, Any], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A method on a path: for the router, for the order of checks, and for OpenAPI."""

    method: str
    path: str
    """With ``{names}`` in braces."""
    name: str
    """Unique name (OpenAPI's operationId)."""
    summary: str
    tag: str
    access: Access
    handler: Handler
    answers: dict[int, Answer]
    query: type[BaseModel] = NoQuery
    guard: Callable[[Call], object] | None = None
    """Refuses (403, 404) what the caller may not see, before the query is looked at."""
    bodies: tuple[Content, ...] = ()
    problems: tuple[int, ...] = ()
    """Statuses of refusals beside those that the access implies."""
    is_stream: bool = False
    """Whether the answer may go on for ever; then no time limit applies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What every operation is served with."""

    backend: Backend
    authority: TokenAuthority
    limiter: RateLimiter

    def serve(self, operation: Operation) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Return the aiohttp handler of an operation."""

        async def handle(request: web.Request) -> web.StreamResponse:
            call = Call(request=request, backend=self.backend, authority=self.authority)
            if operation.access is not Access.PROBE:
                call.principal = self._authenticate(call)
                self.limiter.take(_client(call))
            if call.principal is None or not _is_recorded(operation, call.principal):
                return await _answer(operation, call)
            return await recorded(
                self.backend.access_log,
                request,
                call.principal,
                lambda: _answer(operation, call),
                statement=lambda: call.statement,
                is_stream=operation.is_stream,
            )

        return handle

    def _authenticate(self, call: Call) -> Principal | None:
        headers = call.request.headers.getall(hdrs.AUTHORIZATION, [])
        if not headers:
            return None
        if len(headers) > 1:
            raise unauthorized("token_malformed", "One Authorization header, not several.")
        return self.authority.authenticate(headers[0], call.view)


async def _answer(operation: Operation, call: Call) -> web.StreamResponse:
    """Return the answer to a request of somebody who is known, or known to be nobody."""
    _require_access(operation.access, call.principal)
    if operation.guard is not None:
        operation.guard(call)
    query = parse_query(operation.query, call.request)
    async with asyncio.timeout(None if operation.is_stream else REQUEST_SECONDS_MAX):
        return await operation.handler(call, query)


def _is_recorded(operation: Operation, principal: Principal) -> bool:
    """Tell whether a request reads what is not the caller's own: that leaves a record."""
    return operation.path.startswith(AUDIT_PREFIX) and principal.is_regulator


def json_response(document: object, *, status: int = 200) -> web.Response:
    """Return a JSON answer."""
    return web.Response(status=status, body=write_json(document), content_type=JSON)


def ok(document: Any, description: str = "Done.") -> dict[int, Answer]:
    """Return the answers of an operation that gives 200 and one JSON document."""
    return {200: Answer(description=description, contents=(Content(document=document),))}


def parse_query(model: type[Query], request: web.Request) -> Query:
    """Return the query parameters; each may be given once, and unknown ones are refused.

    Raises:
        Problem: 422 with a pointer to each wrong one.
    """
    values: dict[str, str] = {}
    for name, value in request.query.items():
        if name in values:
            raise invalid(f"/query/{name}", "given twice")
        values[name] = value
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise invalid_fields(error, place="/query") from None


def _client(call: Call) -> str:
    """Return whose rate a request counts against."""
    principal = call.principal
    return principal.subject if principal is not None else f"address {call.request.remote}"


def _require_access(access: Access, principal: Principal | None) -> None:
    if access in (Access.PROBE, Access.OPEN):
        return
    if principal is None:
        raise unauthorized("token_missing", "This needs a token.")
    if access is Access.REGULATOR and not principal.is_regulator:
        raise forbidden("not_regulator", "This is for regulators' officers.")
