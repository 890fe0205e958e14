"""Every metric, once: this registry is also the documentation (docs/reference/metrics.md)."""

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


@dataclass(frozen=True)
class Metrics:
    """All metrics of one process, exposed at /metrics in Prometheus' text format."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        def add(kind: type, name: str, help: str, *labels: str, **more: object) -> None:
            object.__setattr__(self, name, kind(f"trackway_{name}", help, labels, registry=self.registry, **more))

        add(Counter, "events", "Events answered at the door", "source", "outcome")
        add(Counter, "rejected", "Requests refused at the door", "protocol", "reason")
        add(Gauge, "log_backlog_bytes", "Bytes of the log that the pipeline has not settled")
        add(Gauge, "pipeline_behind_seconds", "Age of the oldest submission that the pipeline has not settled")
        add(Histogram, "log_append_seconds", "From append to durable")

    events: Counter = field(init=False)
    rejected: Counter = field(init=False)
    log_backlog_bytes: Gauge = field(init=False)
    pipeline_behind_seconds: Gauge = field(init=False)
    log_append_seconds: Histogram = field(init=False)


METRICS = Metrics()
