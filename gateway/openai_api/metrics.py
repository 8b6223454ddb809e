"""`GET /metrics` of a web process."""

import time
from collections.abc import Callable
from typing import Any, Final

from django.conf import settings
from django.db import DatabaseError
from django.db.models import Count

from gateway.audit.sealing import sealed_age
from gateway.batches.models import ACTIVE, BatchRow, RowState
from gateway.database_threads import in_database_thread
from gateway.inference.path import Gateway
from gateway.telemetry.exposition import CONTENT_TYPE, Stores, render
from gateway.telemetry.readers import REFUSAL, may_read
from gateway.telemetry.tally import Tally

_KEPT_S: Final = 5.0


class Metrics:
    """The endpoint of one process. Asks the database at most every five seconds."""

    def __init__(self, tally: Tally, gateway: Callable[[], Gateway]) -> None:
        self._tally = tally
        self._gateway = gateway
        self._stores = Stores()
        self._asked_at = -_KEPT_S

    async def __call__(self, scope: Any, send: Any) -> None:
        """Answer one request."""
        if not may_read(scope, key=settings.METRICS_KEY):
            await _send(send, 403, REFUSAL, "text/plain; charset=utf-8")
            return
        now = time.monotonic()
        if now - self._asked_at >= _KEPT_S:
            self._asked_at = now
            self._stores = await in_database_thread(_ask)
        await _send(send, 200, render(self._tally, self._gateway, self._stores), CONTENT_TYPE)


def _ask() -> Stores:
    try:
        unfinished = BatchRow.objects.filter(batch__status__in=ACTIVE)
        counted = unfinished.values_list("state").annotate(count=Count("pk")).order_by()
        age = sealed_age()
        return Stores(
            rows={state: 0 for state in RowState.values} | dict(counted),
            head_age_s=age.total_seconds() if age is not None else None,
        )
    except DatabaseError:
        return Stores()


async def _send(send: Any, status: int, body: bytes, content_type: str) -> None:
    headers = [
        (b"content-type", content_type.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
