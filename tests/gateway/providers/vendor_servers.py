"""Servers that speak Anthropic's Messages API and Google's generateContent, with faults.

The forms follow the vendors' public API references. The first path segment chooses the mode
(`http://host:port/tools`), as in `fault_server`.
"""

import asyncio
import json
from collections.abc import Iterable
from typing import Any

from typing_extensions import override

from tests.gateway.providers.fault_server import FaultServer, Received

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter
Tree = dict[str, Any]


class VendorServer(FaultServer):
    """Common parts: a mode is a method; every request is checked as the vendor would."""

    @override
    def _answers(self) -> dict[str, Any]:
        shared = super()._answers()
        names = ("slow_first_byte", "closed", "redirect", "garbage")
        own = {
            "ok": self._text,
            "tools": self._tools,
            "cut": self._cut_stream,
            "polite_cut": self._polite_cut,
            "stall": self._stall_stream,
            "error_event": self._error_event,
        }
        for status in (400, 401, 429, 500, 529):
            own[str(status)] = self._status(status)
        return {name: shared[name] for name in names} | own

    def _problem(self, request: Received) -> str:
        raise NotImplementedError

    def _error(self, status: int, message: str) -> Tree:
        raise NotImplementedError

    def _whole(self, request: Received, *, tools: bool) -> Tree:
        raise NotImplementedError

    def _events(self, *, tools: bool) -> list[bytes]:
        raise NotImplementedError

    def _streams(self, request: Received) -> bool:
        raise NotImplementedError

    def _error_in_stream(self) -> bytes:
        raise NotImplementedError

    async def _text(self, request: Received, _: Reader, writer: Writer) -> bool:
        return await self._answer(request, writer, tools=False)

    async def _tools(self, request: Received, _: Reader, writer: Writer) -> bool:
        return await self._answer(request, writer, tools=True)

    async def _answer(self, request: Received, writer: Writer, *, tools: bool) -> bool:
        problem = self._problem(request)
        if problem:
            await _send(writer, _json(400, self._error(400, problem)))
        elif self._streams(request):
            await _stream(writer, self._events(tools=tools))
            await _send(writer, b"0\r\n\r\n")
        else:
            await _send(writer, _json(200, self._whole(request, tools=tools)))
        return True

    async def _cut_stream(self, _request: Received, _: Reader, writer: Writer) -> bool:
        await _stream(writer, self._events(tools=False)[:4])
        return False

    async def _polite_cut(self, _request: Received, _: Reader, writer: Writer) -> bool:
        """Ends the HTTP message properly, but says nothing of the end of the answer."""
        await _stream(writer, self._events(tools=False)[:-2])
        await _send(writer, b"0\r\n\r\n")
        return True

    async def _stall_stream(self, _request: Received, reader: Reader, writer: Writer) -> bool:
        await _stream(writer, self._events(tools=False)[:-2])
        await self._wait(reader)
        return False

    async def _error_event(self, _request: Received, _: Reader, writer: Writer) -> bool:
        await _stream(writer, [*self._events(tools=False)[:4], self._error_in_stream()])
        await _send(writer, b"0\r\n\r\n")
        return True

    def _status(self, status: int) -> Any:
        async def answer(_request: Received, _: Reader, writer: Writer) -> bool:
            extra = [("retry-after", "9")] if status == 429 else []
            await _send(writer, _json(status, self._error(status, f"vendor says {status}"), extra))
            return True

        return answer


class AnthropicServer(VendorServer):
    """POST /v1/messages."""

    @override
    def _problem(self, request: Received) -> str:
        body = json.loads(request.body)
        if not request.path.endswith("/v1/messages"):
            return f"no such path {request.path}"
        if not request.header("x-api-key") or not request.header("anthropic-version"):
            return "x-api-key and anthropic-version are needed"
        if not isinstance(body.get("max_tokens"), int) or not body.get("messages"):
            return "max_tokens and messages are needed"
        unknown = set(body) - set(
            "model max_tokens messages system stream temperature top_p stop_sequences tools "
            "tool_choice metadata thinking".split()
        )
        return f"unknown fields {sorted(unknown)}" if unknown else ""

    @override
    def _error(self, status: int, message: str) -> Tree:
        kinds = {
            400: "invalid_request_error",
            401: "authentication_error",
            429: "rate_limit_error",
            529: "overloaded_error",
        }
        kind = kinds.get(status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": message}}

    @override
    def _streams(self, request: Received) -> bool:
        return bool(json.loads(request.body).get("stream"))

    @override
    def _whole(self, request: Received, *, tools: bool) -> Tree:
        content: list[Tree] = [{"type": "text", "text": "Hello there"}]
        if tools:
            content.append(
                {"type": "tool_use", "id": "toolu_1", "name": "look_up", "input": {"what": "rain"}}
            )
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": json.loads(request.body)["model"],
            "content": content,
            "stop_reason": "tool_use" if tools else "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 11, "output_tokens": 7},
        }

    @override
    def _events(self, *, tools: bool) -> list[bytes]:
        start: Tree = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-test",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 11, "output_tokens": 1},
        }
        events: list[Tree] = [{"type": "message_start", "message": start}]
        events.append(_block(0, {"type": "text", "text": ""}))
        for text in ("Hel", "lo ", "there"):
            events.append(_piece(0, {"type": "text_delta", "text": text}))
        events.append({"type": "content_block_stop", "index": 0})
        if tools:
            use = {"type": "tool_use", "id": "toolu_1", "name": "look_up", "input": {}}
            events.append(_block(1, use))
            for text in ('{"what"', ': "rain"}'):
                events.append(_piece(1, {"type": "input_json_delta", "partial_json": text}))
            events.append({"type": "content_block_stop", "index": 1})
        stop = {"stop_reason": "tool_use" if tools else "end_turn", "stop_sequence": None}
        events.append({"type": "message_delta", "delta": stop, "usage": {"output_tokens": 7}})
        events.append({"type": "message_stop"})
        return [_named(event) for event in events]

    @override
    def _error_in_stream(self) -> bytes:
        return _named(self._error(529, "Overloaded"))


class GoogleServer(VendorServer):
    """POST /v1beta/models/{model}:generateContent, streamGenerateContent, batchEmbedContents."""

    @override
    def _problem(self, request: Received) -> str:
        body = json.loads(request.body)
        if not request.header("x-goog-api-key"):
            return "x-goog-api-key is needed"
        if "/v1beta/models/" not in request.path:
            return f"no such path {request.path}"
        if "EmbedContent" in request.path:
            return ""
        return "" if body.get("contents") else "contents are needed"

    @override
    def _error(self, status: int, message: str) -> Tree:
        words = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 429: "RESOURCE_EXHAUSTED"}
        kind = words.get(status, "INTERNAL")
        return {"error": {"code": status, "message": message, "status": kind}}

    @override
    def _streams(self, request: Received) -> bool:
        return "streamGenerateContent" in request.path

    @override
    def _whole(self, request: Received, *, tools: bool) -> Tree:
        if "EmbedContent" in request.path:
            count = len(json.loads(request.body).get("requests", [0]))
            return {"embeddings": [{"values": [0.5, float(at)]} for at in range(count)]}
        parts: list[Tree] = [{"text": "Hello there"}]
        if tools:
            parts.append({"functionCall": {"name": "look_up", "args": {"what": "rain"}}})
        return _candidate(parts, finish="STOP", usage=True)

    @override
    def _events(self, *, tools: bool) -> list[bytes]:
        events = [_candidate([{"text": text}]) for text in ("Hel", "lo ", "th", "e", "re")]
        if tools:
            call = {"functionCall": {"name": "look_up", "args": {"what": "rain"}}}
            events.append(_candidate([call]))
        events.append(_candidate([{"text": ""}]))
        events.append(_candidate([{"text": ""}], finish="STOP", usage=True))
        return [b"data: " + json.dumps(event).encode() + b"\r\n\r\n" for event in events]

    @override
    def _error_in_stream(self) -> bytes:
        return b"data: " + json.dumps(self._error(503, "overloaded")).encode() + b"\r\n\r\n"


def _block(index: int, block: Tree) -> Tree:
    return {"type": "content_block_start", "index": index, "content_block": block}


def _piece(index: int, delta: Tree) -> Tree:
    return {"type": "content_block_delta", "index": index, "delta": delta}


def _named(event: Tree) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def _candidate(parts: list[Tree], *, finish: str | None = None, usage: bool = False) -> Tree:
    candidate: Tree = {"content": {"role": "model", "parts": parts}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    answer: Tree = {"candidates": [candidate], "modelVersion": "gemini-test"}
    if usage:
        answer["usageMetadata"] = {
            "promptTokenCount": 11,
            "candidatesTokenCount": 7,
            "totalTokenCount": 18,
        }
    return answer


def _json(status: int, tree: Tree, extra: Iterable[tuple[str, str]] = ()) -> bytes:
    body = json.dumps(tree).encode()
    lines = [f"HTTP/1.1 {status} Reason", "content-type: application/json"]
    lines += [f"{name}: {value}" for name, value in extra]
    lines += [f"content-length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


async def _stream(writer: Writer, events: Iterable[bytes]) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n"
    await _send(writer, head + b"\r\n")
    for event in events:
        await _send(writer, b"%x\r\n%b\r\n" % (len(event), event))


async def _send(writer: Writer, data: bytes) -> None:
    writer.write(data)
    await writer.drain()
