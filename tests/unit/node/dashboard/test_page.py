"""The dashboard's files: served by this node alone, under a policy that lets nothing else in."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator

import pytest

from analytics.alerts import Severity
from analytics.registry.records import Standing
from analytics.registry.series import SERIES
from analytics.typologies.parameters import TypologyParameters
from node.dashboard.page import (
    CHARTS,
    CONTENT_SECURITY_POLICY,
    MEDIA_TYPES,
    PATH,
    STATIC,
    charts_file,
)
from tests.unit.node.api.served import Client, ServedNode, serving

MODULE = re.compile(r'^import .* from "\./([a-z_]+\.js)";$', re.MULTILINE)
LINK = re.compile(r'(?:src|href)="([^"]*)"')


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """Yield a client of a node's API."""
    async with serving(ServedNode()) as client:
        yield client


async def test_every_file_is_served_under_the_policy(client: Client) -> None:
    """Whatever the page may load comes with the policy and with what it is."""
    for file in [*STATIC.iterdir(), charts_file()]:
        path = PATH if file.suffix == ".html" else f"{PATH}/{file.name}"
        response = await client.head(path)
        assert (response.status, path) == (200, path)
        assert response.headers["Content-Type"] == MEDIA_TYPES[file.suffix]
        assert response.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
        assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_the_page_has_no_inline_code_and_names_no_other_host(client: Client) -> None:
    """Scripts and styles are files beside it; the policy allows no others."""
    page = await (await client.get(PATH)).text()
    links = [link for link in LINK.findall(page) if not link.startswith("data:")]
    assert links == ["dashboard/styles.css", "dashboard/main.js", "docs"]
    assert re.findall(r"<script[^>]*>", page) == ['<script type="module" src="dashboard/main.js">']
    assert "<style" not in page
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert CONTENT_SECURITY_POLICY.startswith("default-src 'none'; script-src 'self'; ")


@pytest.mark.parametrize(
    ("module", "name", "values"),
    [
        ("models.js", "SERIES", list(SERIES)),
        ("models.js", "STATES", [one.value for one in Standing]),
        ("models.js", "STANDINGS", [one.value for one in Standing if one != Standing.CANDIDATE]),
        ("alerts_list.js", "SEVERITIES", [one.value for one in Severity]),
        ("alerts_list.js", "TYPOLOGIES", list(TypologyParameters.model_fields)),
    ],
)
def test_what_the_page_offers_is_what_there_is(module: str, name: str, values: list[str]) -> None:
    """Each list of names in the page's code has those of the analytics, in whatever order."""
    found = re.search(rf"const {name} = \[([^\]]*)\]", (STATIC / module).read_text("utf-8"))
    assert found is not None
    assert sorted(re.findall(r'"([^"]+)"', found[1])) == sorted(values)


def test_threat_29_no_module_can_turn_text_into_html() -> None:
    """None of the ways by which a browser reads text as HTML or as code is in the sources."""
    ways = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|eval\(|Function\("
    found = {file.name: re.findall(ways, file.read_text("utf-8")) for file in STATIC.glob("*.js")}
    assert {name: names for name, names in found.items() if names} == {}


def test_nothing_of_the_page_is_kept_by_the_browser() -> None:
    """No token outlives the page: no cookie and no storage is ever touched."""
    for file in STATIC.glob("*.js"):
        assert not re.search(r"localStorage|sessionStorage|indexedDB|\.cookie", file.read_text())


def test_modules_import_what_is_there() -> None:
    """Each import is a file, and each file but the first is imported."""
    imported = {
        name for file in STATIC.glob("*.js") for name in MODULE.findall(file.read_text("utf-8"))
    }
    assert imported == {file.name for file in STATIC.glob("*.js")} - {"main.js"}


async def test_what_is_no_file_of_the_page_is_not_served(client: Client) -> None:
    """There is no way from the page's folder to another."""
    for path in (
        f"{PATH}/page.py",
        f"{PATH}/..%2fpage.py",
        f"{PATH}/none.js",
        f"{PATH}/{CHARTS}/x",
    ):
        assert (await client.get(path)).status == 404


async def test_a_slash_at_the_end_leads_to_the_page(client: Client) -> None:
    """People type it; the browser keeps the fragment on the way."""
    response = await client.get(f"{PATH}/", allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (308, PATH)


def test_none_of_plotlys_python_runs() -> None:
    """The node knows where the file is without importing the package."""
    assert charts_file().is_file()
    assert "plotly" not in sys.modules
