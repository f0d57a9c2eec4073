"""A judge from outside: Schemathesis reads /openapi.json and tries to prove it wrong.

It makes requests that fit the document and requests that do not, and holds every answer to it:
status, media type, headers and schema; what does not fit is refused, what fits is not; no answer is
a fault of the node's. Streams are asked for what there is (``follow=false``), so that they end.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.functional.devnet import HANG_S, Devnet

HOOKS = Path(__file__).with_name("schemathesis_hooks.py")
SEED = 1
EXAMPLES = 5  # for each operation, beside the systematic ones (coverage)
NODE = "bank1"


@pytest.fixture(scope="module")
def txid(net: Devnet) -> str:
    """Return the id of a final payment from alice."""
    words = ("--from", "alice", "--to", "bob", "1.00", "CNY", "--wait", "final", "--json")
    ended = net.sunlit("wallet", "send", *words)
    assert ended.status == 0, ended.stderr
    return str(ended.document["txid"])


@pytest.mark.parametrize(
    ("reader", "phases"),
    [(None, "fuzzing"), ("alice", "fuzzing"), ("regulator", "coverage,fuzzing")],
)
def test_answers_hold_to_the_document(
    net: Devnet, txid: str, tmp_path: Path, reader: str | None, phases: str
) -> None:
    """No request that Schemathesis makes, with this token, finds an answer out of line."""
    headers = {} if reader is None else net.headers(reader, NODE)
    url = net.node(NODE)["api"] + "/openapi.json"
    done = subprocess.run(
        (
            *(sys.executable, "-m", "schemathesis.cli", "run", url),
            *("--phases", phases, "--max-examples", str(EXAMPLES)),
            *("--seed", str(SEED), "--generation-deterministic"),
            *("--continue-on-failure", "--no-shrink", "--no-color", "--warnings", "off"),
            *(word for header in headers.items() for word in ("-H", ": ".join(header))),
        ),
        cwd=tmp_path,
        env=os.environ
        | {
            "SCHEMATHESIS_HOOKS": str(HOOKS),
            "SUNLIT_TEST_ACCOUNT": net.description["accounts"]["alice"],
            "SUNLIT_TEST_TXID": txid,
        },
        capture_output=True,
        text=True,
        timeout=4 * HANG_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
