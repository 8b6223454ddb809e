"""The demo models as a plain ASGI application."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from gateway.providers.demo.answers import (
    DemoError,
    Role,
    Tree,
    chat_chunks,
    chat_completion,
    completion,
    completion_chunks,
    embeddings,
    model_card,
)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_MOST_BYTES = 64 * 1024 * 1024
_PREFIX = "/v1"


class DemoApp:
    """One demo model. `delay_s` is the pause between two pieces of a stream."""

    def __init__(self, role: Role, *, delay_s: float) -> None:
        self._role = role
        self._delay_s = delay_s

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        try:
            await self._serve(scope["method"], scope["path"], receive, send)
        except DemoError as error:
            await _reply(send, error.status, error.body)
        except (AttributeError, KeyError, TypeError, ValueError):
            # A tree of an unusual shape. All answers are made before the first byte is sent.
            await _reply(send, 400, DemoError(400, "a field has an unexpected type").body)

    async def _serve(self, method: str, path: str, receive: Receive, send: Send) -> None:
        card = model_card(self._role)
        if method == "GET":
            pages: dict[str, Tree] = {
                "/healthz": {"status": "ok"},
                f"{_PREFIX}/models": {"object": "list", "data": [card]},
                f"{_PREFIX}/models/{self._role.model}": card,
            }
            found = pages.get(path)
            if found is None:
                raise DemoError(404, "not found")
            await _reply(send, 200, found)
            return
        if method != "POST":
            raise DemoError(405, "use GET or POST")
        request = await self._request(receive)
        if path == f"{_PREFIX}/embeddings":
            await _reply(send, 200, embeddings(self._role, request))
            return
        chunks: Callable[..., Iterable[Tree]]
        if path == f"{_PREFIX}/chat/completions":
            answer, chunks = chat_completion(self._role, request), chat_chunks
        elif path == f"{_PREFIX}/completions":
            answer, chunks = completion(self._role, request), completion_chunks
        else:
            raise DemoError(404, "not found")
        if request.get("stream"):
            options = request.get("stream_options") or {}
            usage = isinstance(options, dict) and bool(options.get("include_usage"))
            await self._stream(send, list(chunks(answer, include_usage=usage)))
        else:
            await _reply(send, 200, answer)

    async def _request(self, receive: Receive) -> Tree:
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise DemoError(400, "the request ended early")
            body += message.get("body", b"")
            if len(body) > _MOST_BYTES:
                raise DemoError(413, "the request is too large")
            if not message.get("more_body"):
                break
        try:
            tree = json.loads(body)
        except (ValueError, RecursionError):
            raise DemoError(400, "the body is not JSON") from None
        if not isinstance(tree, dict):
            raise DemoError(400, "the body must be an object")
        if tree.get("model") != self._role.model:
            message_text = f"the model does not exist; this server has {self._role.model}"
            raise DemoError(404, message_text, code="model_not_found")
        return tree

    async def _stream(self, send: Send, chunks: Iterable[Tree]) -> None:
        headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for chunk in chunks:
            event = b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"
            await send({"type": "http.response.body", "body": event, "more_body": True})
            await asyncio.sleep(self._delay_s)
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})


async def _reply(send: Send, status: int, tree: Tree) -> None:
    body = json.dumps(tree, ensure_ascii=False).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
