"""What of a process is watched, as the settings say. One `Telemetry` per process."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING

from django.conf import settings

from gateway.audit.streaming.destinations import Destination as Collector
from gateway.audit.streaming.destinations import Kind, parse
from gateway.inference.contracts import Watch
from gateway.providers.calls import Destination
from gateway.telemetry import names
from gateway.telemetry.request_lines import RequestLines
from gateway.telemetry.tally import Tally
from gateway.telemetry.vendors import provider_name
from gateway.telemetry.watches import Watches

if TYPE_CHECKING:
    from gateway.telemetry.spans import Spans


class Telemetry:
    """The tally, and whoever else is told."""

    def __init__(
        self,
        tally: Tally,
        *,
        egress_stopped: Callable[[], bool],
        destination_of: Callable[[str], Destination | None] = lambda _: None,
    ) -> None:
        """`destination_of` a deployment's name; None: not known (any more).

        Raises ValueError for a collector that cannot be (the system check says it before).
        """
        self.tally = tally
        self._destination_of = destination_of
        self._spans = self._make_spans(egress_stopped)
        watches: list[Watch] = [self.tally]
        if self._spans is not None:
            watches.append(self._spans)
        if settings.LOG_FORMAT == "json":
            watches.append(RequestLines())
        self.watch: Watch = watches[0] if len(watches) == 1 else Watches(watches)

    def _make_spans(self, egress_stopped: Callable[[], bool]) -> "Spans | None":
        to = collector()
        if to is None:
            return None
        from gateway.telemetry.spans import Spans  # noqa: PLC0415 -- an extra

        return Spans(
            to,
            networks=settings.ON_PREM_NETWORKS,
            may_leave=lambda: settings.OTLP_FOREIGN and not egress_stopped(),
            provider_of=self._provider_of,
            lost=lambda count: self.tally.count(names.LOST_SPANS, by=count),
        )

    def _provider_of(self, deployment: str) -> str:
        to = self._destination_of(deployment)
        return provider_name(to) if to is not None else ""

    def lost_content(self, count: int) -> None:
        """Content that should have been kept was not."""
        self.tally.count(names.LOST_CONTENT, by=count)

    def close(self) -> None:
        """Send what waits."""
        if self._spans is not None:
            self._spans.close()


def collector() -> Collector | None:
    """Where traces go; None: nowhere. Raises ValueError."""
    if not settings.OTLP_ENDPOINT:
        return None
    to = parse(settings.OTLP_ENDPOINT)
    if to.kind is not Kind.WEBHOOK:
        raise ValueError("a collector is an https:// or http:// address")
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.exporter") is None:
        raise ValueError("traces need requirements/otel.txt to be installed")
    return to
