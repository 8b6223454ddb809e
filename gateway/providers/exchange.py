"""One request's answer while it arrives: what `HttpClient.send` returns.

Owns the bytes between the connection and whoever reads them. When more than `limit` bytes wait to
be read, the connection stops reading its socket, so that a slow reader slows the upstream down
instead of filling this process's memory.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from gateway.providers.calls import ProviderError, UpstreamClosed, UpstreamProtocolError


class Source(Protocol):
    """What an exchange asks of its connection."""

    def pause(self) -> None:
        """Stop reading the socket."""
        ...

    def resume(self) -> None:
        """Read the socket again."""
        ...

    def cut(self) -> None:
        """Close the socket now."""
        ...


class Exchange:
    """Head and body of one answer. Implements `calls.Answer`; one reader at a time.

    `headers` holds the names that the client keeps, in lower case. It stays usable after the
    connection went back to its pool, which happens as soon as the last byte has arrived.
    """

    __slots__ = (
        "_buffer",
        "_buffered",
        "_complete",
        "_error",
        "_headers",
        "_limit",
        "_paused",
        "_source",
        "_waiter",
        "headers",
        "status",
    )

    def __init__(self, source: Source, *, limit: int) -> None:
        self.status = 0  # 0 until the head is complete
        self._headers: dict[str, str] = {}
        self.headers: Mapping[str, str] = self._headers
        self._source: Source | None = source
        self._limit = limit
        self._buffer: list[bytes] = []
        self._buffered = 0
        self._paused = False
        self._complete = False
        self._error: ProviderError | None = None
        self._waiter: asyncio.Future[None] | None = None

    # --- called by the connection ------------------------------------------------------------

    def keep_header(self, name: str, value: str) -> None:
        """Keep a response header; `name` is in lower case."""
        self._headers[name] = value

    def drop_headers(self) -> None:
        """Forget the headers of an interim (1xx) response."""
        self._headers.clear()

    def feed(self, data: bytes) -> None:
        """Take a piece of the body; the reader is woken by `wake`."""
        self._buffer.append(data)
        self._buffered += len(data)

    def wake(self) -> None:
        """Let the reader run, and hold the socket back while too much waits for it."""
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)
        if self._buffered > self._limit and not self._paused and self._source is not None:
            self._paused = True
            self._source.pause()

    def finish(self) -> None:
        """The whole body has arrived; the connection no longer belongs to this exchange."""
        source, self._source = self._source, None
        if self._paused and source is not None:
            source.resume()  # the next request must hear its answer
        self._complete = True
        self.wake()

    def fail(self, error: ProviderError) -> None:
        """Nothing more will arrive. What has arrived can still be read, then `error` is raised."""
        self._source = None
        self._error = error
        self.wake()

    # --- called by the reader ----------------------------------------------------------------

    async def head(self) -> None:
        """Return once status and headers are there. Raises ProviderError when they never come."""
        while not self.status:
            if self._error is not None:
                raise self._error
            await self._wait()

    def chunks(self) -> AsyncIterator[bytes]:
        """The body's bytes as they arrive; pieces that arrived together come together."""
        return self

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        while not self._buffer:
            if self._error is not None:
                raise self._error
            if self._complete:
                raise StopAsyncIteration
            await self._wait()
        return self._take()

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises UpstreamProtocolError beyond `limit` bytes and cuts."""
        pieces: list[bytes] = []
        size = 0
        async for piece in self:
            size += len(piece)
            if size > limit:
                self.cut()
                raise UpstreamProtocolError(
                    f"the answer is longer than {limit} bytes", after_first_byte=True
                )
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def aclose(self) -> None:
        """Done with it. Cuts the connection unless the whole body has arrived: an inference
        server stops generating when its client's connection is gone."""
        self.cut()

    def cut(self) -> None:
        """What `aclose` does, for callers that cannot await."""
        source = self._source
        if source is not None:
            self.fail(UpstreamClosed("cut by us", after_first_byte=bool(self.status)))
            source.cut()
        self._buffer.clear()
        self._buffered = 0

    def _take(self) -> bytes:
        buffer = self._buffer
        data = buffer[0] if len(buffer) == 1 else b"".join(buffer)
        buffer.clear()
        self._buffered = 0
        if self._paused:
            self._paused = False
            if self._source is not None:
                self._source.resume()
        return data

    async def _wait(self) -> None:
        if self._waiter is not None:
            raise RuntimeError("an answer has one reader at a time")
        self._waiter = waiter = asyncio.get_running_loop().create_future()
        try:
            await waiter
        finally:
            if self._waiter is waiter:
                self._waiter = None
