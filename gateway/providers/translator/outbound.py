"""The only way out for litellm: one request, to one destination, through our own client.

Everything our client promises (addresses judged at connect, no proxies, no redirects, time-outs,
a cut on closing) therefore holds for what litellm sends.
"""

import re
import time
from collections.abc import AsyncIterator
from contextvars import ContextVar
from dataclasses import dataclass
from dataclasses import replace as changed

import httpx
from typing_extensions import override

from gateway.providers.calls import (
    Destination,
    PermitViolation,
    ProviderError,
    UpstreamProtocolError,
)
from gateway.providers.connection import Times
from gateway.providers.exchange import Exchange
from gateway.providers.http_client import HttpClient
from gateway.providers.request_head import header_line, request_line
from gateway.providers.targets import target_of

current: ContextVar["Outbound | None"] = ContextVar("current", default=None)

_ERROR_BYTES = 64 * 1024
_MOST_BYTES = 64 * 1024 * 1024  # of an unstreamed answer
_OURS = frozenset(
    "accept-encoding connection content-length cookie host transfer-encoding user-agent".split()
)


@dataclass(frozen=True, slots=True)
class UpstreamAnswer:
    """An answer of status 400 or above."""

    status: int
    retry_after: str | None
    body: bytes


class Outbound:
    """One call's way out, and what became of it.

    `asked`: the one request was used up. `failure`: the destination could not be used. `refused`:
    it answered with an error. `ended`: the bytes that match `end` went by (a stream that never
    shows them was cut short, even when its last chunk was polite). `valid_for_s`: nothing is sent
    later than that.
    """

    def __init__(
        self,
        client: HttpClient,
        destination: Destination,
        *,
        api_base: str,
        stream: bool,
        end: re.Pattern[bytes] | None,
        valid_for_s: float,
    ) -> None:
        self._client = client
        self._destination = destination
        self._target, _ = target_of(changed(destination, base_url=api_base))
        self._stream = stream
        self._valid_until = time.monotonic() + valid_for_s
        self._end = end
        self.asked = False
        self._exchange: Exchange | None = None
        self.failure: ProviderError | None = None
        self.refused: UpstreamAnswer | None = None
        self.ended = end is None

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send the one request. Raises httpx.TransportError for everything else."""
        target = self._target
        url = request.url
        port = url.port or (443 if url.scheme == "https" else 80)
        here = (url.scheme == "https", url.raw_host.decode().strip("[]").lower(), port)
        if here != (target.tls, target.host.lower(), target.port):
            raise httpx.UnsupportedProtocol("only the destination of the call may be asked")
        if self.asked:
            raise httpx.ReadError("a call sends one request")
        self.asked = True
        try:
            exchange = await self._open(request)
        except ProviderError as error:
            self.failure = error
            raise httpx.ReadError("the destination failed") from error
        if exchange.status >= 400:
            return await self._refusal(request, exchange)
        return httpx.Response(
            exchange.status,
            headers=dict(exchange.headers),
            stream=_Body(self, exchange),
            request=request,
        )

    def cut(self) -> None:
        """Done with the call: an unfinished answer is cut."""
        if self._exchange is not None:
            self._exchange.cut()

    async def pieces(self, exchange: Exchange) -> AsyncIterator[bytes]:
        """The answer's bytes, watched."""
        size, tail = 0, b""
        try:
            async for piece in exchange.chunks():
                size += len(piece)
                if size > _MOST_BYTES and not self._stream:
                    raise UpstreamProtocolError("the answer is too long", after_first_byte=True)
                if not self.ended and self._end is not None:
                    tail = tail[-256:] + piece
                    self.ended = self._end.search(tail) is not None
                yield piece
        except ProviderError as error:
            self.failure = error
            raise httpx.ReadError("the destination failed") from error

    async def _open(self, request: httpx.Request) -> Exchange:
        destination = self._destination
        self._still()  # translating takes time, too
        body = await request.aread()
        lines = [
            request_line(request.method, request.url.raw_path.decode("ascii")),
            header_line("host", self._target.authority),
            b"user-agent: sluice\r\naccept-encoding: identity\r\n",
        ]
        lines += [
            header_line(name, value)
            for name, value in request.headers.items()
            if name.lower() not in _OURS
        ]
        lines.append(b"content-length: %d\r\n\r\n" % len(body))
        self._exchange = await self._client.send(
            self._target,
            b"".join(lines),
            body,
            times=Times(destination.first_byte_timeout_s, destination.idle_timeout_s),
            connect_timeout_s=destination.connect_timeout_s,
            still=self._still,
        )
        return self._exchange

    def _still(self) -> None:
        if time.monotonic() >= self._valid_until:
            raise PermitViolation("the permit has expired and must be decided again")

    async def _refusal(self, request: httpx.Request, exchange: Exchange) -> httpx.Response:
        try:
            body = await exchange.read(_ERROR_BYTES)
        except ProviderError:
            body = b""  # the status is what counts
        self.refused = UpstreamAnswer(exchange.status, exchange.headers.get("retry-after"), body)
        return httpx.Response(
            exchange.status, headers=dict(exchange.headers), content=body, request=request
        )


class OutboundTransport(httpx.AsyncBaseTransport):
    """Sends through the `Outbound` of the call that the current task works for."""

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See `Outbound.send`. Outside of a call nothing is sent."""
        outbound = current.get()
        if outbound is None:
            raise httpx.UnsupportedProtocol("nothing is sent outside of a call")
        return await outbound.send(request)


class _Body(httpx.AsyncByteStream):
    def __init__(self, outbound: Outbound, exchange: Exchange) -> None:
        self._outbound = outbound
        self._exchange = exchange

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._outbound.pieces(self._exchange):
            yield piece

    @override
    async def aclose(self) -> None:
        self._exchange.cut()
