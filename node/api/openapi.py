"""The OpenAPI 3.1 document, made from the operations that the router serves (ADR 0007).

Schemas come from pydantic, which reads the typed dictionaries of ``node.api.documents`` and the
query models; what is added here is OpenAPI's own frame around them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter

from node.analytics.case_documents import ALERT_PATTERN, CASE_PATTERN
from node.analytics.model_documents import MODEL_PATTERN, PROPOSAL_PATTERN, TRAINING_PATTERN
from node.api.documents import ProblemDocument
from node.api.operations import EVENT_STREAM, JSON, Access, Content, Operation
from node.api.problems import CONTENT_TYPE
from node.api.queries import ACCOUNT_PATTERN, BLOCK_PATTERN, HASH_PATTERN, REPORT_PATTERN

Json = dict[str, Any]

OPENAPI_VERSION: Final = "3.1.0"
SCHEMA_REFERENCE: Final = "#/components/schemas/{model}"
SECURITY_SCHEME: Final = "token"

TAGS: Final = {
    "node": "Whether the node lives, serves and keeps up.",
    "transactions": "Submitting signed transactions and asking where they stand.",
    "chain": "Blocks and registers, open to everyone.",
    "accounts": "For the account, its member and regulators.",
    "attestations": "Hashes of documents that members stand by, for whoever has a token.",
    "audit": "For regulators' officers.",
}
ACCESS_EXTENSION: Final = "x-sunlit-access"
"""Who may call an operation, by name (`Access`): ``security`` has no word for a regulator."""
PATH_PARAMETERS: Final = {
    "txid": ("Transaction id, 64 characters of lower-case hex.", HASH_PATTERN),
    "block": ("Height, hash in lower-case hex, ``head`` or ``finalized``.", BLOCK_PATTERN),
    "account": ("Account id, ``sun1…``.", ACCOUNT_PATTERN),
    "alert": ("Alert id, 32 characters of lower-case hex.", ALERT_PATTERN),
    "case": ("Case id, ``case-…``.", CASE_PATTERN),
    "model": ("Model id, 16 characters of lower-case hex.", MODEL_PATTERN),
    "training": ("Training id, ``training-…``.", TRAINING_PATTERN),
    "proposal": ("Id of a proposal to train again, ``proposal-…``.", PROPOSAL_PATTERN),
    "report": ("Name of a report (docs/analytics.md).", REPORT_PATTERN),
}
"""What each part of a path is, and its pattern."""
PROBLEMS: Final = {
    400: "The body is malformed.",
    401: "The token is missing or does not hold; the code says why.",
    403: "The token's holder may not see this.",
    404: "There is no such thing.",
    409: "It contradicts what the chain or the node already holds, or comes too early.",
    413: "The body is too large.",
    415: "The body is of another media type.",
    422: "A field is not valid; ``errors`` names it.",
    429: "Too many requests; ``Retry-After`` says when to try again.",
    503: "Not now; ``Retry-After`` says when to try again.",
    504: "What was asked takes too long.",
}
PROBLEM_HEADERS: Final[Mapping[int, Json]] = {
    401: {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}},
    429: {"Retry-After": {"required": True, "schema": {"type": "integer", "minimum": 1}}},
    503: {"Retry-After": {"required": True, "schema": {"type": "integer", "minimum": 1}}},
}
"""Headers that refusals of a status always have."""


def openapi_document(operations: Iterable[Operation]) -> Json:
    """Return the document that describes these operations."""
    operations = tuple(operations)
    schemas = _Schemas(operations)
    paths: dict[str, Json] = {}
    for operation in operations:
        path = paths.setdefault(operation.path, {})
        path[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": OPENAPI_VERSION,
        "info": {
            "title": "Sunlit node",
            "version": version("sunlit"),
            "description": "Hashes and keys are lower-case hex, amounts strings of smallest units, "
            "times RFC 3339 UTC. Refusals are problem documents (RFC 9457) with a stable code.",
        },
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "securitySchemes": {
                SECURITY_SCHEME: {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "EdDSA by a key on the chain; ``kid`` is the key in hex, "
                    "``iss`` and ``sub`` the account or the officer's member, ``aud`` is "
                    "``<chain_id>/<member of this node>``, life at most 15 minutes.",
                }
            },
        },
    }


class _Schemas:
    """The JSON schemas of all bodies, collected so that each type is described once."""

    def __init__(self, operations: tuple[Operation, ...]) -> None:
        documents = [
            content.document
            for operation in operations
            for content in (*operation.bodies, *_answer_contents(operation))
            if content.document is not None
        ]
        documents.append(ProblemDocument)
        self._keys = [(str(at), document) for at, document in enumerate(documents)]
        found, definitions = TypeAdapter.json_schemas(
            [(key, "serialization", TypeAdapter(document)) for key, document in self._keys],
            ref_template=SCHEMA_REFERENCE,
        )
        self._by_key = {key: schema for (key, _), schema in found.items()}
        self.components: Json = dict(definitions.get("$defs", {}))

    def of(self, document: Any) -> Json:
        """Return the schema of a body's type, usually a reference."""
        key = next(key for key, known in self._keys if known is document)
        return self._by_key[key]

    def query(self, model: type[BaseModel]) -> list[Json]:
        """Return the parameters that a query model stands for."""
        schema = model.model_json_schema(ref_template=SCHEMA_REFERENCE)
        self.components.update(schema.get("$defs", {}))
        required = schema.get("required", ())
        return [
            {
                "name": name,
                "in": "query",
                "required": name in required,
                "description": field.pop("description", ""),
                "schema": _without_null(field),
            }
            for name, field in schema.get("properties", {}).items()
        ]


def _answer_contents(operation: Operation) -> tuple[Content, ...]:
    return tuple(content for answer in operation.answers.values() for content in answer.contents)


def _operation(operation: Operation, schemas: _Schemas) -> Json:
    document: Json = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": [*_path_parameters(operation.path), *schemas.query(operation.query)],
        "responses": _responses(operation, schemas),
        "security": _security(operation.access),
        ACCESS_EXTENSION: operation.access.value,
    }
    if operation.bodies:
        document["requestBody"] = {
            "required": True,
            "content": _contents(operation.bodies, schemas),
        }
    return document


def _path_parameters(path: str) -> list[Json]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": PATH_PARAMETERS[name][0],
            "schema": {"type": "string", "pattern": PATH_PARAMETERS[name][1]},
        }
        for name in re.findall(r"{(\w+)}", path)
    ]


def _responses(operation: Operation, schemas: _Schemas) -> Mapping[str, Json]:
    responses = {
        str(status): {
            "description": answer.description,
            "content": _contents(answer.contents, schemas),
        }
        for status, answer in operation.answers.items()
    }
    for status in sorted(_problem_statuses(operation)):
        responses[str(status)] = {
            "description": PROBLEMS[status],
            "headers": PROBLEM_HEADERS.get(status, {}),
            "content": {CONTENT_TYPE: {"schema": schemas.of(ProblemDocument)}},
        }
    return responses


def _problem_statuses(operation: Operation) -> set[int]:
    statuses = {422, *operation.problems}
    if operation.access is not Access.PROBE:
        statuses |= {401, 429, 503}  # 503: an answer that took too long
    if operation.access in (Access.TOKEN, Access.REGULATOR):
        statuses.add(403)
    return statuses


def _security(access: Access) -> list[Json]:
    """Return OpenAPI's alternatives; an empty one means that a token is not needed."""
    with_token: Json = {SECURITY_SCHEME: []}
    if access is Access.PROBE:
        return []
    return [{}, with_token] if access is Access.OPEN else [with_token]


def _contents(contents: Iterable[Content], schemas: _Schemas) -> Json:
    return {content.media_type: _media_type(content, schemas) for content in contents}


def _media_type(content: Content, schemas: _Schemas) -> Json:
    if content.media_type == EVENT_STREAM:
        return {"schema": _event(content, schemas)}
    if content.document is not None:
        return {"schema": schemas.of(content.document)}
    # Raw bytes have no JSON schema; OpenAPI 3.1 says so by giving none but their meaning.
    return {"schema": {"contentMediaType": content.media_type, "description": content.description}}


def _event(content: Content, schemas: _Schemas) -> Json:
    """Return the schema of one Server-Sent Event, as OpenAPI 3.2 describes them.

    OpenAPI 3.1 has no words for streams; tools take the schema for that of each event.
    """
    return {
        "type": "object",
        "description": content.description,
        "properties": {
            "event": {"type": "string"},
            "id": {"type": "string"},
            "retry": {"type": "integer"},
            "data": {
                "type": "string",
                "contentMediaType": JSON,
                "contentSchema": schemas.of(content.document),
            },
        },
        "required": ["event", "id", "data"],
    }


def _without_null(field: Json) -> Json:
    """Return the schema of a query parameter that may be left out: it is never null on the wire."""
    given = [choice for choice in field.get("anyOf", ()) if choice != {"type": "null"}]
    if len(given) != 1:
        return field
    rest = {name: value for name, value in field.items() if name not in ("anyOf", "default")}
    return {**given[0], **rest}
