"""The same bytes give the same answer, wherever they are split."""

import asyncio
from dataclasses import dataclass

import pytest
from typing_extensions import override

from gateway.providers.calls import ProviderError, UpstreamClosed, UpstreamProtocolError
from gateway.providers.connection import Connection, Times
from gateway.providers.exchange import Exchange
from gateway.providers.http_client import KEPT_HEADERS
from gateway.providers.pool import Pool


class Wire(asyncio.Transport):
    """A transport that only remembers."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.closed = False
        self.reading: list[bool] = []

    @override
    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += bytes(data)

    @override
    def is_closing(self) -> bool:
        return self.closed

    @override
    def abort(self) -> None:
        self.closed = True

    @override
    def get_write_buffer_size(self) -> int:
        return 0

    @override
    def pause_reading(self) -> None:
        self.reading.append(False)

    @override
    def resume_reading(self) -> None:
        self.reading.append(True)


@dataclass(frozen=True)
class Seen:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    error: type[ProviderError] | None
    reusable: bool


async def receive(pieces: list[bytes]) -> Seen:
    free: list[Connection] = []
    connection = Connection(
        on_open=lambda _: None,
        on_free=free.append,
        on_lost=lambda _: None,
        kept_headers=KEPT_HEADERS,
        buffer_limit=1024,
    )
    connection.connection_made(Wire())
    exchange = connection.start(b"", b"", Times(10, 10))
    for piece in pieces:
        connection.data_received(piece)
    # Whether it would be lent again is decided before the server hangs up.
    reusable = bool(free) and connection.open
    connection.connection_lost(None)
    return await collect(exchange, reusable)


async def collect(exchange: Exchange, reusable: bool) -> Seen:
    body, error = b"", None
    try:
        await exchange.head()
        async for piece in exchange.chunks():
            body += piece
    except ProviderError as caught:
        error = type(caught)
    headers = tuple(sorted(exchange.headers.items()))
    return Seen(exchange.status, headers, body, error, reusable)


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
PLAIN = (("content-type", "text/plain"),)
WHOLE = {
    "content-length": (
        OK + b"Content-Length: 11\r\nX-Other: 1\r\n\r\nhello world",
        Seen(200, (), b"hello world", None, True),
    ),
    "chunked": (
        CHUNKED + b"5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\n\r\n",
        Seen(200, PLAIN, b"hello world", None, True),
    ),
    "trailers": (
        CHUNKED + b"5\r\nhello\r\n0\r\nContent-Type: evil\r\n\r\n",
        Seen(200, PLAIN, b"hello", None, True),
    ),
    "until close": (OK + b"\r\nhello world", Seen(200, (), b"hello world", None, False)),
    "http/1.0": (
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        Seen(200, (), b"hello", None, False),
    ),
    "connection: close": (
        OK + b"Connection: close\r\nContent-Length: 5\r\n\r\nhello",
        Seen(200, (), b"hello", None, False),
    ),
    "interim answers": (
        b"HTTP/1.1 100 Continue\r\nContent-Type: x/y\r\n\r\nHTTP/1.1 103 Early\r\nLink: a\r\n\r\n"
        + OK
        + b"Content-Length: 5\r\n\r\nhello",
        Seen(200, (), b"hello", None, True),
    ),
    "interim, then until close": (
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"\r\nhello",
        Seen(200, (), b"hello", None, False),
    ),
    "interim that is framed, then until close": (
        b"HTTP/1.1 103 Early\r\nContent-Length: 0\r\n\r\n" + OK + b"\r\nhello",
        Seen(200, (), b"hello", None, False),
    ),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", Seen(204, (), b"", None, True)),
    "empty": (OK + b"Content-Length: 0\r\n\r\n", Seen(200, (), b"", None, True)),
    "error status": (
        b"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\n{}",
        Seen(429, (("retry-after", "7"),), b"{}", None, True),
    ),
    "identity coding": (
        OK + b"Content-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}",
        Seen(200, (), b"{}", None, True),
    ),
}
BROKEN: dict[str, tuple[bytes, int, type[ProviderError]]] = {
    "nothing": (b"", 0, UpstreamClosed),
    "half a head": (OK + b"Content-Le", 0, UpstreamClosed),
    "short body": (OK + b"Content-Length: 5\r\n\r\nhel", 200, UpstreamClosed),
    "short chunk": (CHUNKED + b"5\r\nhel", 200, UpstreamClosed),
    "no last chunk": (CHUNKED + b"5\r\nhello\r\n", 200, UpstreamClosed),
    "bad chunk size": (CHUNKED + b"zz\r\nhello", 200, UpstreamProtocolError),
    "not http": (b"SSH-2.0-OpenSSH\r\n", 0, UpstreamProtocolError),
    "redirect": (
        b"HTTP/1.1 302 Found\r\nLocation: http://evil/\r\nContent-Length: 0\r\n\r\n",
        0,
        UpstreamProtocolError,
    ),
    "not modified": (b"HTTP/1.1 304 Not Modified\r\n\r\n", 0, UpstreamProtocolError),
    "switching protocols": (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        0,
        UpstreamProtocolError,
    ),
    "status 600": (b"HTTP/1.1 600 No\r\nContent-Length: 0\r\n\r\n", 0, UpstreamProtocolError),
    "two lengths": (
        OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        0,
        UpstreamProtocolError,
    ),
    "length and chunks": (
        OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        0,
        UpstreamProtocolError,
    ),
    "compressed": (
        OK + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        0,
        UpstreamProtocolError,
    ),
    "unknown transfer coding": (
        OK + b"Transfer-Encoding: gzip\r\n\r\n{}",
        0,
        UpstreamProtocolError,
    ),
}


@pytest.mark.parametrize(("data", "seen"), WHOLE.values(), ids=WHOLE.keys())
def test_a_whole_answer_reads_the_same_split_anywhere(data: bytes, seen: Seen) -> None:
    async def main() -> None:
        assert await receive([data]) == seen
        assert await receive([data[at : at + 1] for at in range(len(data))]) == seen
        for at in range(1, len(data)):
            assert await receive([data[:at], data[at:]]) == seen, at

    asyncio.run(main())


@pytest.mark.parametrize(("data", "status", "error"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_answer_fails_the_same_split_anywhere(
    data: bytes, status: int, error: type[ProviderError]
) -> None:
    async def main() -> None:
        for at in range(len(data) or 1):
            seen = await receive([piece for piece in (data[:at], data[at:]) if piece])
            assert seen.error is not None
            assert issubclass(seen.error, error)
            assert seen.status == status
            assert not seen.reusable

    asyncio.run(main())


def test_bytes_after_a_whole_answer_end_the_connection() -> None:
    data = OK + b"Content-Length: 5\r\n\r\nhello"

    async def main() -> None:
        for extra in (data, b"garbage", b"\r\n\r\nx"):
            together = await receive([data + extra])
            assert (together.body, together.error, together.reusable) == (b"hello", None, False)
            later = await receive([data, extra])
            assert (later.body, later.error, later.reusable) == (b"hello", None, False)

    asyncio.run(main())


@pytest.mark.parametrize(
    "filler",
    [b"a: " + b"x" * 900 + b"\r\n", b"x" * 900],
    ids=["many headers", "one endless header"],
)
def test_a_head_beyond_the_limit_is_refused(filler: bytes) -> None:
    async def main() -> None:
        seen = await receive([OK, *[filler] * 100])
        assert seen.error is UpstreamProtocolError

    asyncio.run(main())


def test_a_head_below_the_limit_is_accepted_in_small_pieces() -> None:
    head = OK + b"a: " + b"x" * 60_000 + b"\r\nContent-Length: 0\r\n\r\n"

    async def main() -> None:
        seen = await receive([head[at : at + 100] for at in range(0, len(head), 100)])
        assert (seen.status, seen.error) == (200, None)

    asyncio.run(main())


def test_endless_trailers_are_refused() -> None:
    async def main() -> None:
        seen = await receive([CHUNKED + b"0\r\n", *[b"a: " + b"x" * 900 + b"\r\n"] * 100])
        assert seen.error is UpstreamProtocolError

    asyncio.run(main())


def connected(wire: Wire | None = None) -> Connection:
    connection = Connection(
        on_open=lambda _: None,
        on_free=lambda _: None,
        on_lost=lambda _: None,
        kept_headers=KEPT_HEADERS,
        buffer_limit=1024,
    )
    connection.connection_made(wire or Wire())
    return connection


def test_the_clock_stands_while_we_hold_the_upstream_back() -> None:
    async def main() -> None:
        connection = connected()
        exchange = connection.start(b"", b"", Times(0.01, 0.01))
        connection.data_received(OK + b"Content-Length: 3000\r\n\r\n" + b"x" * 2000)
        await asyncio.sleep(0.05)
        assert len(await anext(exchange.chunks())) == 2000
        connection.data_received(b"x" * 1000)
        assert len(await anext(exchange.chunks())) == 1000

    asyncio.run(main())


def test_a_connection_that_waited_for_too_long_is_not_lent() -> None:
    async def main() -> None:
        pool = Pool(idle_limit_s=4)
        fresh, old = connected(), connected()
        now = asyncio.get_running_loop().time()
        fresh.idle_since, old.idle_since = now, now - 5
        pool.put("a", old)
        assert pool.take("a") is None
        assert not old.open
        pool.put("a", fresh)
        assert pool.take("b") is None
        assert pool.take("a") is fresh
        pool.close()

    asyncio.run(main())


def test_a_connection_that_was_held_back_reads_again_for_the_next_request() -> None:
    async def main() -> None:
        wire = Wire()
        connection = connected(wire)
        first = connection.start(b"", b"", Times(10, 10))
        connection.data_received(OK + b"Content-Length: 3000\r\n\r\n" + b"x" * 2000)
        assert wire.reading == [False]
        connection.data_received(b"x" * 1000)  # was on its way already
        assert wire.reading == [False, True]
        second = connection.start(b"", b"", Times(10, 10))
        connection.data_received(OK + b"Content-Length: 2\r\n\r\n{}")
        assert await first.read(5000) == b"x" * 3000
        assert await second.read(5000) == b"{}"

    asyncio.run(main())
