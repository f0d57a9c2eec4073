"""The OpenAPI document is valid, names every route, and describes what is really answered."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from node.api.app import OPERATIONS, make_app
from node.api.docs_page import ASSETS, CONTENT_SECURITY_POLICY
from node.api.openapi import openapi_document
from node.dashboard.page import dashboard_routes
from tests.factories import key_set, make_signer
from tests.unit.node.api.played import (
    ALERT_ID,
    ANALYTICS_ANSWERS,
    CASE_ID,
    MODEL_ID,
    TRAINING_ID,
)
from tests.unit.node.api.served import Client, Json, ServedNode, bearer

PAGES = {
    "/openapi.json",
    "/docs",
    "/docs/start.js",
    *(f"/docs/{name}" for name in ASSETS),
    *(route.path for route in dashboard_routes()),
}
"""Routes that serve the document and pages, and are no operations of the API."""


@pytest.fixture(scope="module")
def document() -> Json:
    """Return the document, which takes a second or so to make."""
    return openapi_document(OPERATIONS)


async def test_the_document_is_valid(client: Client, document: Json) -> None:
    """An independent validator accepts what is served as OpenAPI 3.1."""
    response = await client.get("/openapi.json")
    assert await response.json() == document
    validate(document)


def test_every_route_is_in_the_document(node: ServedNode, document: Json) -> None:
    """What the router serves is what the document describes."""
    routes = {
        (route.resource.canonical, route.method.lower())
        for route in make_app(node).router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    described = {(path, method) for path, item in document["paths"].items() for method in item}
    assert {route for route in routes if route[0] not in PAGES} == described


async def test_answers_are_as_described(node: ServedNode, client: Client, document: Json) -> None:
    """Real answers of every operation that gives JSON fit the schemas, with nothing to spare."""
    node.connect(
        node.network.issue(node.network.entry("bob", 5)),
        node.network.open_account(key_set([make_signer("dora")]), sequence=1),
    )
    node.find_double_vote()
    node.run_analytics(ANALYTICS_ANSWERS)
    txid = node.head.ancestry()[1].block.transactions[0].txid.hex()
    values = {"txid": txid, "block": "head", "account": node.account_text("alice")}
    values |= {"report": "typologies", "case": CASE_ID, "alert": ALERT_ID}
    values |= {"model": MODEL_ID, "training": TRAINING_ID}
    headers = bearer(node.officer_token("regulator"))
    checked = set()
    for path, item in document["paths"].items():
        content = item.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
        if "application/json" not in content:
            continue
        response = await client.get(path.format_map(values), headers=headers)
        assert response.status == 200
        _check(document, content["application/json"]["schema"], await response.json())
        checked.add(path)
    assert len(checked) > 12


async def test_refusals_are_as_described(client: Client, document: Json) -> None:
    """A problem document fits its schema."""
    schema = {"$ref": "#/components/schemas/ProblemDocument"}
    response = await client.get("/v1/blocks?limit=0")
    _check(document, schema, await response.json(content_type=None))


async def test_blocks_of_the_stream_are_as_described(
    node: ServedNode, client: Client, document: Json
) -> None:
    """A block of the stream fits its schema, block 0 with the genesis document included."""
    response = await client.get("/v1/audit/blocks", headers=bearer(node.officer_token("regulator")))
    blocks = [
        json.loads(line.removeprefix("data: "))
        for line in (await response.text()).splitlines()
        if line.startswith("data: ")
    ]
    assert len(blocks) == 4
    schema = {"$ref": "#/components/schemas/AuditBlockDocument"}
    for block in blocks:
        _check(document, schema, block)


async def test_lines_of_the_stream_are_as_described(
    node: ServedNode, client: Client, document: Json
) -> None:
    """Each line of the other form fits the schema of its media type."""
    headers = bearer(node.officer_token("regulator")) | {"Accept": "application/x-ndjson"}
    response = await client.get("/v1/audit/blocks", headers=headers)
    operation = document["paths"]["/v1/audit/blocks"]["get"]
    schema = operation["responses"]["200"]["content"]["application/x-ndjson"]["schema"]
    lines = (await response.text()).splitlines()
    assert len(lines) == 4
    for line in lines:
        _check(document, schema, json.loads(line))


def test_parameters_say_their_bounds(document: Json) -> None:
    """A client's generator sees what is refused: bounds and patterns; nothing is ever null."""
    schemas = [
        parameter["schema"]
        for item in document["paths"].values()
        for operation in item.values()
        for parameter in operation["parameters"]
    ]
    numbers = [schema for schema in schemas if schema.get("type") == "integer"]
    assert len(numbers) > 8
    assert all({"minimum", "maximum"} <= set(schema) for schema in numbers)
    assert "null" not in json.dumps(schemas)


async def test_the_page_needs_no_other_host(client: Client) -> None:
    """The page's files all come from this node, and its policy allows no other."""
    response = await client.get("/docs")
    assert response.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    page = await response.text()
    links = _Links()
    links.feed(page)
    assert len(links.found) == 4
    for link in links.found:
        assert re.fullmatch(r"docs/[\w.-]+", link)
        asset = await client.get(f"/{link}")
        assert asset.status == 200
        assert asset.headers["Content-Type"].split(";")[0] in {
            *ASSETS.values(),
            "text/javascript",
        }


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("src", "href") and value]


def _check(document: Json, schema: Json, value: Any) -> None:
    OAS31Validator({**schema, "components": document["components"]}).validate(value)
