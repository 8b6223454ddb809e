"""What the demo models say: pure functions from a request's tree to an answer's tree.

INVARIANT: the same request gives the same answer, identifiers included.
"""

import base64
import hashlib
import json
import math
import struct
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any

Tree = dict[str, Any]

CREATED = 1767225600  # a fixed moment: 2026-01-01T00:00:00Z
DEFAULT_DIMENSIONS = 64
_MOST_DIMENSIONS = 4096
_MOST_PIECES = 200  # of one streamed answer
_QUOTED_WORDS = 12


class Role(StrEnum):
    """Which of the two models is played."""

    ONPREM = "onprem"
    CLOUD = "cloud"

    @property
    def model(self) -> str:
        """The model's name as clients send it."""
        return f"demo-{self.value}"


class DemoError(Exception):
    """A request that OpenAI would refuse too. `status` is HTTP's."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = {
            "error": {
                "message": message,
                "type": "invalid_request_error",
                "param": None,
                "code": code,
            }
        }


def model_card(role: Role) -> Tree:
    """The entry of `/v1/models`."""
    return {"id": role.model, "object": "model", "created": CREATED, "owned_by": "sluice"}


def chat_completion(role: Role, request: Tree) -> Tree:
    """The answer to `/v1/chat/completions`, unstreamed."""
    messages = request.get("messages")
    if not isinstance(messages, list) or not all(isinstance(each, dict) for each in messages):
        raise DemoError(400, "messages must be a list of objects")
    called = _called_tool(role, request, messages)
    asked = _last_text(messages)
    if called is not None:
        message: Tree = {"role": "assistant", "content": None, "tool_calls": [called]}
        finish, text = "tool_calls", called["function"]["arguments"]
    else:
        text, finish = _shortened(_reply(role, request, asked), _limit(request))
        message = {"role": "assistant", "content": text}
    choices = [
        {"index": index, "message": message, "logprobs": None, "finish_reason": finish}
        for index in range(_count(request))
    ]
    contents = [each.get("content") for each in messages]
    answer = _head("chatcmpl", "chat.completion", role, request)
    answer |= {"choices": choices, "usage": _usage(contents, [text] * len(choices))}
    if role is Role.CLOUD:
        # Beside what the model says, where nobody puts masked values back.
        answer["received"] = request
    return answer


def chat_chunks(answer: Tree, *, include_usage: bool) -> Iterator[Tree]:
    """The same answer as the chunks of a stream."""
    for choice in answer["choices"]:
        index, message = choice["index"], choice["message"]
        calls = message.get("tool_calls")
        yield _chunk(answer, index, {"role": "assistant", "content": None if calls else ""})
        if calls:
            head = {**calls[0], "index": 0}
            arguments = head["function"]["arguments"]
            head["function"] = {"name": head["function"]["name"], "arguments": ""}
            yield _chunk(answer, index, {"tool_calls": [head]})
            for piece in pieces(arguments):
                part = {"index": 0, "function": {"arguments": piece}}
                yield _chunk(answer, index, {"tool_calls": [part]})
        else:
            for piece in pieces(message["content"]):
                yield _chunk(answer, index, {"content": piece})
        yield _chunk(answer, index, {}, finish=choice["finish_reason"])
    if include_usage:
        yield _bare(answer, "chat.completion.chunk") | {"choices": [], "usage": answer["usage"]}


def completion(role: Role, request: Tree) -> Tree:
    """The answer to `/v1/completions`, unstreamed."""
    prompt = request.get("prompt", "")
    prompts = prompt if isinstance(prompt, list) else [prompt]
    asked = next((each for each in prompts if isinstance(each, str)), "")
    text, finish = _shortened(_reply(role, request, asked), _limit(request))
    choices = [
        {"index": index, "text": text, "logprobs": None, "finish_reason": finish}
        for index in range(_count(request))
    ]
    head = _head("cmpl", "text_completion", role, request)
    return head | {"choices": choices, "usage": _usage(prompts, [text] * len(choices))}


def completion_chunks(answer: Tree, *, include_usage: bool) -> Iterator[Tree]:
    """The same answer as the chunks of a stream."""
    for choice in answer["choices"]:
        finished = {"index": choice["index"], "logprobs": None}
        for piece in pieces(choice["text"]):
            part = {**finished, "text": piece, "finish_reason": None}
            yield _bare(answer, "text_completion") | {"choices": [part]}
        part = {**finished, "text": "", "finish_reason": choice["finish_reason"]}
        yield _bare(answer, "text_completion") | {"choices": [part]}
    if include_usage:
        yield _bare(answer, "text_completion") | {"choices": [], "usage": answer["usage"]}


def embeddings(role: Role, request: Tree) -> Tree:
    """The answer to `/v1/embeddings`: words hashed into a vector of length one."""
    given = request.get("input", "")
    # A list of integers is one text in token ids; everything else in a list is a text of its own.
    one = isinstance(given, str) or (isinstance(given, list) and bool(given) and _ids(given))
    if not isinstance(given, str | list):
        raise DemoError(400, "input must be a text or a list")
    texts = [given] if one else list(given)
    dimensions = request.get("dimensions", DEFAULT_DIMENSIONS)
    if not isinstance(dimensions, int) or not 0 < dimensions <= _MOST_DIMENSIONS:
        raise DemoError(400, f"dimensions must be an integer from 1 to {_MOST_DIMENSIONS}")
    as_text = request.get("encoding_format") == "base64"
    data = []
    for index, text in enumerate(texts):
        vector = _vector(text if isinstance(text, str) else json.dumps(text), dimensions)
        packed = base64.b64encode(struct.pack(f"<{dimensions}f", *vector)).decode()
        embedding = packed if as_text else vector
        data.append({"object": "embedding", "index": index, "embedding": embedding})
    used = words(texts)
    usage = {"prompt_tokens": used, "total_tokens": used}
    return {"object": "list", "data": data, "model": role.model, "usage": usage}


def words(tree: object) -> int:
    """How many words stand in the strings of a tree; what the demo models count as tokens."""
    if isinstance(tree, str):
        return len(tree.split())
    if isinstance(tree, dict):
        return sum(words(value) for value in tree.values())
    if isinstance(tree, list):
        return sum(words(value) for value in tree)
    return 0


def pieces(text: str) -> Iterator[str]:
    """A text in small parts, at most a few hundred, none empty."""
    size = max(8, math.ceil(len(text) / _MOST_PIECES))
    for start in range(0, len(text), size):
        yield text[start : start + size]


def _reply(role: Role, request: Tree, asked: str) -> str:
    wanted = request.get("response_format")
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    # A promised shape is kept: an SDK that parses into it fails on anything else. What the cloud
    # received is an object of JSON already.
    if role is Role.CLOUD and kind != "json_schema":
        return json.dumps(request, indent=2, ensure_ascii=False)
    if isinstance(wanted, dict) and kind in {"json_object", "json_schema"}:
        schema = (wanted.get("json_schema") or {}).get("schema") or {
            "type": "object",
            "properties": {"answer": {"type": "string"}},
        }
        return json.dumps(_sample(schema, _quote(asked)), ensure_ascii=False)
    return (
        f"Hello from demo-onprem! You asked: “{_quote(asked)}”. "
        "I am a built-in demo model on your own machine: I understand nothing, but what you "
        "wrote stayed here. Add a real model when you are ready."
    )


def _called_tool(role: Role, request: Tree, messages: Sequence[Tree]) -> Tree | None:
    """The tool call that the model makes, if any: the forced one, else on-prem the first."""
    tools = [
        tool["function"]
        for tool in request.get("tools") or []
        if isinstance(tool, dict) and isinstance(tool.get("function"), dict)
    ]
    choice = request.get("tool_choice", "auto")
    answered = bool(messages) and messages[-1].get("role") == "tool"
    if not tools or choice == "none" or answered:
        return None
    if isinstance(choice, dict):
        name = (choice.get("function") or {}).get("name")
        tools = [tool for tool in tools if tool.get("name") == name]
        if not tools:
            raise DemoError(400, "tool_choice names a function that is not in tools")
    elif choice != "required" and role is Role.CLOUD:
        return None
    tool = tools[0]
    sample = _sample(tool.get("parameters") or {"type": "object"}, _quote(_last_text(messages)))
    arguments = json.dumps(sample, ensure_ascii=False)
    return {
        "id": f"call_{_digest(request)}",
        "type": "function",
        "function": {"name": str(tool.get("name")), "arguments": arguments},
    }


def _sample(schema: object, text: str, depth: int = 0) -> object:
    """A value that fits a simple JSON schema; strings quote what was asked."""
    if not isinstance(schema, dict) or depth > 8:
        return None
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "object" or "properties" in schema:
        properties = schema.get("properties") or {}
        return {name: _sample(value, text, depth + 1) for name, value in properties.items()}
    if kind == "array":
        return [_sample(schema.get("items"), text, depth + 1)]
    simple: Tree = {"integer": 1, "number": 1.0, "boolean": True, "null": None}
    return simple.get(str(kind), text)


def _last_text(messages: Sequence[Tree]) -> str:
    for message in reversed(messages):
        if message.get("role") not in {"user", "tool"}:
            continue
        content = message.get("content")
        if isinstance(content, str):
            return content
        if isinstance(content, list):
            parts = [part.get("text") for part in content if isinstance(part, dict)]
            return " ".join(part for part in parts if isinstance(part, str))
    return ""


def _quote(text: str) -> str:
    found = text.split()
    return " ".join(found[:_QUOTED_WORDS]) + (" …" if len(found) > _QUOTED_WORDS else "")


def _shortened(text: str, limit: int | None) -> tuple[str, str]:
    found = text.split()
    if limit is None or len(found) <= limit:
        return text, "stop"
    return " ".join(found[:limit]), "length"


def _limit(request: Tree) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        value = request.get(name)
        if isinstance(value, int) and value > 0:
            return value
    return None


def _count(request: Tree) -> int:
    count = request.get("n", 1) or 1
    if not isinstance(count, int) or not 1 <= count <= 16:
        raise DemoError(400, "n must be an integer from 1 to 16")
    return count


def _ids(values: Sequence[object]) -> bool:
    return all(isinstance(value, int) for value in values)


def _vector(text: str, dimensions: int) -> list[float]:
    vector = [0.0] * dimensions
    for word in text.lower().split() or [""]:
        digest = hashlib.sha256(word.encode()).digest()
        for at in range(0, 32, 8):
            place = int.from_bytes(digest[at : at + 4], "big") % dimensions
            vector[place] += 1.0 if digest[at + 4] & 1 else -1.0
    length = math.sqrt(sum(value * value for value in vector)) or 1.0
    return [value / length for value in vector]


def _digest(request: Tree) -> str:
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:16]


def _head(prefix: str, kind: str, role: Role, request: Tree) -> Tree:
    return {
        "id": f"{prefix}-{_digest(request)}",
        "object": kind,
        "created": CREATED,
        "model": role.model,
    }


def _usage(asked: object, made: object) -> Tree:
    prompt, completion_ = words(asked), words(made)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion_,
        "total_tokens": prompt + completion_,
    }


def _bare(answer: Tree, kind: str) -> Tree:
    fields = ("id", "created", "model")
    return {name: answer[name] for name in fields} | {"object": kind}


def _chunk(answer: Tree, index: int, delta: Tree, finish: str | None = None) -> Tree:
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
    return _bare(answer, "chat.completion.chunk") | {"choices": [choice]}
