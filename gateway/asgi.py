"""The ASGI application: the relay endpoints ahead of Django, everything else through it.

A Django async view costs ten to thirty times the CPU of the lean application, so `/v1` never
enters Django's stack.
"""

import gc
import os
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")  # noqa: TID251

from django.conf import settings
from django.core.asgi import get_asgi_application

_django = get_asgi_application()

from frontend.live import endpoint as live  # noqa: E402 -- needs the applications loaded
from gateway import runtime  # noqa: E402
from gateway.chat import engine as chat_engine  # noqa: E402
from gateway.checks import why_not_to_start  # noqa: E402
from gateway.forwarded import seen_through  # noqa: E402
from gateway.openai_api import health, one_write  # noqa: E402
from gateway.openai_api.app import OpenAIApp  # noqa: E402
from gateway.openai_api.metrics import Metrics  # noqa: E402
from gateway.telemetry import names  # noqa: E402

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_live = live.LiveApp()
_relay = OpenAIApp(
    runtime.gateway,
    max_body_bytes=settings.MAX_BODY_BYTES,
    refused=partial(runtime.tally.count, names.REFUSED),
)
_metrics = Metrics(runtime.tally, runtime.gateway)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Dispatch one connection event."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
        return
    path: str = scope["path"]
    if path.startswith("/v1/") or path == "/v1":
        await _relay(scope, receive, send)
    elif path == live.PATH:
        await _live(scope, receive, send)
    elif path == "/healthz":
        await health.answer(send, health.alive())
    elif path == "/readyz":
        await health.answer(send, health.ready(runtime.gateway))
    elif path == "/metrics":
        await _metrics(scope, send)
    else:
        seen = seen_through(scope, settings.TRUSTED_PROXIES)
        await _django(seen, receive, send)  # type: ignore[arg-type]


def _spare_the_collector() -> None:
    """What was loaded at start lives as long as the process: never look through it again, and
    look at new objects after some hundred requests rather than after two. Requests leave no
    cycles behind but for exceptions, so memory stays flat."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            if problem := why_not_to_start():
                await send({"type": "lifespan.startup.failed", "message": problem})
                return
            await runtime.start(role="web")
            await chat_engine.start()
            _spare_the_collector()
            one_write.install()
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await _live.aclose()
            await chat_engine.stop()
            await runtime.stop()
            await send({"type": "lifespan.shutdown.complete"})
            return
