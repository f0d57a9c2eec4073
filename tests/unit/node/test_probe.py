"""Asking a node over TLS: its own certificate is the trust anchor."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from node.gossip.tls import certificate_der, make_certificate
from node.probe import NodeUnreachable, fetch_status, is_ready


class Answer(BaseHTTPRequestHandler):
    """Says what a node says of itself, and 503 when asked if it is ready."""

    def do_GET(self) -> None:
        """Answer one request."""
        self.send_response(200 if self.path == "/v1/status" else 503)
        self.end_headers()
        self.wfile.write(b'{"chain_id": "pilot"}')

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def _certificate(directory: Path, member: str) -> tuple[Path, Path]:
    now = datetime.now(UTC)
    key_pem, certificate_pem = make_certificate(
        member, not_before=now - timedelta(days=1), not_after=now + timedelta(days=1)
    )
    key, certificate = directory / f"{member}.key", directory / f"{member}.crt"
    key.write_bytes(key_pem)
    certificate.write_bytes(certificate_pem)
    return key, certificate


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    """Return a server on a free port, not yet serving TLS."""
    with HTTPServer(("127.0.0.1", 0), Answer) as listening:
        thread = Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield listening
        listening.shutdown()
        thread.join()


def test_a_node_is_known_by_its_certificate(server: HTTPServer, tmp_path: Path) -> None:
    """The certificate that the operator gives is accepted, and another member's is not."""
    key, certificate = _certificate(tmp_path, "bank1")
    _, other = _certificate(tmp_path, "bank2")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    url = f"https://127.0.0.1:{server.server_port}"
    assert fetch_status(url, certificate=certificate) == {"chain_id": "pilot"}
    der = certificate_der(certificate.read_bytes())
    assert fetch_status(url, certificate=der) == {"chain_id": "pilot"}
    with pytest.raises(NodeUnreachable, match="node_unreachable"):
        fetch_status(url, certificate=other)
    with pytest.raises(NodeUnreachable, match="node_unreachable"):
        fetch_status(url)


def test_a_node_that_is_not_ready_says_so(server: HTTPServer) -> None:
    """Only a 200 from /readyz counts."""
    assert not is_ready(f"http://127.0.0.1:{server.server_port}")


def test_what_is_no_node_is_told(server: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that answers with something else is not shown as a node."""
    monkeypatch.setattr(Answer, "do_GET", lambda self: self.send_error(404))
    with pytest.raises(NodeUnreachable, match="bad_answer"):
        fetch_status(f"http://127.0.0.1:{server.server_port}")
