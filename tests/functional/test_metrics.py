"""What Prometheus scrapes, judged by its own linter."""

from __future__ import annotations

import asyncio
import shutil

import pytest
from prometheus_client.parser import text_string_to_metric_families

from node.core.effects import Note, SubmissionOutcome
from tests.unit.node.api.served import ServedNode, accept, bearer, serving

PROMTOOL = shutil.which("promtool")


@pytest.fixture
def node() -> ServedNode:
    """Return a node that has done one of everything that is counted."""
    node = ServedNode()
    node.finalize(node.grow(3)[1])
    metrics = node.metrics
    moved = {"connected": 3, "disconnected": 2, "height": 9}
    metrics.observe_note(Note(name="head_moved", fields=moved))
    metrics.observe_note(Note(name="finalized", fields={"height": 8}))
    refused = SubmissionOutcome(txid=None, status=None, code="bad_shape", detail="no")
    metrics.observe_submissions([accept(node.head.block.transactions[0].raw), refused])
    metrics.observe_handle("Tick", 0.003)
    metrics.observe_commit(0.02)
    metrics.observe_hashes(1_000)
    metrics.observe_vote()
    metrics.stream_opened()
    node.run_analytics({})
    return node


async def _scrape(node: ServedNode) -> str:
    async with serving(node) as client:
        await client.get("/v1/blocks/1")
        await client.get("/v1/nothing", headers=bearer("bad"))
        response = await client.get("/metrics")
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return await response.text()


@pytest.mark.skipif(PROMTOOL is None, reason="Prometheus' promtool is not installed")
async def test_promtool_finds_nothing(node: ServedNode) -> None:
    """``promtool check metrics`` accepts every name, unit and help text."""
    process = await asyncio.create_subprocess_exec(
        str(PROMTOOL),
        "check",
        "metrics",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    found, _ = await process.communicate((await _scrape(node)).encode())
    assert (process.returncode, found.decode()) == (0, "")


async def test_values(node: ServedNode) -> None:
    """Each observation is in the metric that is named for it."""
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(await _scrape(node))
        for sample in family.samples
    }
    expected = {
        ("sunlit_head_height",): 3,
        ("sunlit_final_height",): 1,
        ("sunlit_finality_lag_blocks",): 2,
        ("sunlit_finality_live",): 1,
        ("sunlit_peers",): 2,
        ("sunlit_engine_notes_total", "head_moved"): 1,
        ("sunlit_blocks_connected_total",): 3,
        ("sunlit_blocks_disconnected_total",): 2,
        ("sunlit_reorganisations_total",): 1,
        ("sunlit_transactions_submitted_total", "new"): 1,
        ("sunlit_transactions_submitted_total", "refused"): 1,
        ("sunlit_transactions_refused_total", "bad_shape"): 1,
        ("sunlit_hashes_total",): 1_000,
        ("sunlit_votes_total",): 1,
        ("sunlit_commit_seconds_count",): 1,
        ("sunlit_stream_consumers",): 1,
        ("sunlit_http_requests_total", "GET", "/v1/blocks/{block}", "200"): 1,
        ("sunlit_http_requests_total", "GET", "unmatched", "404"): 1,
    }
    assert {key: samples.get(key) for key in expected} == expected
