"""Quirks of servers that nearly speak OpenAI's dialect, chosen by a destination's option `dialect`.

Pure functions on bodies, and answers that watch or remake what came. A server without a dialect
gets and gives its bytes untouched.
"""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from gateway.providers.calls import Answer, ProviderError, UpstreamClosed, UpstreamProtocolError

Tree = dict[str, Any]

_MOST_BYTES = 16 * 1024 * 1024
_TAIL_BYTES = 128
_STREAM_END = re.compile(rb'(^|\n)data: ?\[DONE\]|"finish_reason" ?: ?"')
# The desktop application answers 400 to arguments it does not know (its source, server.cpp).
_GPT4ALL_FIELDS = frozenset("model messages prompt max_tokens temperature top_p n".split())


def is_ollama_cloud(model: str) -> bool:
    """Whether a "local" Ollama would forward this model to ollama.com: tag `cloud` or `…-cloud`."""
    tag = model.rpartition(":")[2].lower() if ":" in model else ""
    return tag == "cloud" or tag.endswith("-cloud")


def ollama_body(tree: Tree) -> Tree:
    """Ollama knows `max_tokens` only. The input is not changed."""
    if "max_completion_tokens" not in tree:
        return tree
    body = dict(tree)
    limit = body.pop("max_completion_tokens")
    body.setdefault("max_tokens", limit)
    return body


def gpt4all_body(tree: Tree) -> Tree:
    """What GPT4All understands: known fields, and texts instead of parts."""
    body = {name: value for name, value in tree.items() if name in _GPT4ALL_FIELDS}
    if "max_completion_tokens" in tree:
        body.setdefault("max_tokens", tree["max_completion_tokens"])
    if isinstance(body.get("messages"), list):
        body["messages"] = [
            message | {"content": _text(message.get("content"))} for message in body["messages"]
        ]
    return body


def stream_of(tree: Tree) -> bytes:
    """A whole completion as the events of a stream, for servers that cannot stream."""
    chat = tree.get("object") == "chat.completion"
    head = {name: tree.get(name) for name in ("id", "created", "model")}
    head["object"] = "chat.completion.chunk" if chat else "text_completion"
    events: list[Tree] = []
    for choice in tree.get("choices") or []:
        index, reason = choice.get("index", 0), choice.get("finish_reason") or "stop"
        if chat:
            text = (choice.get("message") or {}).get("content") or ""
            first: Tree = {"delta": {"role": "assistant", "content": text}}
            last: Tree = {"delta": {}}
        else:
            first, last = {"text": choice.get("text") or ""}, {"text": ""}
        events.append(head | {"choices": [{"index": index, **first, "finish_reason": None}]})
        events.append(head | {"choices": [{"index": index, **last, "finish_reason": reason}]})
    if tree.get("usage"):
        events.append(head | {"choices": [], "usage": tree["usage"]})
    parts = [b"data: " + msgspec.json.encode(event) + b"\n\n" for event in events]
    return b"".join([*parts, b"data: [DONE]\n\n"])


BODIES: Mapping[str, Callable[[Tree], Tree]] = MappingProxyType(
    {"ollama": ollama_body, "gpt4all": gpt4all_body}
)


def body_in(dialect: str, body: bytes) -> bytes:
    """A body as the dialect wants it. `dialect` is one of `BODIES`."""
    return msgspec.json.encode(BODIES[dialect](msgspec.json.decode(body)))


async def answer_in(dialect: str, answer: Answer, *, stream: bool, model: str) -> Answer:
    """An answer of the dialect as OpenAI would give it. Raises ProviderError; owns `answer`."""
    if answer.status >= 400:
        return answer
    if dialect == "ollama":
        return _EndedStream(answer) if stream else answer
    return await _from_gpt4all(answer, stream=stream, model=model)


async def _from_gpt4all(answer: Answer, *, stream: bool, model: str) -> Answer:
    try:
        body = await answer.read(_MOST_BYTES)
        tree = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        raise UpstreamProtocolError("the answer is not a JSON object") from None
    except ProviderError as error:
        # Nothing has been passed on, so the next candidate may still be asked.
        error.after_first_byte = False
        raise
    finally:
        await answer.aclose()
    if tree.get("model") != model:
        raise UpstreamProtocolError("another model answered than was asked for")
    if not stream:
        return _Given(answer, body, "application/json")
    return _Given(answer, stream_of(tree), "text/event-stream")


class _Given:
    """An answer that is already here."""

    def __init__(self, answer: Answer, body: bytes, content_type: str) -> None:
        self.status = answer.status
        self.headers: Mapping[str, str] = {**answer.headers, "content-type": content_type}
        self._body = body

    async def chunks(self) -> AsyncIterator[bytes]:
        """See `calls.Answer`."""
        body, self._body = self._body, b""
        if body:
            yield body

    async def read(self, limit: int) -> bytes:
        """See `calls.Answer`."""
        if len(self._body) > limit:
            raise UpstreamProtocolError(
                f"the answer is longer than {limit} bytes", after_first_byte=True
            )
        return self._body

    async def aclose(self) -> None:
        """Nothing to give back."""


class _EndedStream:
    """Ollama ends a stream that failed as politely as any, but without its end marks."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.status = answer.status
        self.headers = answer.headers

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes as they come; raises UpstreamClosed when the end marks never did."""
        tail, ended = b"", False
        async for piece in self._answer.chunks():
            if not ended:
                tail = tail[-_TAIL_BYTES:] + piece
                ended = _STREAM_END.search(tail) is not None
            yield piece
        if not ended:
            raise UpstreamClosed("the stream ended without saying so", after_first_byte=True)

    async def read(self, limit: int) -> bytes:
        """See `calls.Answer`."""
        pieces: list[bytes] = []
        size = 0
        async for piece in self.chunks():
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                await self.aclose()
                raise UpstreamProtocolError(
                    f"the answer is longer than {limit} bytes", after_first_byte=True
                )
        return b"".join(pieces)

    async def aclose(self) -> None:
        """See `calls.Answer`."""
        await self._answer.aclose()


def _text(content: object) -> object:
    if not isinstance(content, list):
        return content
    parts = [part.get("text") for part in content if isinstance(part, dict)]
    return "\n".join(part for part in parts if isinstance(part, str))
