"""Every metric once: its name, kind, labels and meaning. docs/interfaces.md lists the same.

Labels are words of ours or names that an admin gave (deployments, projects), never what a client
or an upstream wrote; and of these at most `MOST_VALUES` each, so that no client and no script that
makes projects can grow the number of series without end.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MOST_VALUES: Final = 200
OTHER: Final = "(other)"
SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class Kind(StrEnum):
    """As Prometheus calls them."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """`name` without `_total`, which counters get as they are written."""

    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """As it is scraped."""
        return f"{self.name}_total" if self.kind is Kind.COUNTER else self.name


def _metric(name: str, kind: Kind, meaning: str, *labels: str) -> Metric:
    return Metric(f"sluice_{name}", kind, meaning, labels)


C, G, H = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM
REQUESTS = _metric(
    "requests", C, "requests that ended", "endpoint", "channel", "decision", "zone", "status"
)
REFUSED = _metric("refused", C, "requests that got an error of ours, by its code", "code")
SENT = _metric(
    "attempts",
    C,
    "what was sent to a deployment, and how that went",
    "deployment",
    "zone",
    "result",
)
TOKENS = _metric("tokens", C, "tokens, as upstreams count them", "project", "deployment", "kind")
COST = _metric("cost_usd", C, "what requests cost, as prices are set", "project", "deployment")
FOUND = _metric("found", C, "findings in requests", "data_class")
MASKED = _metric("masked", C, "findings replaced in what was sent", "deployment")
FIRST_BYTE = _metric("first_byte_seconds", H, "until the first byte of an answer", "deployment")
DURATION = _metric("request_seconds", H, "from a request to the end of its answer", "endpoint")
IN_FLIGHT = _metric("in_flight", G, "requests that a deployment is working on", "deployment")
HEALTHY = _metric(
    "deployment_healthy", G, "0: it failed lately and goes last", "deployment", "zone"
)
SNAPSHOT_AGE = _metric(
    "snapshot_age_seconds", G, "since the configuration was confirmed; above 5 only on-prem serves"
)
JOURNAL_OK = _metric("journal_ok", G, "0: the journal denies, and so does every request")
JOURNAL_WAITING = _metric("journal_waiting_bytes", G, "of the journal, not loaded yet")
EGRESS_STOPPED = _metric("egress_stopped", G, "1: nothing leaves on-prem")
QUEUE = _metric("batch_rows", G, "rows of unfinished batches", "state")
UNSEALED = _metric("audit_head_age_seconds", G, "since the newest signed head")
LOST_CONTENT = _metric(
    "content_lost", C, "requests whose content should have been kept and was not"
)
LOST_SPANS = _metric("spans_lost", C, "requests that the collector of traces was not told of")

METRICS: Final = (
    *(REQUESTS, REFUSED, SENT, TOKENS, COST, FOUND, MASKED, FIRST_BYTE, DURATION, IN_FLIGHT),
    *(HEALTHY, SNAPSHOT_AGE, JOURNAL_OK, JOURNAL_WAITING, EGRESS_STOPPED, QUEUE, UNSEALED),
    *(LOST_CONTENT, LOST_SPANS),
)
