"""OpenAI's shapes for what litellm and the vendors give back. Pure functions.

Only named fields pass: litellm adds its own (costs, provider fields), and clients of OpenAI's
dialect must not come to rely on them.
"""

import json
import re
import struct
from base64 import b64encode
from typing import Any

Tree = dict[str, Any]

_MESSAGE = ("role", "content", "reasoning_content", "refusal", "tool_calls", "function_call")
_USAGE = ("prompt_tokens", "completion_tokens", "total_tokens")
_DETAILS = {
    "prompt_tokens_details": ("cached_tokens", "audio_tokens"),
    "completion_tokens_details": ("reasoning_tokens", "audio_tokens"),
}
_MESSAGE_LIMIT = 1000
_LITELLM_PREFIX = re.compile(r"^(litellm\.\w+: )+")


def completion(tree: Tree) -> Tree:
    """A whole chat completion."""
    shaped = _head(tree, "chat.completion")
    shaped["choices"] = [
        {
            "index": choice.get("index", index),
            "message": _whole_message(choice.get("message")),
            "logprobs": choice.get("logprobs"),
            "finish_reason": choice.get("finish_reason"),
        }
        for index, choice in enumerate(tree.get("choices") or [])
    ]
    shaped["usage"] = usage(tree.get("usage"))
    return shaped


def chunk(tree: Tree) -> Tree:
    """One chunk of a streamed chat completion. As with OpenAI, usage comes with no choices."""
    shaped = _head(tree, "chat.completion.chunk")
    shaped["choices"] = [
        {
            "index": choice.get("index", 0),
            "delta": _message(choice.get("delta")),
            "logprobs": choice.get("logprobs"),
            "finish_reason": choice.get("finish_reason"),
        }
        for choice in tree.get("choices") or []
    ]
    counted = usage(tree.get("usage"))
    if counted is not None and not any(
        choice["delta"] or choice["finish_reason"] for choice in shaped["choices"]
    ):
        return shaped | {"choices": [], "usage": counted}
    return shaped


def finishes(shaped: Tree) -> bool:
    """Whether a chunk says why the answer ended."""
    return any(choice["finish_reason"] for choice in shaped["choices"])


def embeddings(tree: Tree, *, as_base64: bool) -> Tree:
    """A list of embeddings; OpenAI's own client asks for base64 by default."""
    data = []
    for index, item in enumerate(tree.get("data") or []):
        vector = item["embedding"]
        if as_base64 and isinstance(vector, list):
            vector = b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
        data.append({"object": "embedding", "index": item.get("index", index), "embedding": vector})
    used = (tree.get("usage") or {}).get("prompt_tokens") or 0
    return {
        "object": "list",
        "data": data,
        "model": tree.get("model"),
        "usage": {"prompt_tokens": used, "total_tokens": used},
    }


def usage(tree: Tree | None) -> Tree | None:
    """Token counts, with those details that are known."""
    if not tree:
        return None
    shaped: Tree = {name: tree.get(name) or 0 for name in _USAGE}
    for name, known in _DETAILS.items():
        given = tree.get(name) or {}
        details = {key: given[key] for key in known if given.get(key) is not None}
        if details:
            shaped[name] = details
    return shaped


def vendor_error(body: bytes, status: int) -> Tree:
    """A vendor's error in OpenAI's shape: Anthropic's and Google's forms, else the bare status."""
    try:
        tree = json.loads(body)
    except ValueError:
        tree = None
    tree = tree[0] if isinstance(tree, list) and tree else tree  # Google, when streaming
    found = tree.get("error") if isinstance(tree, dict) else None
    found = found if isinstance(found, dict) else {}
    message = found.get("message")
    kind = found.get("type") or found.get("status")
    return error(
        message if isinstance(message, str) else f"the vendor answered with status {status}",
        kind.lower() if isinstance(kind, str) else "upstream_error",
    )


def translation_error(caught: Exception) -> tuple[int, Tree] | None:
    """What litellm refuses to translate, as the caller's error: status and body.

    None when it is not the caller's mistake. Only the first line passes: litellm appends
    tracebacks.
    """
    status = getattr(caught, "status_code", None)
    text = getattr(caught, "message", None)
    if not isinstance(status, int) or not 400 <= status < 500 or not isinstance(text, str):
        return None
    line = _LITELLM_PREFIX.sub("", text).split("\n", 1)[0][:_MESSAGE_LIMIT]
    words = line or "this vendor cannot take the request"
    return status, error(words, "invalid_request_error")


def error(message: str, kind: str, code: str | None = None) -> Tree:
    """OpenAI's error body."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _head(tree: Tree, kind: str) -> Tree:
    return {
        "id": tree.get("id"),
        "object": kind,
        "created": tree.get("created"),
        "model": tree.get("model"),
    }


def _message(tree: Tree | None) -> Tree:
    found = {
        name: value for name in _MESSAGE if (value := (tree or {}).get(name)) not in (None, [])
    }
    if "tool_calls" in found:
        found["tool_calls"] = [_tool_call(call) for call in found["tool_calls"]]
    return found


def _whole_message(tree: Tree | None) -> Tree:
    message: Tree = {"role": "assistant", "content": None} | _message(tree)
    for call in message.get("tool_calls", ()):
        call.pop("index", None)  # belongs to streams
    return message


def _tool_call(tree: Tree) -> Tree:
    function = tree.get("function") or {}
    return {
        **{name: tree[name] for name in ("index", "id", "type") if tree.get(name) is not None},
        "function": {
            name: function[name] for name in ("name", "arguments") if function.get(name) is not None
        },
    }
