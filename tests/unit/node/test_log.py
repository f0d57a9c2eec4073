"""The log: one line an event, nothing secret, nothing that moves a cursor."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from aiohttp.http_exceptions import BadHttpMessage

from node.log import REDACTED, VALUE_CHARACTERS_MAX, LogFormat, configure_logging
from tests.factories import make_account_id


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    yield
    structlog.reset_defaults()
    for name in ("aiohttp.server", "aiohttp.web", "aiohttp.websocket", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
        logger.setLevel(logging.NOTSET)


def _written(log_format: LogFormat, stream: io.StringIO | None = None, **fields: object) -> str:
    out = stream or io.StringIO()
    configure_logging(log_format, stream=out)
    structlog.get_logger().info("something_happened", **fields)
    return out.getvalue()


def test_programs_get_json_and_people_get_text() -> None:
    """``auto`` is JSON unless the stream is a terminal."""
    line = json.loads(_written("auto", height=3))
    assert (line["event"], line["height"], line["level"]) == ("something_happened", 3, "info")
    assert line["timestamp"].endswith("Z")
    text = _written("auto", _Terminal(), height=3)
    assert "something_happened" in text
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(text)


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_threat_61_outside_text_stays_in_its_line(log_format: LogFormat) -> None:
    """Line breaks, escapes and look-alikes in a value are written escaped in both forms."""
    written = _written(log_format, reference="a\nlevel=error forged\r\x1b[2J\u202e\u0430")
    assert written.count("\n") == 1
    assert written.endswith("\n")
    assert written.isascii()
    assert "\x1b[2J" not in written
    assert "\r" not in written


@pytest.mark.parametrize("name", ["passphrase", "officer_token", "private_key", "Authorization"])
def test_threat_60_secrets_are_not_written(name: str) -> None:
    """A field that is secret by its name is replaced."""
    out = io.StringIO()
    configure_logging("json", stream=out)
    structlog.get_logger().info("something_happened", **{name: "hunter2"})
    assert json.loads(out.getvalue())[name] == REDACTED


def test_bytes_are_written_as_people_know_them() -> None:
    """Hashes are hex, account ids are ``sun1…``."""
    line = json.loads(_written("json", hash=bytes(32), account=make_account_id("alice")))
    assert line["hash"] == "00" * 32
    assert line["account"].startswith("sun1")


def test_long_values_are_cut() -> None:
    """One value cannot fill the disk."""
    assert len(json.loads(_written("json", detail="x" * 9_999))["detail"]) == VALUE_CHARACTERS_MAX


def test_levels_below_the_threshold_are_dropped() -> None:
    """A quieter level writes nothing of lesser events."""
    out = io.StringIO()
    configure_logging("json", "warning", stream=out)
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")
    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == ["loud"]


def test_libraries_write_the_same_lines() -> None:
    """What aiohttp logs is JSON too, its exceptions included, and never below a warning."""
    out = io.StringIO()
    configure_logging("json", "debug", stream=out)
    logging.getLogger("aiohttp.server").info("not this")
    logging.getLogger("aiohttp.server").warning("line\nbreak %s", "\x1b[2J")
    line = json.loads(out.getvalue())
    assert (line["event"], line["level"]) == ("line\\nbreak \\x1b[2J", "warning")


def test_what_clients_get_wrong_fills_no_log() -> None:
    """Bytes that are no HTTP are answered, not logged; a fault in the server itself is."""
    out = io.StringIO()
    configure_logging("json", stream=out)
    server = logging.getLogger("aiohttp.server")
    server.error("Error handling request", exc_info=BadHttpMessage("no HTTP"))
    assert out.getvalue() == ""
    server.error("Error handling request", exc_info=ValueError("ours"))
    assert "ours" in json.loads(out.getvalue())["exception"]
