"""`/healthz`: the process is alive. `/readyz`: it may serve, or says what is missing."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from gateway.inference.path import Gateway
from gateway.protocol.errors import GatewayError

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def alive() -> tuple[int, dict[str, object]]:
    """Always (200, …): that it answers is the answer."""
    return 200, {"status": "alive"}


def ready(gateway: Callable[[], Gateway]) -> tuple[int, dict[str, object]]:
    """(200, …) when a request could be decided and journaled now, else (503, which failed)."""
    try:
        running = gateway()
        _, age_s = running.fresh_snapshot()
    except GatewayError as error:
        return 503, {"status": "not_ready", "failing": error.param or error.code}
    if running.journal.fault is not None:
        return 503, {"status": "not_ready", "failing": "journal"}
    return 200, {"status": "ready", "snapshot_age_s": round(age_s, 3)}


async def answer(send: Send, result: tuple[int, dict[str, object]]) -> None:
    """Write a health answer."""
    status, payload = result
    body = msgspec.json.encode(payload)
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(body)),
                (b"cache-control", b"no-store"),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
