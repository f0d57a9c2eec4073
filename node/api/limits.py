"""Every limit of the HTTP API, with its unit."""

from __future__ import annotations

from typing import Final

from ledger import limits

PAGE_ITEMS_DEFAULT: Final = 100
PAGE_ITEMS_MAX: Final = 1_000
PAGE_TXIDS_MAX: Final = 20_000
"""A page of blocks ends early once it names this many transactions."""
PAGE_LEGS_MAX: Final = 5_000
"""A page of transactions ends early once it holds this many legs: writing JSON cannot be shared
with other work, and 5,000 legs take some 10 ms."""

SCAN_ROWS_MAX: Final = 100_000
"""Transactions and blocks that one audit query reads before it returns what it found."""
SCAN_SECONDS_MAX: Final = 5.0
"""Time that one audit query takes before it returns what it found and a cursor."""

ATTESTATIONS_SCANNED_MAX: Final = 2_000
"""Attestations that one request reads before it returns what it found and a cursor: some 15
microseconds each."""

JSON_BODY_BYTES_MAX: Final = 2 * limits.TRANSACTION_BYTES_MAX + 1_024
"""A transaction in hex, with its braces."""
BATCH_BYTES_MAX: Final = 8 * 1024 * 1024
BATCH_TRANSACTIONS_MAX: Final = 10_000

TOKEN_CHARACTERS_MAX: Final = 4_096
TOKEN_LIFE_SECONDS_MAX: Final = 15 * 60
CLOCK_SKEW_SECONDS_MAX: Final = 10
"""How far ahead of this node's clock a token may say that it was issued."""

REQUEST_SECONDS_MAX: Final = 30.0
"""Time for one answer, streams apart."""
REQUESTS_PER_SECOND: Final = 3_000.0
"""Sustained rate of one token's subject, or of one address without a token."""
REQUESTS_BURST: Final = 9_000
RATED_CLIENTS_MAX: Final = 10_000
"""Clients whose rate is remembered; the longest unseen is forgotten first."""

STREAMS_MAX: Final = 200
"""Streams of blocks and alerts that are open at once."""
STREAM_COMMENT_SECONDS: Final = 15.0
"""A stream says this often that it lives, whatever it sends."""
STREAM_RECHECK_SECONDS: Final = 2.0
"""How often a stream looks whether its token still holds, so that revocation bites within 5 s."""
STREAM_WRITE_SECONDS_MAX: Final = 30.0
"""A consumer that does not take an event in this time is cut off; its last id is its cursor."""
STREAM_PIECE_BYTES_MAX: Final = 64 * 1024
"""A consumer has at most three times as much in the node's own buffer, however large an event is."""
STREAM_SOCKET_BYTES_MAX: Final = 512 * 1024
"""What the kernel is asked to keep for a consumer; left alone it would be some megabytes."""
STREAM_RENDERED_EVENTS_MAX: Final = 4
"""Events that are kept as they are sent, for consumers that are near each other."""
STREAM_RETRY_MILLISECONDS: Final = 1_000
"""When a browser's EventSource reconnects."""

ACCOUNT_TEXTS_MAX: Final = 65_536
"""Account ids whose text is remembered: a checksum costs some 60 microseconds to make."""
