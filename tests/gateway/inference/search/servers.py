"""A recording model server: every byte that arrives, kept by the case and deployment it was for.

One listening socket serves all cases; the base URL of a deployment says whose it is. Reading is
by hand, so that nothing that arrives can be lost in a library: bytes that cannot be attributed are
kept, too.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Self

from typing_extensions import override

UNATTRIBUTED = ("", "")
_OK = b"HTTP/1.1 200 OK\r\n"

# What a deployment does when it is asked.
FAULTS = ("refused", "500", "429", "400", "stall", "cut_before", "cut_stream", "not_json", "late")

Place = tuple[str, str]


class Recording:
    """The server. `received` holds (case, deployment) -> the requests as they came."""

    def __init__(self, *, asked: Callable[[Place], str]) -> None:
        self.asked = asked  # tells that a request is here, and which fault its answer has
        self.received: dict[Place, list[bytes]] = {}
        self.open: set[asyncio.BaseTransport] = set()
        self.port = 0
        self._empty = asyncio.Event()
        self._empty.set()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    def base_url(self, case: int, deployment: str) -> str:
        return f"http://127.0.0.1:{self.port}/{case}/{deployment}/v1"

    async def drained(self) -> None:
        """Wait until every connection is closed: then all that was sent has arrived."""
        await self._empty.wait()

    def opened(self, transport: asyncio.BaseTransport) -> None:
        self.open.add(transport)
        self._empty.clear()

    def closed(self, transport: asyncio.BaseTransport) -> None:
        self.open.discard(transport)
        if not self.open:
            self._empty.set()

    def keep(self, place: Place, raw: bytes) -> None:
        self.received.setdefault(place, []).append(raw)


class _Connection(asyncio.Protocol):
    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._transport: asyncio.Transport
        self._buffer = b""

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._recording.opened(transport)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._buffer:
            self._recording.keep(_place(self._buffer), self._buffer)
        self._recording.closed(self._transport)

    @override
    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            length = int(head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0] or 0)
            whole = end + 4 + length
            if len(self._buffer) < whole:
                return
            raw, self._buffer = self._buffer[:whole], self._buffer[whole:]
            place = _place(raw)
            self._recording.keep(place, raw)
            self._answer(self._recording.asked(place), raw[end + 4 :])

    def _answer(self, fault: str, body: bytes) -> None:
        write = self._transport.write
        match fault:
            case "500" | "late":
                write(_plain(b"HTTP/1.1 500 Oh\r\n", b"{}"))
            case "429":
                write(_plain(b"HTTP/1.1 429 Slow\r\nretry-after: 3\r\n", b"{}"))
            case "400":
                write(_plain(b"HTTP/1.1 400 No\r\n", b'{"error": {"message": "no"}}'))
            case "not_json":
                write(_plain(_OK, b"<html>"))
            case "stall":
                return
            case "cut_before":
                self._transport.close()
            case "cut_stream":
                write(
                    _OK + b"content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
                )
                write(_chunk(_event("cut")))
                self._transport.close()
            case _:
                write(_echo(json.loads(body)))


def _place(raw: bytes) -> Place:
    pieces = raw.split(b"\r\n", 1)[0].split(b"/")
    if len(pieces) < 5 or not pieces[1].isdigit():
        return UNATTRIBUTED
    return pieces[1].decode(), pieces[2].decode()


def _plain(head: bytes, body: bytes) -> bytes:
    return head + b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body


def _event(text: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    tree = {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(tree).encode() + b"\n\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _echo(body: dict[str, object]) -> bytes:
    """Says back the last message, in pieces where a stream was asked for."""
    messages = body.get("messages")
    content = messages[-1].get("content") if isinstance(messages, list) else ""
    said = content if isinstance(content, str) else "noted"
    if body.get("stream") is True:
        events = [_event(said[at : at + 7]) for at in range(0, len(said), 7)]
        events += [_event("", "stop"), b"data: [DONE]\n\n"]
        head = _OK + b"content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        return head + b"".join(map(_chunk, events)) + b"0\r\n\r\n"
    message = {"role": "assistant", "content": said}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return _plain(_OK, json.dumps({"id": "c", "model": "m", "choices": [choice]}).encode())
