"""A document as a bank attests it: hashed, on every node, found by its file, proved offline."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from tests.functional.devnet import Api, Devnet

SUBJECT = "scoring of small firms 1.0"
CONTENT = b'{"model": "logistic", "auc": 0.78}'


async def test_a_document_is_attested_found_and_proved(
    net: Devnet, api: Api, tmp_path: Path
) -> None:
    """From the file to a proof that another file does not pass, and to its successor."""
    card, proof = tmp_path / "card.json", tmp_path / "proof.json"
    _write(card, CONTENT)
    about = ("--kind", "model_card", "--subject", SUBJECT, "--as", "bank1-officer")
    sent = net.done("attest", str(card), *about, "--wait", "final")
    digest = sha256(CONTENT).hexdigest()
    assert (sent["status"], sent["sha256"], sent["revision"]) == ("final", digest, 1)
    assert net.done("attest", str(card), *about)["txid"] == sent["txid"]

    await api.until_final("bank2", {sent["txid"]}, first=1)
    path = f"/v1/attestations?sha256={digest}"
    code, page = await api.get("bank2", path, reader="bank2-officer")
    assert code == 200, page
    (item,) = page["items"]
    assert (item["member"], item["txid"], item["height"]) == ("bank1", sent["txid"], sent["height"])
    (found,) = net.done("attestations", "--document", str(card), "--as", "regulator")["items"]
    assert found == item

    net.done("wallet", "proof", sent["txid"], "--as", "bank2-officer", "-o", str(proof))
    verified = net.done("audit", "verify", str(proof), "--document", str(card))
    assert verified["height"] == sent["height"]
    assert (verified["attested"]["member"], verified["attested"]["subject"]) == ("bank1", SUBJECT)
    _write(card, CONTENT.replace(b"0.78", b"0.87"))
    ended = net.sunlit("audit", "verify", str(proof), "--document", str(card))
    assert (ended.status, ended.stdout) == (1, "")
    assert ended.stderr.splitlines()[-1].startswith("error[document_differs]: ")

    refused = net.sunlit("attest", str(card), *about)
    assert refused.stderr.splitlines()[-1].startswith("error[superseding]: ")
    assert net.done("attest", str(card), *about, "--supersede")["revision"] == 2


def _write(file: Path, content: bytes) -> None:
    file.write_bytes(content)
