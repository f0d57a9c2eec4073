"""The text of a member's node.toml, as `node.config` reads it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from sunlit.network_document import MemberEntry


def format_config(entry: MemberEntry, members: Iterable[MemberEntry]) -> str:
    """Return the configuration of one member's node among all members, as TOML.

    Names and addresses were validated and are ASCII, so a JSON string is a TOML string too.
    """
    return "\n".join(_lines(entry, members)) + "\n"


def _lines(entry: MemberEntry, members: Iterable[MemberEntry]) -> Iterator[str]:
    yield "# A Sunlit node; paths are relative to this file."
    yield f"member = {json.dumps(entry.id)}"
    yield 'genesis = "genesis.json"'
    yield 'data_dir = "data"'
    yield 'sealing_key = "keys/sealing.pem"'
    yield 'tls_key = "keys/tls.pem"'
    yield 'tls_certificate = "tls.crt"'
    yield ""
    yield "[p2p]"
    yield f"listen = {json.dumps(entry.p2p_listen_address)}"
    yield ""
    yield "[p2p.peers]"
    for member in members:
        if member.id != entry.id:
            yield f"{json.dumps(member.id)} = {json.dumps(member.p2p)}"
    yield ""
    yield "[api]"
    yield f"listen = {json.dumps(entry.api_listen)}"
    if entry.is_api_tls:
        yield 'tls_certificate = "tls.crt"'
        yield 'tls_key = "keys/tls.pem"'
    yield ""
    yield "[mining]"
    yield "enabled = true"
    yield "duty = 0.1  # of one core"
    yield ""
    yield "[verification]"
    yield "processes = 1"
    yield ""
    yield "[storage]"
    yield "cache_mib = 16"
    yield ""
    yield "[log]"
    yield 'format = "auto"  # or "json", "console"'
    yield 'level = "info"'
