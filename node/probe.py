"""One question to a running node's own HTTP API, asked with the standard library alone."""

from __future__ import annotations

import json
import ssl
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from node.errors import NodeError

TIMEOUT_S: Final = 5.0
ANSWER_BYTES_MAX: Final = 1024 * 1024


class NodeUnreachable(NodeError):
    """The node did not answer, or what answered is no node."""


def is_ready(url: str) -> bool:
    """Return whether the node at that base URL answers ``/readyz`` with 200."""
    try:
        status, _ = _get(url, "/readyz", certificate=None)
    except NodeUnreachable:
        return False
    return status == HTTPStatus.OK


def fetch_status(url: str, *, certificate: Path | bytes | None = None) -> dict[str, Any]:
    """Return what ``/v1/status`` says, as JSON.

    Args:
        url: the node's base URL.
        certificate: for https, the certificate that the node must show, a PEM file or DER;
            without it the system's authorities decide.

    Raises:
        NodeUnreachable: ``node_unreachable`` or ``bad_answer``.
    """
    status, body = _get(url, "/v1/status", certificate=certificate)
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if status != HTTPStatus.OK or not isinstance(document, dict):
        detail = f"{url} answered {status}, and not with a node's status"
        raise NodeUnreachable("bad_answer", detail, url=url, status=status)
    return document


def _get(url: str, path: str, *, certificate: Path | bytes | None) -> tuple[int, bytes]:
    try:
        connection = _connection(urlsplit(url), certificate)
    except ValueError as error:
        raise NodeUnreachable("bad_url", f"{url} is no URL of a node: {error}", url=url) from None
    try:
        connection.request("GET", path, headers={"Accept": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read(ANSWER_BYTES_MAX)
    except (OSError, HTTPException) as error:
        detail = f"no answer from {url}: {str(error) or type(error).__name__}"
        raise NodeUnreachable("node_unreachable", detail, url=url) from None
    finally:
        connection.close()


def _connection(parts: SplitResult, certificate: Path | bytes | None) -> HTTPConnection:
    if parts.hostname is None or parts.scheme not in ("http", "https"):
        raise ValueError("it begins with http:// or https:// and a host")
    if parts.scheme == "http":
        return HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_S)
    if isinstance(certificate, bytes):
        context = ssl.create_default_context(cadata=certificate)
    else:
        context = ssl.create_default_context(cafile=certificate)
    if certificate is not None:
        # A member's certificate is its own trust anchor and names the member, not the host.
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return HTTPSConnection(parts.hostname, parts.port, timeout=TIMEOUT_S, context=context)
