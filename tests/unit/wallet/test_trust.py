"""Which https node the wallet speaks to: the one whose certificate its profile holds."""

from __future__ import annotations

import json
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from ledger.hashing import BlockHash
from ledger.identity import MemberId
from node.gossip.tls import certificate_der, make_certificate
from wallet import session as session_module
from wallet.client import NodeClient
from wallet.connection import connect
from wallet.errors import NodeUnreachable, ProfileError
from wallet.profile import Profile, ProfileNode, load_profile, profile_path, save_profile

BANK1 = MemberId("bank1")
GENESIS_HASH = BlockHash(bytes(range(32)))
NOW = datetime.now(UTC)
DAY = timedelta(days=1)


def keys_in(
    directory: Path, name: str, *, not_after: datetime = NOW + DAY
) -> tuple[Path, Path, bytes]:
    """Write a member's TLS key and certificate; return both files and the certificate in DER."""
    key_pem, certificate_pem = make_certificate(name, not_before=NOW - 2 * DAY, not_after=not_after)
    key, certificate = directory / f"{name}.key", directory / f"{name}.crt"
    key.write_bytes(key_pem)
    certificate.write_bytes(certificate_pem)
    return key, certificate, certificate_der(certificate_pem)


async def serve(key: Path, certificate: Path) -> AsyncIterator[str]:
    """Serve a status over https on a free loopback port; give the URL."""

    async def status(_: web.Request) -> web.Response:
        head = {"height": 7}
        return web.json_response(
            {"genesis_hash": GENESIS_HASH.hex(), "member": BANK1, "head": head}
        )

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    app = web.Application()
    app.add_routes([web.get("/v1/status", status)])
    server = TestServer(app, host="127.0.0.1", scheme="https")
    await server.start_server(ssl=context)
    yield str(server.make_url("")).rstrip("/")
    await server.close()


@pytest.fixture
def bank1(tmp_path: Path) -> tuple[Path, Path, bytes]:
    """Return bank1's TLS key, its certificate, and that in DER."""
    return keys_in(tmp_path, "bank1")


@pytest.fixture
async def url(bank1: tuple[Path, Path, bytes]) -> AsyncIterator[str]:
    """Return the URL of a node that shows bank1's certificate."""
    key, certificate, _ = bank1
    async for served in serve(key, certificate):
        yield served


@pytest.fixture(autouse=True)
def one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask once: a wrong certificate does not become right."""
    monkeypatch.setattr(session_module, "ATTEMPTS_MAX", 1)


def profile_of(url: str, certificate: bytes | None) -> Profile:
    """Return a profile of one node."""
    node = ProfileNode(name="bank1", member=BANK1, api=url, certificate=certificate)
    return Profile(chain_id="test", genesis_hash=GENESIS_HASH, nodes=(node,))


async def test_a_node_is_known_by_the_certificate_of_the_profile(
    url: str, bank1: tuple[Path, Path, bytes]
) -> None:
    """No authority vouches for it and no name in it is the host's: it is the very one."""
    async with connect(profile_of(url, bank1[2]), url=url) as connection:
        assert connection.head_height == 7


async def test_threat_9_another_certificate_is_refused(url: str, tmp_path: Path) -> None:
    """A node that shows another certificate than the profile's gets nothing to read."""
    _, _, other = keys_in(tmp_path, "bank2")
    with pytest.raises(NodeUnreachable, match="CERTIFICATE_VERIFY_FAILED"):
        async with connect(profile_of(url, other)):
            pass


async def test_threat_9_without_a_certificate_authorities_decide(url: str) -> None:
    """A self-signed certificate that the profile does not hold is nobody's."""
    async with NodeClient(url) as client:
        with pytest.raises(NodeUnreachable, match="CERTIFICATE_VERIFY_FAILED"):
            await client.status()


async def test_threat_9_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    """The right certificate counts for as long as it says."""
    key, certificate, der = keys_in(tmp_path, "bank3", not_after=NOW - DAY)
    async for url in serve(key, certificate):
        async with NodeClient(url, certificate=der) as client:
            with pytest.raises(NodeUnreachable, match="expired"):
                await client.status()


def test_a_profile_keeps_certificates(home: Path, bank1: tuple[Path, Path, bytes]) -> None:
    """What is saved is what is loaded; a node without a certificate has no such field."""
    profile = profile_of("https://127.0.0.1:8101", bank1[2])
    save_profile(home, profile)
    assert load_profile(home) == profile
    bare = replace(profile, nodes=(replace(profile.nodes[0], certificate=None),))
    save_profile(home, bare)
    assert load_profile(home) == bare
    assert "certificate" not in profile_path(home).read_text()


@pytest.mark.parametrize("text", ["", "not base64", b64encode(b"no certificate").decode()])
def test_a_profile_with_a_wrong_certificate_is_refused(home: Path, text: str) -> None:
    """It would trust nothing, and the fault would look like the network's."""
    save_profile(home, profile_of("https://127.0.0.1:8101", None))
    document = json.loads(profile_path(home).read_text())
    document["nodes"][0]["certificate"] = text
    profile_path(home).write_text(json.dumps(document))
    with pytest.raises(ProfileError, match=r"nodes\.0\.certificate"):
        load_profile(home)
