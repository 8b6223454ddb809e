"""The translator as a plain ASGI application on a unix socket.

The outer border of litellm: whatever it raises becomes an error in OpenAI's shape, a failure that
the gateway understands, or (once a stream has begun) a cut connection.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

import litellm
import msgspec

from gateway.protocol.forwarding import ALLOWED_FIELDS
from gateway.providers.calls import ProviderError, RequestRefused, UpstreamProtocolError
from gateway.providers.http_client import HttpClient
from gateway.providers.translator import shapes
from gateway.providers.translator.envelope import FAILURE_HEADER, PATH, Envelope
from gateway.providers.translator.outbound import Outbound, current
from gateway.providers.translator.vendors import api_base, end_of_stream
from policies.engine.facts import Endpoint

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Tree = dict[str, Any]

_decode = msgspec.json.Decoder(Envelope).decode
_NO_TIMEOUT_S = 24 * 3600.0  # our own client keeps the time
_CONTROLLED = {
    "num_retries": 0,
    "max_retries": 0,
    "caching": False,
    "timeout": _NO_TIMEOUT_S,
    "no-log": True,
    # litellm would run MCP tools by itself, and needs a package for that which is not installed.
    "_skip_mcp_handler": True,
}


class TranslatorApp:
    """Serves one call after the other; keeps nothing of any of them."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one call, and stop working for it when the gateway hangs up."""
        if scope["type"] != "http":
            return
        body = await _body(receive)
        if scope["method"] != "POST" or scope["path"] != PATH or body is None:
            await _json(send, 404, shapes.error("not found", "invalid_request_error"))
            return
        work = asyncio.ensure_future(self._serve(_decode(body), send))
        gone = asyncio.ensure_future(receive())
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (work, gone):
                task.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)

    async def _serve(self, envelope: Envelope, send: Send) -> None:
        base = api_base(envelope.vendor, envelope.base_url)
        try:
            outbound = Outbound(
                self._client,
                envelope.destination(),
                api_base=base,
                stream=envelope.stream,
                end=end_of_stream(envelope.vendor) if envelope.stream else None,
                valid_for_s=envelope.valid_for_s,
            )
        except ProviderError as error:
            await _failed(send, error)
            return
        current.set(outbound)  # this task's own context
        try:
            await _translate(envelope, base, outbound, send)
        finally:
            outbound.cut()


async def _translate(envelope: Envelope, base: str, outbound: Outbound, send: Send) -> None:
    try:
        if envelope.path == "/chat/completions":
            answer = await litellm.acompletion(
                **_arguments(envelope, base, Endpoint.CHAT_COMPLETIONS)
            )
            if not envelope.stream:
                await _json(send, 200, shapes.completion(answer.model_dump()))
                return
            chunks = aiter(answer)
            first = await anext(chunks)
        elif envelope.path == "/embeddings":
            await _embed(envelope, base, send)
            return
        else:
            await _json(send, 404, shapes.error("not served by this vendor", "not_found_error"))
            return
    except Exception as error:  # noqa: BLE001 - litellm raises what it likes: the outer border
        await _explain(outbound, error, send)
        return
    await _relay(first, chunks, outbound, send)


async def _relay(first: Any, chunks: AsyncIterator[Any], outbound: Outbound, send: Send) -> None:
    """Pass a stream on. Returning without the last body message makes the server cut it.

    litellm makes up an end for a stream that was cut, so nothing from the finish reason on is
    passed before the vendor's own end was seen.
    """
    headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    events = _Events(first)
    held: list[bytes] = []
    try:
        async for shaped in _shaped(first, chunks):
            event = events.event(shaped)
            if held or (shapes.finishes(shaped) and not outbound.ended):
                held.append(event)
            else:
                await send({"type": "http.response.body", "body": event, "more_body": True})
    except Exception:  # noqa: BLE001 - cut short by the vendor, or not to be translated
        return
    if outbound.failure is None and outbound.ended:
        held.append(b"data: [DONE]\n\n")
        await send({"type": "http.response.body", "body": b"".join(held)})


async def _shaped(first: Any, chunks: AsyncIterator[Any]) -> AsyncIterator[Tree]:
    yield shapes.chunk(first.model_dump())
    async for chunk in chunks:
        yield shapes.chunk(chunk.model_dump())


class _Events:
    """Writes chunks as server-sent events, all under the first one's id, as OpenAI does."""

    def __init__(self, first: Any) -> None:
        self._common = {"id": first.id, "created": first.created, "model": first.model}

    def event(self, shaped: Tree) -> bytes:
        tree = shaped | self._common
        return b"data: " + json.dumps(tree, ensure_ascii=False).encode() + b"\n\n"


async def _embed(envelope: Envelope, base: str, send: Send) -> None:
    arguments = _arguments(envelope, base, Endpoint.EMBEDDINGS)
    as_base64 = arguments.pop("encoding_format", "float") == "base64"
    answer = await litellm.aembedding(**arguments)
    await _json(send, 200, shapes.embeddings(answer.model_dump(), as_base64=as_base64))


def _arguments(envelope: Envelope, base: str, endpoint: Endpoint) -> Tree:
    """litellm's keyword arguments. Ours come last: a body can never set an address or a key."""
    body: Tree = msgspec.json.decode(envelope.body)
    arguments = {name: value for name, value in body.items() if name in ALLOWED_FIELDS[endpoint]}
    options = arguments.pop("stream_options", None)
    arguments.pop("stream", None)
    if envelope.stream:
        arguments["stream"] = True
        if isinstance(options, dict) and options.get("include_usage"):
            arguments["stream_options"] = {"include_usage": True}
    return {
        **arguments,
        **_CONTROLLED,
        "model": f"{envelope.vendor}/{envelope.model}",
        "api_base": base,
        "api_key": envelope.credential or "none",
        "drop_params": envelope.options.get("drop_params") == "yes",
    }


async def _explain(outbound: Outbound, error: Exception, send: Send) -> None:
    """Say what went wrong, by what was seen on the wire rather than by litellm's words."""
    if outbound.refused is not None:
        refused = outbound.refused
        extra = [(b"retry-after", refused.retry_after.encode())] if refused.retry_after else []
        await _json(send, refused.status, shapes.vendor_error(refused.body, refused.status), extra)
    elif outbound.failure is not None:
        await _failed(send, outbound.failure)
    elif outbound.asked:
        await _failed(send, UpstreamProtocolError("the vendor's answer could not be translated"))
    elif (told := shapes.translation_error(error)) is not None:
        await _json(send, *told)
    else:
        kind = type(error).__name__
        await _failed(send, RequestRefused(f"the request could not be translated ({kind})"))


async def _failed(send: Send, error: ProviderError) -> None:
    body = {"detail": error.operator_detail, "after_first_byte": error.after_first_byte}
    await _json(send, 502, body, [(FAILURE_HEADER.encode(), error.code.encode())])


async def _json(
    send: Send, status: int, tree: Tree, extra: list[tuple[bytes, bytes]] | None = None
) -> None:
    body = json.dumps(tree, ensure_ascii=False).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        *(extra or ()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _body(receive: Receive) -> bytes | None:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)
