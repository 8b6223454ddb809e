"""The metrics as Prometheus reads them: what was counted, and how this process does now."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from typing_extensions import override

from gateway.audit.journal import FileJournal
from gateway.inference.contracts import SnapshotUnavailable
from gateway.inference.path import Gateway
from gateway.protocol.errors import GatewayError
from gateway.telemetry import names
from gateway.telemetry.tally import Tally

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
Gauge = tuple[names.Metric, tuple[str, ...], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """What the database says, asked beforehand; None where it did not answer."""

    rows: dict[str, int] | None = None
    head_age_s: float | None = None

    @property
    def gauges(self) -> Iterator[Gauge]:
        """Of what is known."""
        for state, count in (self.rows or {}).items():
            yield names.QUEUE, (state,), float(count)
        if self.head_age_s is not None:
            yield names.UNSEALED, (), self.head_age_s


def render(tally: Tally, gateway: Callable[[], Gateway], stores: Stores) -> bytes:
    """The page. CPU only."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Everything(tally, gateway, stores))
    ProcessCollector(namespace="sluice", registry=registry)
    return generate_latest(registry)


class _Everything(Collector):
    def __init__(self, tally: Tally, gateway: Callable[[], Gateway], stores: Stores) -> None:
        self._tally, self._gateway, self._stores = tally, gateway, stores

    @override
    def collect(self) -> Iterator[Metric]:
        self._tally.fold()
        gauges = [*_process(self._gateway), *self._stores.gauges]
        for metric in names.METRICS:
            match metric.kind:
                case names.Kind.COUNTER:
                    yield self._counter(metric)
                case names.Kind.HISTOGRAM:
                    yield self._histogram(metric)
                case names.Kind.GAUGE:
                    family = GaugeMetricFamily(metric.name, metric.meaning, labels=metric.labels)
                    for of, labels, value in gauges:
                        if of is metric:
                            family.add_metric(labels, value)
                    yield family

    def _counter(self, metric: names.Metric) -> Metric:
        family = CounterMetricFamily(metric.name, metric.meaning, labels=metric.labels)
        found = self._tally.counters[metric]
        if not metric.labels and not found:
            family.add_metric((), 0)
        for labels, value in sorted(found.items()):
            family.add_metric(labels, value)
        return family

    def _histogram(self, metric: names.Metric) -> Metric:
        family = HistogramMetricFamily(metric.name, metric.meaning, labels=metric.labels)
        for labels, histogram in sorted(self._tally.histograms[metric].items()):
            family.add_metric(labels, histogram.cumulative, histogram.sum)
        return family


def _process(wired: Callable[[], Gateway]) -> Iterator[Gauge]:
    """How this process does; one that is not wired says nothing but that its journal denies."""
    try:
        gateway = wired()
        snapshot, age_s = gateway.snapshots.current()
    except (GatewayError, SnapshotUnavailable):  # starting, or stopping
        yield names.JOURNAL_OK, (), 0.0
        return
    yield names.JOURNAL_OK, (), float(gateway.journal.fault is None)
    if isinstance(gateway.journal, FileJournal):
        yield names.JOURNAL_WAITING, (), float(gateway.journal.waiting_bytes)
    yield names.SNAPSHOT_AGE, (), age_s
    yield names.EGRESS_STOPPED, (), float(snapshot.egress_stopped)
    now_s = gateway.monotonic()
    for name, destination in sorted(snapshot.destinations.items())[: names.MOST_VALUES]:
        load, paused = gateway.router.state(name, now_s=now_s)
        yield names.IN_FLIGHT, (name,), float(load)
        yield names.HEALTHY, (name, destination.zone.value), float(not paused)
