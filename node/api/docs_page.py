"""``/docs``: Swagger UI over ``/openapi.json``, from files of an installed package.

Nothing comes from another host, so the page works on a network without the internet, and a strict
content security policy holds: the page's one script of its own is a file too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from aiohttp import web

ASSETS_PACKAGE: Final = "swagger_ui"
ASSETS: Final = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}
"""Files of the package that the page uses, and what they are."""

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
CACHE_SECONDS: Final = 3_600

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Sunlit API</title>
<link rel="icon" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="api"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""

_START: Final = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#api",
  deepLinking: true,
  validatorUrl: null,
  persistAuthorization: false,
});
"""


def docs_routes() -> list[web.RouteDef]:
    """Return the routes of the page and of its files."""
    routes = [
        web.get("/docs", _fixed(_PAGE.encode(), "text/html")),
        web.get("/docs/start.js", _fixed(_START.encode(), "text/javascript")),
    ]
    directory = _assets_directory()
    for name, media_type in ASSETS.items():
        routes.append(web.get(f"/docs/{name}", _file(directory / name, media_type)))
    return routes


def _assets_directory() -> Path:
    """Return where the package keeps its files, without running any of its code."""
    spec = find_spec(ASSETS_PACKAGE)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{ASSETS_PACKAGE} (of swagger-ui-py) is not installed")
    return Path(spec.origin).parent / "static"


def _headers(media_type: str) -> dict[str, str]:
    return {
        "Content-Type": f"{media_type}; charset=utf-8"
        if media_type.startswith("text/")
        else media_type,
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "Cache-Control": f"max-age={CACHE_SECONDS}",
    }


def _fixed(body: bytes, media_type: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def serve(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, headers=_headers(media_type))

    return serve


def _file(path: Path, media_type: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def serve(_request: web.Request) -> web.StreamResponse:
        return web.FileResponse(path, headers=_headers(media_type))

    return serve
