"""One TCP connection that speaks HTTP/1.1 as a client, one request at a time.

Owns framing (httptools), the clock of the answer, and the decision whether the connection can be
used again. Knows nothing of pools, names or addresses.

No task is created per request. One timer per connection serves every request on it: it fires at
the earliest moment a deadline could have passed and sleeps on when none has, so that a request
costs no timer of its own.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import httptools
from typing_extensions import override

from gateway.providers.calls import (
    ProviderError,
    UpstreamClosed,
    UpstreamProtocolError,
    UpstreamTimeout,
)
from gateway.providers.exchange import Exchange

HEAD_LIMIT = 64 * 1024  # bytes of header lines in one answer, trailers and chunk heads included
_ONE_WRITE = 64 * 1024  # up to here head and body are joined: copying is cheaper than a second call
_FOREVER = float("inf")


@dataclass(frozen=True, slots=True)
class Times:
    """How long an answer may take, in seconds: until its head, and between two pieces."""

    first_byte_s: float
    idle_s: float


class StaleConnection(UpstreamClosed):
    """The connection ended before any byte of the answer."""


class Connection(asyncio.Protocol):
    """See the module. `on_open` is called once connected (TLS included), `on_free` when the
    next request may use it, `on_lost` at its end."""

    __slots__ = (
        "_at",
        "_barren",
        "_broken",
        "_complete",
        "_deadline",
        "_exchange",
        "_fed",
        "_header_bytes",
        "_interim",
        "_keep",
        "_kept_headers",
        "_limit",
        "_loop",
        "_on_free",
        "_on_lost",
        "_on_open",
        "_parser",
        "_progress",
        "_reason",
        "_timer",
        "_times",
        "_transport",
        "_until_close",
        "idle_since",
    )

    def __init__(
        self,
        *,
        on_open: Callable[["Connection"], None],
        on_free: Callable[["Connection"], None],
        on_lost: Callable[["Connection"], None],
        kept_headers: frozenset[bytes],
        buffer_limit: int,
    ) -> None:
        self._on_open = on_open
        self._on_free = on_free
        self._on_lost = on_lost
        self._kept_headers = kept_headers
        self._limit = buffer_limit
        self._loop = asyncio.get_running_loop()
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._exchange: Exchange | None = None
        self._times = Times(0, 0)
        self._timer: asyncio.TimerHandle | None = None
        self._at = _FOREVER  # when the timer fires
        self._deadline = _FOREVER  # when the answer is late; never while we hold the socket back
        self._broken = False
        self.idle_since = 0.0  # loop time
        self._begin()

    def _begin(self) -> None:
        """Forget the last answer."""
        self._reason = ""
        self._interim = False
        self._until_close = True
        self._complete = False
        self._keep = False
        self._progress = False
        self._barren = 0  # bytes since the answer last got anywhere
        self._header_bytes = 0
        self._fed = False

    # --- called by the client ----------------------------------------------------------------

    @property
    def open(self) -> bool:
        """Whether a request may still be written."""
        transport = self._transport
        return not self._broken and transport is not None and not transport.is_closing()

    def start(self, head: bytes, body: bytes, times: Times) -> Exchange:
        """Write a request. The caller awaits the exchange's head and closes it on every path."""
        transport = self._transport
        if transport is None or self._exchange is not None:
            raise RuntimeError("the connection is not free")
        self._begin()
        self._times = times
        self._exchange = exchange = Exchange(self, limit=self._limit)
        now = self._loop.time()
        self._deadline = now + times.first_byte_s
        wake_at = now + min(times.first_byte_s, times.idle_s)
        if self._timer is None or self._at > wake_at:
            self._arm(wake_at)
        if len(body) <= _ONE_WRITE:
            transport.write(head + body)
        else:
            transport.writelines((head, body))
        return exchange

    def pause(self) -> None:
        """Stop reading; silence is now our own doing, so the clock stops too."""
        self._deadline = _FOREVER
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        self._deadline = self._loop.time() + self._times.idle_s
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def cut(self) -> None:
        """Close the socket now, unsent bytes included."""
        self._broken = True
        self._exchange = None
        self._disarm()
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Cut it because the client closes; a reader gets an error."""
        self._fail(UpstreamClosed("the client is closing", after_first_byte=True))

    # --- called by the event loop ------------------------------------------------------------

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._on_open(self)

    @override
    def data_received(self, data: bytes) -> None:
        """Parse what arrived and pass it on."""
        exchange, parser = self._exchange, self._parser
        if exchange is None or parser is None:
            # Bytes that nobody asked for: whatever they are, they must not become the answer to
            # the next request.
            self.cut()
            return
        self._fed = True
        self._progress = False
        try:
            parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self._complete:
                self._fail(self._protocol_error(self._reason or _words(error)))
                return
            self._keep = False  # a whole answer, then garbage
        if self._complete:
            self._finish()
            return
        if self._progress:
            self._barren = 0
        else:
            self._barren += len(data)
            if self._barren > HEAD_LIMIT:
                self._fail(self._protocol_error(f"more than {HEAD_LIMIT} bytes of headers"))
                return
        if exchange.status:
            if self._deadline != _FOREVER:
                self._deadline = self._loop.time() + self._times.idle_s
            exchange.wake()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits, and break the cycles."""
        self._broken = True
        exchange = self._exchange
        if exchange is not None:
            if exc is None and exchange.status and self._until_close:
                self._exchange = None
                exchange.finish()
            elif not self._fed:
                self._fail(StaleConnection("closed before the answer began"))
            else:
                where = "inside of the body" if exchange.status else "inside of the head"
                self._fail(
                    UpstreamClosed(f"closed {where}", after_first_byte=bool(exchange.status))
                )
        self._disarm()
        self._parser = None
        self._transport = None
        self._on_lost(self)

    # --- called by the parser ----------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A second answer to one request is not read, and ends the connection."""
        if self._complete:
            self._keep = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep what the client asked for, and refuse what would change the framing."""
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > HEAD_LIMIT:
            self._refuse(f"more than {HEAD_LIMIT} bytes of headers")
        exchange = self._exchange
        if exchange is None or exchange.status or self._complete:
            return  # trailers
        name = name.lower()
        if name in self._kept_headers:
            exchange.keep_header(name.decode("ascii"), value.decode("latin-1"))
        elif name == b"content-encoding":
            if value.lower() not in {b"identity", b""}:
                self._refuse("compressed although no compression was asked for")
        elif name == b"transfer-encoding":
            if value.lower() != b"chunked":
                self._refuse("an unknown transfer coding")
            self._until_close = False
        elif name == b"content-length":
            self._until_close = False

    def on_headers_complete(self) -> None:
        """Take the status; 1xx are announcements, 3xx are never followed."""
        exchange, parser = self._exchange, self._parser
        if exchange is None or parser is None or self._complete:
            return
        status = parser.get_status_code()
        if status == 101:
            self._refuse("switching protocols was not asked for")
        if status < 200:
            self._interim = True
            exchange.drop_headers()
        elif status < 300 or 400 <= status < 600:
            self._progress = True
            exchange.status = status
        elif status < 400:
            self._refuse(f"a redirect (status {status}), and redirects are never followed")
        else:
            self._refuse(f"status {status}")

    def on_body(self, body: bytes) -> None:
        """Pass a piece on; `data_received` wakes the reader once for all of them."""
        exchange = self._exchange
        if exchange is not None and not self._complete:
            self._progress = True
            exchange.feed(body)

    def on_message_complete(self) -> None:
        """Note the end; `data_received` acts on it once the parser has returned."""
        if self._interim:
            self._interim = False
            self._until_close = True
        elif not self._complete and self._parser is not None:
            self._complete = True
            self._keep = self._parser.should_keep_alive()

    # --- inside ------------------------------------------------------------------------------

    def _finish(self) -> None:
        exchange, transport = self._exchange, self._transport
        self._exchange = None
        self._deadline = _FOREVER
        # An answer that came before the request was written leaves half a request on the wire.
        reusable = self._keep and self.open and transport is not None
        if reusable and transport is not None and not transport.get_write_buffer_size():
            self.idle_since = self._loop.time()
            self._on_free(self)
        else:
            self.cut()
        if exchange is not None:
            exchange.finish()

    def _fail(self, error: ProviderError) -> None:
        exchange = self._exchange
        self.cut()
        if exchange is not None:
            exchange.fail(error)

    def _protocol_error(self, what: str) -> UpstreamProtocolError:
        begun = self._exchange is not None and bool(self._exchange.status)
        return UpstreamProtocolError(f"the answer is unusable: {what}", after_first_byte=begun)

    def _refuse(self, reason: str) -> None:
        """Stop the parser. What it raises carries no words of ours, so they are kept aside."""
        self._reason = reason
        raise ValueError(reason)

    def _arm(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._at = at
        self._timer = self._loop.call_at(at, self._tick)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self._timer = None
        exchange = self._exchange
        if exchange is None:
            return
        now = self._loop.time()
        if now >= self._deadline:
            begun = bool(exchange.status)
            limit = self._times.idle_s if begun else self._times.first_byte_s
            what = "silent inside of the body" if begun else "no answer"
            self._fail(UpstreamTimeout(f"{what} for {limit:g} s", after_first_byte=begun))
            return
        # INVARIANT: the timer never fires later than a deadline that is set from now on.
        step = min(self._times.first_byte_s, self._times.idle_s)
        self._arm(min(self._deadline, now + step))


def _words(error: Exception) -> str:
    """A parser's complaint, without the bytes it complains about."""
    return "it is not HTTP" if isinstance(error, httptools.HttpParserError) else "an upgrade"
