"""``/dashboard``: the regulator's page, from this package's files and plotly's browser code.

Nothing comes from another host and nothing is built, so the page works on a network without the
internet. It holds no data: all that it shows it asks of the API with a token of its own, so the
files are open to everyone, as ``/docs`` is.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web

PATH: Final = "/dashboard"
STATIC: Final = Path(__file__).parent / "static"
INDEX: Final = "index.html"
MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}
"""What the files are, by the ends of their names; no other file is served."""

CHARTS_PACKAGE: Final = "plotly"
CHARTS: Final = "plotly.min.js"

_EMPTY_STYLE: Final = base64.b64encode(hashlib.sha256(b"").digest()).decode()
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; "
    f"style-src 'self' 'sha256-{_EMPTY_STYLE}'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""No inline script or style; plotly may make one style element, empty, and add rules by script."""
CHARTS_CACHE_SECONDS: Final = 3_600

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def dashboard_routes() -> list[web.RouteDef]:
    """Return the routes of the page and of its files."""
    routes = [
        web.get(PATH, _file(STATIC / INDEX)),
        web.get(f"{PATH}/", _to_page),
        web.get(f"{PATH}/{CHARTS}", _charts),
    ]
    files = sorted(path for path in STATIC.iterdir() if path.suffix in MEDIA_TYPES)
    routes += [web.get(f"{PATH}/{path.name}", _file(path)) for path in files if path.name != INDEX]
    return routes


def charts_file() -> Path:
    """Return where plotly keeps its browser code, without running any of its Python."""
    spec = find_spec(CHARTS_PACKAGE)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{CHARTS_PACKAGE} is not installed")
    return Path(spec.origin).parent / "package_data" / CHARTS


def _headers(suffix: str, cache: str) -> dict[str, str]:
    return {
        hdrs.CONTENT_TYPE: MEDIA_TYPES[suffix],
        hdrs.CACHE_CONTROL: cache,
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
    }


def _file(path: Path) -> Handler:
    async def serve(_request: web.Request) -> web.StreamResponse:
        # Asked for again each time, so that page and API are always of one version.
        return web.FileResponse(path, headers=_headers(path.suffix, "no-cache"))

    return serve


async def _charts(_request: web.Request) -> web.StreamResponse:
    path = charts_file()
    cache = f"max-age={CHARTS_CACHE_SECONDS}"
    return web.FileResponse(path, headers=_headers(path.suffix, cache))


async def _to_page(_request: web.Request) -> web.StreamResponse:
    return web.Response(status=308, headers={hdrs.LOCATION: PATH})
