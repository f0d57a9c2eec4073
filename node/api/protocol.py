"""The server's side of one connection: what is no HTTP is refused in the same shape as all else.

A request that the parser gives up on (bytes of another protocol, a header that is too long) never
reaches the application, nor does one that expects what no server does, and aiohttp answers both with plain text.
"""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web

from node.api.problems import Problem, internal_problem, problem_of


class ProblemProtocol(web.RequestHandler):
    """aiohttp's connection, with problem documents for what is no request."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the last answer of a connection whose request could not be read or answered.

        Raises:
            ConnectionError: a part of another answer has left already.
        """
        super().handle_error(request, status, exc, message)  # logs, and raises
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            problem = internal_problem()
        else:
            detail = "The bytes are no HTTP request, or a line or a header of it is too long."
            problem = Problem(status, "malformed_http", detail)
        response = problem.response()
        response.force_close()
        return response

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer; a refusal that aiohttp raised beside the application as a problem document."""
        if isinstance(resp, web.HTTPException) and (problem := problem_of(resp)) is not None:
            resp = problem.response()
        return await super().finish_response(request, resp, start_time)
