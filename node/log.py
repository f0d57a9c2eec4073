"""The node's log: events with fields, one line each, on standard error.

JSON wherever a program reads it, colours where a person does. In both forms a value that came from
outside cannot begin a line of its own or steer a terminal: JSON escapes it, and the console form
writes every text with its control characters escaped (threat 61). What is secret by its name never
leaves (threat 60).
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, Final, Literal, TextIO

import structlog
from aiohttp.http_exceptions import HttpProcessingError
from structlog.typing import EventDict, Processor, WrappedLogger

from ledger.addresses import encode_account_id
from ledger.identity import ACCOUNT_ID_BYTES

LogFormat = Literal["auto", "json", "console"]

SECRET_WORDS: Final = ("passphrase", "password", "secret", "private", "token", "authorization")
"""A field whose name holds one of these is never written."""
VALUE_CHARACTERS_MAX: Final = 2_000
"""A longer text is cut, so that one value cannot fill a disk, characters."""
REDACTED: Final = "[redacted]"

_FOREIGN_LOGGERS: Final = ("aiohttp.server", "aiohttp.web", "aiohttp.websocket", "asyncio")


def configure_logging(
    log_format: LogFormat = "auto", level: str = "info", *, stream: TextIO | None = None
) -> None:
    """Send structlog's events, and what libraries log, to ``stream`` (standard error) from now on.

    Args:
        log_format: ``auto`` is JSON unless the stream is a terminal.
        level: the least severe level that is written: debug, info, warning or error.
        stream: where to; standard error unless told.
    """
    out = sys.stderr if stream is None else stream
    threshold = logging.getLevelNamesMapping()[level.upper()]
    is_json = log_format == "json" or (log_format == "auto" and not out.isatty())
    structlog.configure(
        processors=[*_processors(), _renderer(is_json=is_json, has_colors=out.isatty())],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    _adopt_library_logs(out, threshold, is_json=is_json)


def _processors() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _without_secrets,
        _readable,
    ]


def _renderer(*, is_json: bool, has_colors: bool) -> Processor:
    if is_json:
        return structlog.processors.JSONRenderer()
    return structlog.dev.ConsoleRenderer(colors=has_colors)


def _adopt_library_logs(out: TextIO, threshold: int, *, is_json: bool) -> None:
    """Give what libraries log the same shape, and nothing below a warning."""
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_processors(),
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _renderer(is_json=is_json, has_colors=out.isatty()),
        ],
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter)
    handler.addFilter(_is_no_clients_fault)
    for name in _FOREIGN_LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(max(threshold, logging.WARNING))


def _is_no_clients_fault(record: logging.LogRecord) -> bool:
    """Tell whether a record is ours to hear of: bytes that are no HTTP are answered with 400."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def _without_secrets(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    for name in event:
        if any(word in name.lower() for word in SECRET_WORDS):
            event[name] = REDACTED
    return event


def _readable(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Write bytes as people know them, and texts without anything that moves a cursor."""
    return _mapped(event, _readable_value)


def _mapped(event: EventDict, change: Callable[[Any], Any]) -> EventDict:
    changed: MutableMapping[str, Any] = {name: change(value) for name, value in event.items()}
    return changed


def _readable_value(value: Any) -> Any:
    if isinstance(value, bytes):
        is_account = len(value) == ACCOUNT_ID_BYTES
        return encode_account_id(value) if is_account else value.hex()
    if isinstance(value, str):
        return escaped(value[:VALUE_CHARACTERS_MAX])
    return value


def escaped(text: str) -> str:
    """Return the text with every character escaped that is not plainly printable."""
    if text.isascii() and text.isprintable():
        return text
    return text.encode("unicode_escape").decode()
