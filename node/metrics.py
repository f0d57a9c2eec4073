"""What a node counts and measures, as Prometheus reads it.

Names carry their full unit, counters end in ``_total`` (``promtool check metrics`` judges them).
Label values come from the code or from the register, never from a client, so that nobody can grow
the number of series.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

from node.core.effects import NodeStatus, Note, SubmissionOutcome

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

LATENCY_BUCKETS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Upper bounds of the latency histograms' buckets, seconds."""

HEAD_MOVED: Final = "head_moved"
"""The engine's note that the best chain moved; it says how many blocks came and went."""
FINALIZED: Final = "finalized"
"""The engine's note that blocks became final; it says how many of each sealer."""
BLOCK_STALE: Final = "block_stale"
"""The engine's note that a block can never be final, because another is; it says whose it was."""


class Metrics:
    """A node's metrics in a registry of their own, so that many nodes fit in one process."""

    def __init__(self, *, is_process: bool = True) -> None:
        self.registry = CollectorRegistry()
        if is_process:
            ProcessCollector(registry=self.registry)
        self._make_chain_metrics()
        self._make_engine_metrics()
        self._make_http_metrics()

    def render(self) -> bytes:
        """Return all metrics in Prometheus' text format 0.0.4."""
        return generate_latest(self.registry)

    def observe_status(self, status: NodeStatus) -> None:
        """Take over what the engine says of itself."""
        self._head_height.set(status.head.height)
        self._head_time.set(status.head_time_ms / 1_000)
        self._justified_height.set(status.justified.height)
        self._final_height.set(status.final.height)
        self._finality_lag.set(status.head.height - status.final.height)
        self._finality_live.set(status.is_live)
        self._head_safe.set(status.is_head_safe)
        self._syncing.set(status.is_syncing)
        self._voting.set(status.is_voting)
        self._peers.set(len(status.peers))
        self._mempool_transactions.set(status.mempool_transactions)
        self._mempool_bytes.set(status.mempool_bytes)

    def observe_note(self, note: Note) -> None:
        """Count an event of the engine under its name; names are constants of the engine."""
        self._notes.labels(note.name).inc()
        if note.name == FINALIZED:
            sealers = note.fields.get("sealers")
            for sealer, count in sealers.items() if isinstance(sealers, dict) else ():
                self._sealed.labels(sealer, "final").inc(count)
        if note.name == BLOCK_STALE:
            self._sealed.labels(str(note.fields.get("sealer")), "stale").inc()
        if note.name != HEAD_MOVED:
            return
        self._connected.inc(_count(note.fields.get("connected")))
        disconnected = _count(note.fields.get("disconnected"))
        if disconnected:
            self._reorganisations.inc()
            self._disconnected.inc(disconnected)

    def observe_vote(self) -> None:
        """Count a finality vote that this node released."""
        self._votes.inc()

    def observe_submissions(self, outcomes: Iterable[SubmissionOutcome]) -> None:
        """Count submitted transactions, and those refused by the code of the reason."""
        for outcome in outcomes:
            if outcome.status is None:
                self._submitted.labels("refused").inc()
                self._refused.labels(outcome.code).inc()
            else:
                self._submitted.labels("new" if outcome.is_new else "known").inc()

    def observe_handle(self, event: str, elapsed_s: float) -> None:
        """Record how long the engine took for one event, by the event's type."""
        self._handle.labels(event).observe(elapsed_s)

    def observe_commit(self, elapsed_s: float) -> None:
        """Record how long one durable write took."""
        self._commit.observe(elapsed_s)

    def observe_space(self, *, free_bytes: int, is_read_only: bool) -> None:
        """Take over how much room the disk has, and whether the node only reads for want of it."""
        self._disk_free.set(free_bytes)
        self._read_only.set(is_read_only)

    def observe_hashes(self, count: int) -> None:
        """Count proof-of-work hashes that this node's miner computed."""
        self._hashes.inc(count)

    def observe_request(self, *, method: str, route: str, status: int, elapsed_s: float) -> None:
        """Count one answered request; ``route`` is the path's template."""
        self._requests.labels(method, route, str(status)).inc()
        self._latency.labels(method, route).observe(elapsed_s)

    def stream_opened(self) -> None:
        """Count one more stream consumer."""
        self._streams.inc()

    def stream_closed(self) -> None:
        """Count one stream consumer less."""
        self._streams.dec()

    def _make_chain_metrics(self) -> None:
        self._head_height = self._gauge("head_height", "Height of the best chain's last block.")
        self._head_time = self._gauge(
            "head_timestamp_seconds", "Time in the last block's header, Unix seconds."
        )
        self._justified_height = self._gauge("justified_height", "Height last justified.")
        self._final_height = self._gauge("final_height", "Height of the last final block.")
        self._finality_lag = self._gauge(
            "finality_lag_blocks", "Blocks of the best chain that are not final."
        )
        self._finality_live = self._gauge(
            "finality_live", "Whether finality keeps up (1) or is stalled (0)."
        )
        self._head_safe = self._gauge(
            "head_safe", "Whether so many sealers are connected that one must be honest."
        )
        self._syncing = self._gauge("syncing", "Whether peers announced blocks still missing.")
        self._voting = self._gauge("voting", "Whether this node's sealing key votes.")
        self._peers = self._gauge("peers", "Members with an established session.")
        self._mempool_transactions = self._gauge(
            "mempool_transactions", "Transactions waiting for a block."
        )
        self._mempool_bytes = self._gauge("mempool_bytes", "Size of the waiting transactions.")

    def _make_engine_metrics(self) -> None:
        self._notes = self._counter("engine_notes", "Events of the engine by name.", "note")
        self._connected = self._counter("blocks_connected", "Blocks that joined the best chain.")
        self._reorganisations = self._counter(
            "reorganisations", "Moves of the best chain that took blocks off it."
        )
        self._sealed = self._counter(
            "sealed_blocks",
            "Blocks by their sealer, once it is certain whether they count.",
            "sealer",
            "outcome",
        )
        self._votes = self._counter("votes", "Finality votes released by this node.")
        self._disconnected = self._counter(
            "blocks_disconnected", "Blocks that a reorganisation took off the best chain."
        )
        self._submitted = self._counter(
            "transactions_submitted", "Transactions that clients submitted.", "outcome"
        )
        self._refused = self._counter(
            "transactions_refused", "Submitted transactions that were refused.", "code"
        )
        self._hashes = self._counter("hashes", "Proof-of-work hashes computed by the miner.")
        self._handle = self._histogram(
            "engine_handle_seconds", "Time the engine took for one event.", "event"
        )
        self._commit = self._histogram("commit_seconds", "Time one durable write took.")
        self._disk_free = self._gauge("disk_free_bytes", "Room on the fullest disk written to.")
        self._read_only = self._gauge(
            "read_only", "Whether the node only reads, because its disk is almost full."
        )

    def _make_http_metrics(self) -> None:
        self._requests = self._counter(
            "http_requests", "Requests answered.", "method", "route", "status"
        )
        self._latency = self._histogram(
            "http_request_duration_seconds", "Time to the end of the answer.", "method", "route"
        )
        self._streams = self._gauge("stream_consumers", "Clients that follow the block stream.")

    def _gauge(self, name: str, documentation: str) -> Gauge:
        return Gauge(name, documentation, namespace="sunlit", registry=self.registry)

    def _counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(name, documentation, labels, namespace="sunlit", registry=self.registry)

    def _histogram(self, name: str, documentation: str, *labels: str) -> Histogram:
        return Histogram(
            name,
            documentation,
            labels,
            namespace="sunlit",
            registry=self.registry,
            buckets=LATENCY_BUCKETS_S,
        )


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0
