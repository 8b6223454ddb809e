"""How deployments served lately: drawn from what was recorded of attempts, of every process."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import Final

from gateway.audit.models import RequestRecord
from gateway.audit.search import Search, search

MOST_REQUESTS: Final = 500


@dataclass(slots=True, kw_only=True)
class Served:
    """One deployment. `first_bytes_ms`: until an answer began, of those it gave."""

    attempts: int = 0
    failed: int = 0
    last: str = ""  # what the newest attempt came to: "ok" or a provider's error code
    first_bytes_ms: list[int] = field(default_factory=list)

    @property
    def failed_percent(self) -> int:
        """Of its attempts."""
        return round(100 * self.failed / self.attempts) if self.attempts else 0

    @property
    def first_byte_s(self) -> float | None:
        """The median; None: nothing was answered."""
        return median(self.first_bytes_ms) / 1000 if self.first_bytes_ms else None


def served_since(since: datetime) -> Mapping[str, Served]:
    """By deployment, of the newest MOST_REQUESTS requests since then. Two queries."""
    found: dict[str, Served] = {}
    page = search(Search(since=since, decision="allowed"), limit=MOST_REQUESTS)
    for row in page.rows:
        _add(found, row)
    return found


def _add(found: dict[str, Served], row: RequestRecord) -> None:
    for name, _zone, result in row.attempts:
        served = found.setdefault(name, Served())
        served.attempts += 1
        served.failed += result != "ok"
        served.last = served.last or result
    if row.deployment and row.first_byte_ms is not None:
        found.setdefault(row.deployment, Served()).first_bytes_ms.append(row.first_byte_ms)
