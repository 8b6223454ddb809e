"""A fast OpenAI-shaped server to measure gateways against. Run: `python -m bench.upstream PORT`.

One process, raw asyncio and httptools, no framework: it answers `POST /v1/chat/completions` with
a fixed answer that repeats the request's tag, whole or streamed (model `bench-10ms`: 10 ms
before each chunk, `bench-100ms`: 100 ms an answer and 32 at once, any other: none), and
`GET /stats` with counts since the start. It binds to
loopback only, keeps connections open, and judges nothing.
"""

import asyncio
import functools
import itertools
import sys
from collections import deque
from collections.abc import Callable
from typing import cast

import httptools
import msgspec
import uvloop
from typing_extensions import override

from bench.wire import BATCH_MODEL, CHAT_PATH, SLOW_MODEL, TAG_LENGTH, WORDS, Request

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\n%s\r\n\r\n"
_STREAM_HEAD = _HEAD % (b"text/event-stream; charset=utf-8", b"transfer-encoding: chunked")
_ANSWER = (
    '{"id":"chatcmpl-bench","object":"chat.completion","created":1790000000,"model":"%s",'
    '"choices":[{"index":0,"message":{"role":"assistant","content":"echo %s "},'
    '"logprobs":null,"finish_reason":"stop"}],'
    '"usage":{"prompt_tokens":120,"completion_tokens":16,"total_tokens":136}}'
)
_CHUNK = (
    'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1790000000,'
    '"model":"%s","choices":%s%s}\n\n'
)
_DELTA = '[{"index":0,"delta":{"content":"%s"},"logprobs":null,"finish_reason":%s}]'
_USAGE = ',"usage":{"prompt_tokens":120,"completion_tokens":16,"total_tokens":136}'
SLOW_CHUNK_S = 0.010
BATCH_ANSWER_S = 0.100
BATCH_AT_ONCE = 32

_decoder = msgspec.json.Decoder(Request)


class Stats(msgspec.Struct):
    """Counts since the start."""

    requests: int = 0
    streams: int = 0
    chunks: int = 0
    cut_streams: int = 0  # the client left before the end
    first_s: float = 0.0  # when the first and the last slow answer left (loop time)
    last_s: float = 0.0
    slow: int = 0  # how many of them did


class _Counter:
    """Where slow answers are made: 32 at once, the others in the order they came."""

    def __init__(self, loop: asyncio.AbstractEventLoop, stats: Stats) -> None:
        self._loop = loop
        self._stats = stats
        self._busy = 0
        self._waiting: deque[Callable[[], None]] = deque()

    def take(self, answer: Callable[[], None]) -> None:
        """Call `answer` 100 ms after its turn has come."""
        if self._busy >= BATCH_AT_ONCE:
            self._waiting.append(answer)
            return
        self._busy += 1
        self._loop.call_later(BATCH_ANSWER_S, self._done, answer)

    def _done(self, answer: Callable[[], None]) -> None:
        stats = self._stats
        stats.last_s = self._loop.time()
        stats.first_s = stats.first_s or stats.last_s
        stats.slow += 1
        self._busy -= 1
        answer()
        if self._waiting:
            self.take(self._waiting.popleft())


def _framed(event: str) -> bytes:
    data = event.encode()
    return b"%x\r\n%s\r\n" % (len(data), data)


@functools.cache
def _word_chunks(model: str) -> tuple[bytes, ...]:
    return tuple(_framed(_CHUNK % (model, _DELTA % (word, "null"), "")) for word in WORDS)


class _Stream:
    """One streamed answer being written, chunk by chunk, never ahead of a slow reader."""

    def __init__(self, connection: "_Connection", request: Request, tag: str) -> None:
        self._connection = connection
        self._left = max(request.max_tokens, 1)
        self._delay_s = SLOW_CHUNK_S if request.model == SLOW_MODEL else 0.0
        self._chunk = _framed(_CHUNK % (request.model, _DELTA % (f"echo {tag} ", "null"), ""))
        self._words = itertools.cycle(_word_chunks(request.model))
        usage = bool(request.stream_options and request.stream_options.include_usage)
        self._end = (
            _framed(_CHUNK % (request.model, _DELTA % ("", '"stop"'), ""))
            + (_framed(_CHUNK % (request.model, "[]", _USAGE)) if usage else b"")
            + _framed("data: [DONE]\n\n")
            + b"0\r\n\r\n"
        )
        self._next: asyncio.Handle | None = None
        self.waiting = False  # for the client to read

    def start(self) -> None:
        self._connection.write(_STREAM_HEAD)
        self.schedule()

    def schedule(self) -> None:
        self.waiting = False
        loop = self._connection.loop
        if self._delay_s:
            self._next = loop.call_later(self._delay_s, self._write_one)
        else:
            self._next = loop.call_soon(self._write_one)

    def cancel(self) -> None:
        if self._next is not None:
            self._next.cancel()

    def _write_one(self) -> None:
        connection = self._connection
        connection.stats.chunks += 1
        self._left -= 1
        connection.write(self._chunk)
        self._chunk = next(self._words)
        if not self._left:
            connection.write(self._end)
            connection.stream_ended()
        elif connection.paused:
            self.waiting = True
        else:
            self.schedule()


class _Connection(asyncio.Protocol):
    def __init__(self, loop: asyncio.AbstractEventLoop, stats: Stats, counter: _Counter) -> None:
        self.loop = loop
        self.stats = stats
        self._counter = counter
        self.paused = False
        self._stream: _Stream | None = None
        self._transport: asyncio.WriteTransport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._body: list[bytes] = []
        self._url = b""

    # asyncio's side
    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transport is none of asyncio's classes.
        self._transport = cast(asyncio.WriteTransport, transport)

    @override
    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._close()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._stream is not None:
            self.stats.cut_streams += 1
            self._stream.cancel()
            self._stream = None

    @override
    def pause_writing(self) -> None:
        self.paused = True

    @override
    def resume_writing(self) -> None:
        self.paused = False
        if self._stream is not None and self._stream.waiting:
            self._stream.schedule()

    # httptools' side
    def on_message_begin(self) -> None:
        self._body.clear()
        self._url = b""

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._url == CHAT_PATH.encode():
            self._answer(_decoder.decode(b"".join(self._body)))
        elif self._url == b"/stats":
            self._write_whole(msgspec.json.encode(self.stats))
        else:
            self._close()

    # answering
    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def stream_ended(self) -> None:
        self._stream = None

    def _answer(self, request: Request) -> None:
        self.stats.requests += 1
        tag = request.messages[-1].content[-TAG_LENGTH:]
        if request.stream:
            self.stats.streams += 1
            self._stream = _Stream(self, request, tag)
            self._stream.start()
            return
        body = (_ANSWER % (request.model, tag)).encode()
        if request.model == BATCH_MODEL:
            self._counter.take(functools.partial(self._write_whole, body))
        else:
            self._write_whole(body)

    def _write_whole(self, body: bytes) -> None:
        self.write(_HEAD % (b"application/json", b"content-length: %d" % len(body)) + body)

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def serve(port: int) -> None:
    """Answer on 127.0.0.1:`port` until killed."""
    loop = asyncio.get_running_loop()
    stats = Stats()
    counter = _Counter(loop, stats)
    server = await loop.create_server(
        lambda: _Connection(loop, stats, counter), "127.0.0.1", port, backlog=1024
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
