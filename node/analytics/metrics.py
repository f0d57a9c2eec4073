"""What ``/metrics`` shows of the analytics process, on nodes that run one."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class AnalyticsMetrics:
    """Gauges and counters in the node's registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, documentation: str) -> Gauge:
            return Gauge(name, documentation, namespace="sunlit", registry=registry)

        self.up = gauge("analytics_up", "Whether the analytics process runs and takes blocks.")
        self.height = gauge("analytics_height", "Height of the last block in the warehouse.")
        self.detection_height = gauge(
            "analytics_detection_height", "Height of the last block that was searched for alerts."
        )
        self.lag = gauge("analytics_lag_blocks", "Final blocks that are not in the warehouse yet.")
        self.memory = gauge(
            "analytics_resident_memory_bytes", "Memory that the analytics process holds."
        )
        self.restarts = Counter(
            "analytics_restarts",
            "Ends of the analytics process that another start followed.",
            namespace="sunlit",
            registry=registry,
        )
