"""An upstream with faults: a raw HTTP/1.1 server on loopback that records what it receives.

In process: `async with FaultServer("cut") as server: ... server.base_url`.
As a process: `python tests/gateway/providers/fault_server.py --mode ok`; its first line of output
is its port. `GET /received` then lists what came as JSON, and `POST /mode/<mode>` changes the mode.

A first path segment that names a mode wins for that request (`http://host:port/stall/v1`). Modes
that wait do so until `release` is set or the client is gone; nothing here depends on speed.
"""

import argparse
import asyncio
import base64
import contextlib
import json
import ssl
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

CHUNKS = ("Hel", "lo ", "there")


@dataclass(frozen=True)
class Received:
    """One request as it came."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)


@dataclass
class FaultServer:
    """See the module. `raw` is what mode `raw` answers, byte for byte, before it closes.
    `answering` makes mode `answering`'s answer of a body: JSON, or the pieces of a stream."""

    mode: str = "ok"
    raw: bytes = b""
    retry_after: str = "7"  # what mode `rate_limited` asks for
    answering: Callable[[dict[str, Any]], dict[str, Any] | list[bytes]] = dict
    host: str = "127.0.0.1"
    port: int = 0
    ssl_context: ssl.SSLContext | None = None
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    written: int = 0  # body bytes that mode `flood` could hand to the system
    release: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)  # a request is here
    client_gone: asyncio.Event = field(default_factory=asyncio.Event)
    writing_stalled: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> Self:
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(
            self._serve, self.host, self.port, ssl=self.ssl_context
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.release.set()
        self.cut_all()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def base_url(self) -> str:
        scheme = "http" if self.ssl_context is None else "https"
        return f"{scheme}://{self.host}:{self.port}/v1"

    def cut_all(self) -> None:
        """End every connection now, whatever was asked on it."""
        for writer in list(self._writers):
            writer.transport.abort()

    def url(self, mode: str) -> str:
        """The base URL under which every request gets `mode`."""
        return f"http://{self.host}:{self.port}/{mode}/v1"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        self.connections += 1
        try:
            served = 0
            while await self._one(reader, writer, served):
                served += 1
        except (OSError, asyncio.IncompleteReadError):
            self.client_gone.set()
        finally:
            self._writers.discard(writer)
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _one(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, served: int
    ) -> bool:
        """Serve one request; whether the connection may carry another."""
        request = await self._read(reader)
        first = request.path.split("/")[1]
        if request.path == "/received":
            listing = [
                {
                    "method": each.method,
                    "path": each.path,
                    "headers": each.headers,
                    "body": base64.b64encode(each.body).decode(),
                }
                for each in self.received
            ]
            await _write(writer, _plain(200, json.dumps(listing).encode()))
            return True
        if first == "mode":
            self.mode = request.path.split("/")[2]
            await _write(writer, _plain(200, b"{}"))
            return True
        self.received.append(request)
        self.arrived.set()
        answers = self._answers()
        mode = first if first in answers else self.mode
        if mode == "close_on_reuse" and served:
            return False
        return await answers[mode](request, reader, writer)

    async def _read(self, reader: asyncio.StreamReader) -> Received:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = [(line.split(":", 1)[0], line.split(":", 1)[1].strip()) for line in head[1:-2]]
        length = next((int(value) for key, value in headers if key.lower() == "content-length"), 0)
        return Received(method, path, headers, await reader.readexactly(length))

    def _answers(
        self,
    ) -> dict[
        str, Callable[[Received, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bool]]
    ]:
        return {
            "ok": self._ok,
            "close_on_reuse": self._ok,
            "slow_first_byte": self._slow_first_byte,
            "stall": self._stall,
            "cut": self._cut,
            "closed": self._closed,
            "rate_limited": self._rate_limited,
            "failing": self._failing,
            "unavailable": self._unavailable,
            "broken_sse": self._broken_sse,
            "redirect": self._redirect,
            "huge_headers": self._huge_headers,
            "garbage": self._garbage,
            "flood": self._flood,
            "raw": self._raw,
            "answering": self._answering,
        }

    async def _ok(
        self, request: Received, _: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        body = _json(request.body)
        model = str(body.get("model", ""))
        if body.get("stream"):
            await _write(writer, _sse_head())
            for text in CHUNKS:
                await _write(writer, _chunked(_event(_delta(model, text))))
            await _write(writer, _chunked(_event(_delta(model, "", finish="stop"))))
            await _write(writer, _chunked(b"data: [DONE]\n\n") + b"0\r\n\r\n")
        else:
            await _write(writer, _plain(200, json.dumps(_completion(model)).encode()))
        return True

    async def _slow_first_byte(
        self, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        await self._wait(reader)
        return await self._ok(request, reader, writer)

    async def _stall(
        self, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        model = str(_json(request.body).get("model", ""))
        await _write(writer, _sse_head() + _chunked(_event(_delta(model, CHUNKS[0]))))
        await self._wait(reader)
        return False

    async def _cut(
        self, request: Received, _: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        model = str(_json(request.body).get("model", ""))
        await _write(writer, _sse_head() + _chunked(_event(_delta(model, CHUNKS[0]))))
        return False

    async def _closed(
        self, _request: Received, _: asyncio.StreamReader, _writer: asyncio.StreamWriter
    ) -> bool:
        return False

    async def _rate_limited(
        self, _request: Received, _: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        await _write(
            writer,
            _plain(429, _error("slow down", "rate_limit"), ("retry-after", self.retry_after)),
        )
        return True

    async def _failing(
        self, _request: Received, _: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        await _write(writer, _plain(500, _error("out of order", "server_error")))
        return True

    async def _unavailable(
        self, _request: Received, _: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        await _write(writer, _plain(503, _error("too many requests queued", "overloaded")))
        return True

    async def _broken_sse(
        self, _request: Received, _: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        await _write(writer, _sse_head() + _chunked(b'data: {"choices": [{"del\n\nevent\x00: \xff'))
        await _write(writer, b"0\r\n\r\n")
        return True

    async def _redirect(
        self, _request: Received, _: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        place = ("location", f"http://{self.host}:{self.port}/ok/v1/chat/completions")
        await _write(writer, _plain(307, b"", place))
        return True

    async def _huge_headers(
        self, _request: Received, _: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        line = b"x-filler: " + b"a" * 1000 + b"\r\n"
        await _write(writer, b"HTTP/1.1 200 OK\r\n" + line * 100 + b"content-length: 0\r\n\r\n")
        return False

    async def _garbage(
        self, _request: Received, _: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        await _write(writer, b"\x16\x03\x01 this is not HTTP\r\n\r\n")
        return False

    async def _flood(
        self, _request: Received, _: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Writes without end, as fast as it is read, until the client is gone."""
        piece = _chunked(b"x" * 16384)
        await _write(writer, _sse_head())
        while True:
            if writer.is_closing():  # uvloop's transport takes no write any more, and says so oddly
                raise ConnectionResetError
            writer.write(piece)
            self.written += 16384
            drained = asyncio.ensure_future(writer.drain())
            # Not an assertion on time: a drain that takes long is what "stalled" means.
            if not (await asyncio.wait({drained}, timeout=0.3))[0]:
                self.writing_stalled.set()
            await drained

    async def _raw(
        self, _request: Received, _: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        await _write(writer, self.raw)
        return False

    async def _answering(
        self, request: Received, _: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        answer = self.answering(_json(request.body))
        if isinstance(answer, dict):
            await _write(writer, _plain(200, json.dumps(answer).encode()))
            return True
        await _write(writer, _sse_head())
        for piece in answer:
            await _write(writer, _chunked(piece))
        await _write(writer, b"0\r\n\r\n")
        return True

    async def _wait(self, reader: asyncio.StreamReader) -> None:
        """Until released; notices a client that leaves."""
        gone = asyncio.ensure_future(reader.read(1))
        released = asyncio.ensure_future(self.release.wait())
        done, pending = await asyncio.wait({gone, released}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        if pending:
            await asyncio.wait(pending)  # or the next request is read while this one still reads
        if gone in done:
            gone.exception()  # a reset is how some clients leave; it is no defect
            self.client_gone.set()
            raise ConnectionResetError


def _json(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _error(message: str, kind: str) -> bytes:
    return json.dumps({"error": {"message": message, "type": kind, "code": None}}).encode()


def _completion(model: str) -> dict[str, object]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1700000000,
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "".join(CHUNKS)},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }


def _delta(model: str, text: str, finish: str | None = None) -> dict[str, object]:
    delta = {"content": text} if text else {}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": model,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }


def _event(data: dict[str, object]) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def _sse_head() -> bytes:
    return (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n"
        b"x-secret-header: not for the client\r\n\r\n"
    )


def _chunked(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _plain(status: int, body: bytes, *headers: tuple[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Reason", "content-type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers]
    lines += [f"content-length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


async def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    if writer.is_closing():
        raise ConnectionResetError
    writer.write(data)
    await writer.drain()


async def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", default="ok")
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    async with FaultServer(arguments.mode, port=arguments.port) as server:
        sys.stdout.write(f"{server.port}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main())
