"""The relay endpoints as a plain ASGI application, dispatched ahead of Django.

It reads bytes, finds the principal, hands both to the one path, and writes what comes back.
No ORM, no middleware, no settings. Nothing here decides anything about data.
"""

import asyncio
import hashlib
import logging
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from gateway import log_lines
from gateway.inference.contracts import ModelCard, Principal
from gateway.inference.exchange import Inbound, Reply
from gateway.inference.path import Gateway, new_id
from gateway.openai_api.disconnect import Clients
from gateway.openai_api.stored import app as stored
from gateway.openai_api.stored.asking import Asked, query_of
from gateway.protocol.errors import (
    GatewayError,
    InvalidRequest,
    MethodNotAllowed,
    ModelNotFound,
    NotFound,
    RequestTooLarge,
    Unauthenticated,
)
from policies.engine.facts import Endpoint

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_RELAYED = {
    "/v1/chat/completions": Endpoint.CHAT_COMPLETIONS,
    "/v1/completions": Endpoint.COMPLETIONS,
    "/v1/embeddings": Endpoint.EMBEDDINGS,
}
_MODELS = "/v1/models"
MAX_DECLARATION = 500  # characters; a dozen categories fit


class OpenAIApp:
    """`/v1`, `/healthz` and `/readyz`. `gateway` is asked for once per request, so that the
    process may start serving before it is wired (it then answers 503)."""

    def __init__(
        self,
        gateway: Callable[[], Gateway],
        *,
        max_body_bytes: int,
        refused: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`refused` is told the code of what was refused and has no record (no valid key)."""
        self._refused = refused
        self._gateway = gateway
        self._max_body_bytes = max_body_bytes
        self._clients = Clients()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; every error in OpenAI's shape."""
        request_id = new_id("req_")
        log_lines.request_id.set(request_id)
        try:
            await self._dispatch(scope, receive, send, request_id)
        except GatewayError as error:
            error.headers.setdefault("x-request-id", request_id)
            if "x-sluice-decision" not in error.headers:
                self._refused(error.recorded)
            await _send_error(send, error)

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        path: str = scope["path"]
        endpoint = _RELAYED.get(path)
        if endpoint is not None:
            _expect(scope, "POST")
            headers = _Headers(scope)
            principal = self._principal(headers)
            try:
                body = await self._body(headers, receive)
            except GatewayError as error:
                unread = _inbound(principal, endpoint, headers, request_id)
                self._gateway().rejected(unread, error)
                raise
            inbound = _inbound(principal, endpoint, headers, request_id, body)
            await self._relay(inbound, receive, send)
        elif path == _MODELS or path.startswith(_MODELS + "/"):
            _expect(scope, "GET")
            await self._models(self._principal(_Headers(scope)), path, send, request_id)
        elif stored.serves(path):
            await stored.answer(self._asked(scope, receive, send, request_id), send)
        else:
            raise NotFound(f"There is no {scope['method']} {path[:200]} here.")

    def _asked(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> Asked:
        headers = _Headers(scope)
        principal = self._principal(headers)
        snapshot, _ = self._gateway().fresh_snapshot()
        return Asked(
            method=scope["method"],
            path=scope["path"],
            query=query_of(scope["query_string"]),
            content_type=dict(scope["headers"]).get(b"content-type", b""),
            content_length=headers.content_length,
            declared=headers.declared,
            principal=principal,
            snapshot=snapshot,
            request_id=request_id,
            receive=receive,
            send=send,
        )

    def _principal(self, headers: "_Headers") -> Principal:
        presented = headers.bearer
        if not presented:
            raise Unauthenticated(
                "No API key was given: send it as `Authorization: Bearer sk-sluice-…`."
            )
        snapshot, _ = self._gateway().fresh_snapshot()
        principal = snapshot.keys.get(hashlib.sha256(presented).digest())
        # A snapshot lives until something changes; a key that expires changes nothing.
        if principal is None or self._has_expired(principal):
            raise Unauthenticated("This API key is unknown, expired or revoked.")
        return principal

    def _has_expired(self, principal: Principal) -> bool:
        return principal.expires_at is not None and principal.has_expired(self._gateway().now())

    async def _body(self, headers: "_Headers", receive: Receive) -> bytes:
        limit = self._max_body_bytes
        if headers.content_length > limit:
            raise RequestTooLarge(f"The request body is larger than {limit} bytes.")
        message = await receive()
        if message["type"] == "http.disconnect":
            raise InvalidRequest("The client left before the request was complete.")
        body: bytes = message.get("body", b"")
        if not message.get("more_body", False):
            return body
        parts, size = [body], len(body)
        while message.get("more_body", False):
            message = await receive()
            if message["type"] == "http.disconnect":
                raise InvalidRequest("The client left before the request was complete.")
            part = message.get("body", b"")
            parts.append(part)
            size += len(part)
            if size > limit:
                raise RequestTooLarge(f"The request body is larger than {limit} bytes.")
        return b"".join(parts)

    async def _relay(self, inbound: Inbound, receive: Receive, send: Send) -> None:
        watch = self._clients.watch(receive)
        started = False
        try:
            reply = await self._gateway().run(inbound)
            started = True
            await _send_reply(send, reply)
        except asyncio.CancelledError:
            if not watch.client_left:
                raise
            watch.accept_cancellation()
        except GatewayError:
            raise
        except Exception as error:  # noqa: BLE001 -- the outer border: nothing more was sent
            _log_defect(error, inbound.request_id)
            if not started:
                raise GatewayError(
                    "The gateway failed; nothing more was sent. The log has the place."
                ) from None
        finally:
            watch.stop()

    async def _models(self, principal: Principal, path: str, send: Send, request_id: str) -> None:
        snapshot, _ = self._gateway().fresh_snapshot()
        view = snapshot.projects.get(principal.project)
        cards = view.models if view is not None else {}
        if path == _MODELS or path == _MODELS + "/":
            payload: object = {"object": "list", "data": [_model(card) for card in cards.values()]}
        else:
            card = cards.get(path[len(_MODELS) + 1 :])
            if card is None:
                raise ModelNotFound("This project has no model of that name.", param="model")
            payload = _model(card)
        body = msgspec.json.encode(payload)
        await _send(send, 200, [(b"x-request-id", request_id.encode())], body)


class _Headers:
    """The few request headers that are read."""

    __slots__ = ("bearer", "content_length", "declared")

    def __init__(self, scope: Scope) -> None:
        self.bearer = b""
        self.declared = ""
        self.content_length = 0
        for name, value in scope["headers"]:
            if name == b"authorization":
                if value[:7].lower() == b"bearer ":
                    self.bearer = value[7:].strip()
            elif name == b"content-length":
                self.content_length = int(value) if value.isdigit() else 0
            elif name == b"x-sluice-declare":
                self._declare(value)

    def _declare(self, value: bytes) -> None:
        words = value.decode("latin-1").strip()
        if len(words) > MAX_DECLARATION:
            raise InvalidRequest("The declaration is too long.", param="x-sluice-declare")
        # Sent twice, both count: declaring can only raise.
        self.declared = f"{self.declared}, {words}" if self.declared else words


def _inbound(
    principal: Principal, endpoint: Endpoint, headers: _Headers, request_id: str, body: bytes = b""
) -> Inbound:
    return Inbound(
        principal=principal,
        endpoint=endpoint,
        body=body,
        request_id=request_id,
        declared=headers.declared,
    )


def _expect(scope: Scope, method: str) -> None:
    if scope["method"] != method and not (method == "GET" and scope["method"] == "HEAD"):
        raise MethodNotAllowed(
            f"{scope['path']} takes {method}, not {scope['method'][:20]}.",
            headers={"allow": method},
        )


def _model(card: ModelCard) -> dict[str, object]:
    return {
        "id": card.id,
        "object": "model",
        "created": card.created,
        "owned_by": "sluice",
        "zones": list(card.zones),
        "endpoints": sorted(card.endpoints),
    }


async def _send_reply(send: Send, reply: Reply) -> None:
    if reply.body is not None:
        await send(
            {"type": "http.response.start", "status": reply.status, "headers": reply.headers}
        )
        await send({"type": "http.response.body", "body": reply.body})
        return
    try:
        await send(
            {"type": "http.response.start", "status": reply.status, "headers": reply.headers}
        )
        async for chunk in reply.chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        await reply.aclose()


async def _send_error(send: Send, error: GatewayError) -> None:
    headers = [
        (name.encode("latin-1", "replace"), value.encode("latin-1", "replace"))
        for name, value in error.headers.items()
    ]
    await _send(send, error.status, headers, error.body())


async def _send(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                *headers,
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(body)),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


def _log_defect(error: Exception, request_id: str) -> None:
    """Where it failed and what kind it was: an exception's text may quote content."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    log.error(
        "request %s failed: %s at %s:%s", request_id, type(error).__name__, place.name, place.lineno
    )
