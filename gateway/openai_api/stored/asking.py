"""One request for a stored object, and the few things that its actions share."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from gateway.inference.contracts import Principal, Snapshot
from gateway.inference.label import read_declaration
from gateway.protocol.errors import FailClosed, InvalidRequest, RequestTooLarge, ScopeDenied

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MAX_JSON_BYTES = 256 * 1024


@dataclass(slots=True, kw_only=True)
class Asked:
    """A request for a stored object, whose principal is known. `answering`: bytes have left."""

    method: str
    path: str
    query: Mapping[str, str]
    content_type: bytes
    content_length: int
    declared: str
    principal: Principal
    snapshot: Snapshot
    request_id: str
    receive: Receive
    send: Send
    answering: bool = False

    def require_scope(self, scope: str) -> None:
        """Raises ScopeDenied for a key that is for other things."""
        if self.principal.scopes and scope not in self.principal.scopes:
            raise ScopeDenied(f"This API key may not use {scope}.")

    def declaration(self, words: str) -> str:
        """What is declared, normalised; empty for nothing. Raises InvalidRequest."""
        if not words.strip():
            return ""
        view = self.snapshot.projects.get(self.principal.project)
        if view is None:
            raise FailClosed("This project's policy could not be read.", param="policy")
        label = read_declaration(words, view.policy.taxonomy)
        return ", ".join([label.sensitivity.word, *sorted(label.categories)])

    def number(self, name: str, *, default: int, most: int) -> int:
        """A number of the query from 1 to `most`. Raises InvalidRequest."""
        text = self.query.get(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most):
            raise InvalidRequest(f"`{name}` must be from 1 to {most}.", param=name)
        return int(text)

    async def json_body(self) -> bytes:
        """The body of a request that creates something small. Raises RequestTooLarge."""
        parts: list[bytes] = []
        size = 0
        async for part in self.body():
            parts.append(part)
            size += len(part)
            if size > MAX_JSON_BYTES:
                raise RequestTooLarge(f"The request body is larger than {MAX_JSON_BYTES} bytes.")
        return b"".join(parts)

    async def body(self) -> Any:
        """The body's pieces as they come. Raises InvalidRequest when the client leaves."""
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise InvalidRequest("The client left before the request was complete.")
            if piece := message.get("body", b""):
                yield piece
            if not message.get("more_body", False):
                return


def query_of(raw: bytes) -> dict[str, str]:
    """The query's fields, the last of each name."""
    return dict(parse_qsl(raw.decode("latin-1"), keep_blank_values=True, max_num_fields=50))


async def send_json(send: Send, tree: dict[str, Any], *, request_id: str) -> None:
    """A complete answer of status 200."""
    body = msgspec.json.encode(tree)
    headers = [
        (b"x-request-id", request_id.encode()),
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
