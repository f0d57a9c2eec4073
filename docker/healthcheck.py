"""Exits 0 when the node in this container answers /healthz, 1 otherwise."""

from __future__ import annotations

import http.client
import os
import ssl
import sys
from urllib.parse import urlsplit

TIMEOUT_S = 8.0


def is_healthy(url: str) -> bool:
    """Return whether a GET of the URL gives 200 within TIMEOUT_S."""
    parts = urlsplit(url)
    # The node's certificate is self-signed for its member, and this never leaves the container.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(parts.netloc, timeout=TIMEOUT_S, context=context)
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT_S)
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    target = os.environ.get("SUNLIT_HEALTH_URL", "https://127.0.0.1:8100/healthz")
    sys.exit(0 if is_healthy(target) else 1)
