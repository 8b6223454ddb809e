"""A reply of the request path as a Django response.

INVARIANT: the reply is closed on every path, because closing is what cancels the upstream and
writes the outcome: read to its end, client gone while it streams, client gone before it began.
"""

import asyncio
import weakref
from collections.abc import AsyncIterator

from asgiref.sync import async_to_sync
from django.http import StreamingHttpResponse
from typing_extensions import override

from gateway.inference.exchange import Reply

PASSED_HEADERS = ("x-request-id", "content-type")
OUR_PREFIX = "x-sluice-"


class RelayedResponse(StreamingHttpResponse):
    """Streams a reply and closes it, however it ends. Made on the event loop that serves it."""

    def __init__(self, reply: Reply) -> None:
        self._relayed = _Relayed(reply)
        super().__init__(self._relayed.chunks(), status=reply.status)
        for raw_name, raw_value in reply.headers:
            name = raw_name.decode("latin-1").lower()
            if name in PASSED_HEADERS or name.startswith(OUR_PREFIX):
                self[name] = raw_value.decode("latin-1")
        self["Cache-Control"] = "no-store"
        self["X-Accel-Buffering"] = "no"  # nginx would hold the stream back
        # A request that is cancelled between the view and the first byte drops the response
        # without iterating or closing it.
        loop = asyncio.get_running_loop()
        self._dropped = weakref.finalize(self, _close_soon, loop, self._relayed)

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._relayed.chunks():
                yield part
        finally:
            await self._relayed.aclose()

    @override
    def close(self) -> None:
        """Called in a thread by the ASGI handler, after the response was sent or given up."""
        self._dropped.detach()
        async_to_sync(self._relayed.aclose)()
        super().close()


class _Relayed:
    """The reply, and whether reading it has begun."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._begun = False
        self._closed = False

    async def chunks(self) -> AsyncIterator[bytes]:
        self._begun = True
        async for part in self._reply.chunks:
            yield part

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        if not self._begun:
            # A generator that never ran has no `finally` to run: begin it, so that closing ends
            # it. Its first block is there already.
            async for _ in self._reply.chunks:
                break
        await self._reply.aclose()


def _close_soon(loop: asyncio.AbstractEventLoop, relayed: _Relayed) -> None:
    if not loop.is_closed():
        asyncio.run_coroutine_threadsafe(relayed.aclose(), loop)
