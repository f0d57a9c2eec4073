"""What the metrics make of the engine's notes."""

from __future__ import annotations

from node.core.effects import Note
from node.metrics import Metrics


def test_threat_38_final_and_stale_blocks_are_counted_by_sealer() -> None:
    """Each member's share of stale blocks can be read from two counters."""
    metrics = Metrics(is_process=False)
    final = {"height": 7, "transactions": 0, "sealers": {"bank1": 2, "bank2": 1}}
    metrics.observe_note(Note(name="finalized", fields=final))
    metrics.observe_note(Note(name="block_stale", fields={"height": 7, "sealer": "bank2"}))
    lines = set(metrics.render().decode().splitlines())
    assert lines >= {
        'sunlit_sealed_blocks_total{outcome="final",sealer="bank1"} 2.0',
        'sunlit_sealed_blocks_total{outcome="final",sealer="bank2"} 1.0',
        'sunlit_sealed_blocks_total{outcome="stale",sealer="bank2"} 1.0',
    }
