"""A node that serves https: who takes its certificate once it was imported, and who does not."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from sunlit.devnet import free_addresses
from sunlit.devnet_plan import plan_network
from tests.barriers import HANG_S

LEFT_OUT = ("--disable-background-networking", "--disable-component-update", "--disable-sync")
"""What Chromium does of its own accord, and a test needs not."""

needs_chromium = pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("certutil")),
    reason="chromium, or certutil of libnss3-tools, is not installed",
)


@dataclass(frozen=True)
class SecureNode:
    """A member's node behind https on loopback, and the certificates of its network."""

    directory: Path
    api: str
    """``HOST:PORT`` that it listens on."""

    @property
    def port(self) -> str:
        """The port alone, for names that lead here as well."""
        return self.api.rpartition(":")[2]

    @property
    def certificate(self) -> Path:
        """Its own certificate, PEM, as `network init` leaves it for everybody."""
        return self.directory / "bank1.crt"

    @property
    def other_certificate(self) -> Path:
        """Another member's."""
        return self.directory / "regulator.crt"

    @cached_property
    def chain_id(self) -> str:
        """Name of its chain, which its status shows."""
        return str(json.loads((self.directory / "genesis.json").read_bytes())["chain_id"])


def sunlit(*words: str) -> list[str]:
    """Return the command line of `sunlit`."""
    return [sys.executable, "-m", "sunlit", *words]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureNode]:
    """Return the running node of bank1, which needs nobody else to answer."""
    place = tmp_path_factory.mktemp("https")
    directory = place / "network"
    addresses = free_addresses(4)
    plan = plan_network(
        chain_id="https-test", p2p=addresses[:2], api=addresses[2:], block_time_ms=1_000
    )
    (place / "plan.json").write_text(plan.model_dump_json())
    made = ["--generate-keys", "--members", str(place / "plan.json"), "--dir", str(directory)]
    subprocess.run(sunlit("network", "init", *made), check=True, timeout=HANG_S)
    config = directory / "bank1" / "node.toml"
    listens = f'[api]\nlisten = "{addresses[2]}"\n'
    serves = listens + 'tls_certificate = "tls.crt"\ntls_key = "keys/tls.pem"\n'
    assert listens in config.read_text()
    config.write_text(config.read_text().replace(listens, serves))
    command = sunlit("node", "run", "--config", str(config), "--json")
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                if json.loads(line)["event"] == "node_started":
                    break
            assert process.poll() is None, "the node ended"
            drain = threading.Thread(target=process.stderr.read)  # a full pipe would stop the node
            drain.start()
            yield SecureNode(directory, addresses[2])
        finally:
            process.kill()
        drain.join()


def test_python_trusts_the_certificate_under_its_names_alone(node: SecureNode) -> None:
    """The strictest checks of the standard library pass for the names in it, and for no others."""
    context = ssl.create_default_context(cafile=node.certificate)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    for host in ("localhost", "127.0.0.1"):
        with urlopen(f"https://{host}:{node.port}/v1/status", context=context) as answer:
            assert json.load(answer)["chain_id"] == node.chain_id
    with (
        socket.create_connection(("127.0.0.1", int(node.port))) as connection,
        pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"),
    ):
        context.wrap_socket(connection, server_hostname="bank2")


def test_threat_9_python_refuses_another_members_certificate(node: SecureNode) -> None:
    """One member's certificate vouches for no other member."""
    other = ssl.create_default_context(cafile=node.other_certificate)
    with pytest.raises(URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urlopen(f"https://{node.api}/v1/status", context=other)


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
@pytest.mark.parametrize(
    ("anchor", "host", "status"),
    [
        ("bank1", "localhost", 0),
        ("bank1", "bank1", 0),
        ("bank1", "bank2", 60),  # CURLE_PEER_FAILED_VERIFICATION
        ("regulator", "localhost", 60),
    ],
)
def test_curl_takes_the_certificate_by_cacert(
    node: SecureNode, anchor: str, host: str, status: int
) -> None:
    """`curl --cacert` needs no more than the file, and checks name and certificate."""
    certificate = node.directory / f"{anchor}.crt"
    done = subprocess.run(
        [
            *("curl", "--silent", "--show-error", "--noproxy", "*"),
            *("--resolve", f"{host}:{node.port}:127.0.0.1", "--cacert", str(certificate)),
            f"https://{host}:{node.port}/v1/status",
        ],
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )
    assert done.returncode == status, done.stderr
    assert (node.chain_id in done.stdout) is (status == 0)


def browse(home: Path, url: str) -> tuple[str, str]:
    """Return what Chromium shows and what it says of a page, with a profile of its own."""
    done = subprocess.run(
        [
            *("chromium", "--headless", "--no-sandbox", "--no-proxy-server", *LEFT_OUT),
            *("--host-resolver-rules=MAP bank1 127.0.0.1,MAP bank2 127.0.0.1",),
            *(f"--user-data-dir={home / 'profile'}", "--dump-dom", url),
        ],
        env=os.environ | {"HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )
    return done.stdout, done.stderr


def import_certificate(home: Path, certificate: Path) -> None:
    """Let the browser of a home trust a certificate, as docs/operations.md says."""
    store = f"sql:{home / '.pki' / 'nssdb'}"
    (home / ".pki" / "nssdb").mkdir(parents=True)
    for words in (
        ["-N", "--empty-password"],
        ["-A", "-t", "P,,", "-n", "node", "-i", str(certificate)],
    ):
        subprocess.run(["certutil", "-d", store, *words], check=True, timeout=HANG_S)


@needs_chromium
@pytest.mark.slow
@pytest.mark.parametrize(
    ("host", "path"),
    [("localhost", "/docs"), ("127.0.0.1", "/v1/status"), ("bank1", "/v1/status")],
)
def test_chromium_shows_the_node_once_its_certificate_is_imported(
    node: SecureNode, tmp_path: Path, host: str, path: str
) -> None:
    """Algorithm, names and use of the certificate are what a browser wants of a server's."""
    import_certificate(tmp_path, node.certificate)
    page, said = browse(tmp_path, f"https://{host}:{node.port}{path}")
    assert ("Sunlit" if path == "/docs" else node.chain_id) in page, said


@needs_chromium
@pytest.mark.slow
@pytest.mark.parametrize(
    ("imported", "host", "error"),
    [
        (None, "localhost", "ERR_CERT_AUTHORITY_INVALID"),
        ("regulator", "localhost", "ERR_CERT_AUTHORITY_INVALID"),
        ("bank1", "bank2", "ERR_CERT_COMMON_NAME_INVALID"),
    ],
)
def test_chromium_refuses_what_was_not_imported(
    node: SecureNode, tmp_path: Path, imported: str | None, host: str, error: str
) -> None:
    """Without the import, with another's, or under another name the page does not load."""
    if imported is not None:
        import_certificate(tmp_path, node.directory / f"{imported}.crt")
    page, said = browse(tmp_path, f"https://{host}:{node.port}/v1/status")
    assert node.chain_id not in page
    assert error in said
