"""What Schemathesis is told of this API: its media types, real ids, and what no schema can say.

It runs in a process of its own (see ``test_schemathesis``), which loads this file by the variable
``SCHEMATHESIS_HOOKS``.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any

import msgpack
import schemathesis
from schemathesis import HookContext
from schemathesis.core.failures import ContentTypeServerError, Failure, ServerError
from schemathesis.core.transport import Response
from schemathesis.openapi.checks import RejectedPositiveData

BEYOND_SCHEMAS = {
    "address_checksum",  # a checksum is no pattern
    "bad_cursor",  # only what the node gave is a cursor of it
    "conflicting_parameters",  # each fits, and both together say two things
    "bad_shape",  # any MessagePack is offered as a batch, and any bytes as a transaction
    "extension_not_allowed",
    "invalid_field",  # elements of a batch; JSON's own schemas are held to below
    "malformed",
    "malformed_json",  # two equal keys, or a number that JSON has not
    "map_not_allowed",
    "not_canonical",
    "too_large",
    "unknown_version",
}
"""Codes by which a request may be refused though it fits its schema."""

NEVER_MSGPACK = b"\xc1"
"""The one byte that begins nothing in MessagePack."""

KNOWN = {
    re.compile("sun1[02-9ac-hj-np-z]{38}|SUN1[02-9AC-HJ-NP-Z]{38}"): os.environ.get(
        "SUNLIT_TEST_ACCOUNT", ""
    ),
    re.compile("[0-9a-f]{64}"): os.environ.get("SUNLIT_TEST_TXID", ""),
}
"""What takes the place of ids that fit the pattern and name nothing."""


@schemathesis.serializer("application/msgpack")
def write_msgpack(_context: schemathesis.SerializationContext, value: Any) -> bytes:
    """Encode any value; text stands for bytes as well, since JSON has none."""
    if isinstance(value, str):
        value = value.encode(errors="surrogatepass")
    try:
        return bytes(msgpack.packb(value, unicode_errors="surrogatepass"))
    except OverflowError:  # MessagePack has no longer integers than 64 bits
        return NEVER_MSGPACK


@schemathesis.deserializer("application/x-ndjson")
def read_lines(_context: schemathesis.DeserializationContext, response: Response) -> Any:
    """Return the first line, which the schema describes; the others have its form."""
    lines = response.content.splitlines()
    return json.loads(lines[0]) if lines else None


@schemathesis.hook
def before_call(context: HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]) -> None:
    """Put ids of the network in the place of random ones, and let no stream go on for ever."""
    for values in (case.path_parameters, case.query):
        for name, value in (values or {}).items():
            values[name] = "false" if (name, value) == ("follow", "true") else _known(value)


@schemathesis.hook
def filter_failure(
    context: HookContext, failure: Failure, case: schemathesis.Case[Any], response: Response
) -> bool:
    """Pass over refusals of fitting requests whose reason is beyond any schema.

    And over 503, which says "not now" where the document says so: a busy node may not be ready.
    """
    if isinstance(failure, ServerError | ContentTypeServerError):
        return response.status_code != 503
    if not isinstance(failure, RejectedPositiveData):
        return True
    problem = json.loads(response.content)
    is_json_field = problem["code"] == "invalid_field" and case.media_type != "application/msgpack"
    return is_json_field or problem["code"] not in BEYOND_SCHEMAS


def _known(value: Any) -> Any:
    if isinstance(value, str):
        for pattern, known in KNOWN.items():
            if known and pattern.fullmatch(value):
                return known
    return value
