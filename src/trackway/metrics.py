"""Every metric, once: this registry is also the documentation (docs/reference/metrics.md)."""

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge


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

    events: Counter = field(init=False)
    rejected: Counter = field(init=False)
    log_backlog_bytes: Gauge = field(init=False)


METRICS = Metrics()
