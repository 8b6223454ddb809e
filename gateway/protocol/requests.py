"""The requests of the relay endpoints: what we act on is typed, the rest stays as it came.

Passthrough parsing: only `model`, `stream`, `n`, the messages' shape, tools and media are looked
at. A field that we do not know is neither an error nor lost.
"""

from dataclasses import dataclass
from typing import Any

from gateway.protocol.errors import InvalidRequest
from gateway.protocol.json_tree import decode_object
from gateway.protocol.media import Media, joined, media_in_messages, media_unknown
from policies.engine.facts import Endpoint

PATHS = {
    Endpoint.CHAT_COMPLETIONS: "/chat/completions",
    Endpoint.COMPLETIONS: "/completions",
    Endpoint.EMBEDDINGS: "/embeddings",
}
_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
# Tool types that run in the client; every other type makes the vendor's server reach out.
_CLIENT_TOOLS = frozenset({"function", "custom"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayRequest:
    """A decoded body and what was read off it.

    `tree` has our own declaration taken out (`declared` holds it). `opaque` names the parts that
    no recognizer can read. `reach_out` names what would make a server fetch from elsewhere.
    """

    endpoint: Endpoint
    alias: str
    stream: bool
    include_usage: bool
    tree: dict[str, Any]
    declared: str
    modalities: frozenset[str]
    opaque: frozenset[str]
    payloads: frozenset[int]
    tools: frozenset[str]
    reach_out: frozenset[str]
    output_limit: int | None  # the caller's limit on generated tokens, when it set one


_TEXT_ONLY = frozenset({"text"})
_NONE: frozenset[str] = frozenset()


def read_request(endpoint: Endpoint, body: bytes) -> RelayRequest:
    """Decode and check a body. Raises InvalidRequest with `param`."""
    return read_tree(endpoint, decode_object(body))


def read_tree(endpoint: Endpoint, tree: dict[str, Any]) -> RelayRequest:
    """Check a decoded body. Our own declaration is taken out of `tree`. Raises InvalidRequest."""
    alias = tree.get("model")
    if not isinstance(alias, str) or not alias:
        raise InvalidRequest("Name a model: `model` must be a non-empty string.", param="model")
    stream = _stream(tree)
    include_usage = _include_usage(tree, stream=stream)
    media = _content(endpoint, tree)
    tools, reach_out = _tools(tree)
    return RelayRequest(
        endpoint=endpoint,
        alias=alias,
        stream=stream,
        include_usage=include_usage,
        declared=_take_declaration(tree),
        tree=tree,
        modalities=media.modalities if media else _TEXT_ONLY,
        opaque=media.opaque if media else _NONE,
        payloads=media.payloads if media else frozenset(),
        tools=tools,
        reach_out=reach_out | media.reach_out if media else reach_out,
        output_limit=_output_limit(tree),
    )


def _stream(tree: dict[str, Any]) -> bool:
    stream = tree.get("stream")
    if stream is None or stream is False:
        return False
    if stream is True:
        return True
    raise InvalidRequest("`stream` must be true or false.", param="stream")


def _include_usage(tree: dict[str, Any], *, stream: bool) -> bool:
    options = tree.get("stream_options")
    if options is None:
        return False
    if not isinstance(options, dict):
        raise InvalidRequest("`stream_options` must be an object.", param="stream_options")
    if not stream:
        raise InvalidRequest("`stream_options` needs `stream: true`.", param="stream_options")
    return options.get("include_usage") is True


def _content(endpoint: Endpoint, tree: dict[str, Any]) -> Media | None:
    if endpoint is Endpoint.CHAT_COMPLETIONS:
        return _messages(tree)
    name = "prompt" if endpoint is Endpoint.COMPLETIONS else "input"
    media = _prompt(tree, name)
    if "messages" not in tree:
        return media
    # Some servers embed conversations: their parts are looked at like those of a chat.
    return joined(media, _messages(tree))


def _messages(tree: dict[str, Any]) -> Media | None:
    messages = tree.get("messages")
    if not isinstance(messages, list) or not messages:
        raise InvalidRequest("`messages` must be a non-empty list.", param="messages")
    has_parts = False
    for index, message in enumerate(messages):
        if not isinstance(message, dict):
            raise InvalidRequest("A message must be an object.", param=f"messages[{index}]")
        if message.get("role") not in _ROLES:
            raise InvalidRequest(
                f"A message's `role` must be one of {', '.join(sorted(_ROLES))}.",
                param=f"messages[{index}].role",
            )
        content = message.get("content")
        if isinstance(content, list) or "audio" in message:
            has_parts = True
        elif content is not None and not isinstance(content, str):
            raise InvalidRequest(
                "A message's `content` must be a string, a list of parts or null.",
                param=f"messages[{index}].content",
            )
    return media_in_messages(messages) if has_parts else None


def _prompt(tree: dict[str, Any], name: str) -> Media | None:
    prompt = tree.get(name)
    if isinstance(prompt, str):
        if prompt or name == "prompt":
            return None
        raise InvalidRequest(f"`{name}` must not be empty.", param=name)
    if name == "prompt" and prompt is None and "prompt_embeds" in tree:
        return Media(opaque=frozenset({"embeddings"}))
    if not isinstance(prompt, list) or not prompt:
        raise InvalidRequest(
            f"`{name}` must be a string, a list of strings or token ids.", param=name
        )
    if all(type(item) is str for item in prompt):
        return None
    rows = prompt if all(type(item) is list for item in prompt) else [prompt]
    if all(type(token) is int for row in rows for token in row):
        return Media(opaque=frozenset({"token_ids"}))
    if name == "input" and all(type(item) is dict for item in prompt):
        return media_unknown(prompt)
    raise InvalidRequest(f"`{name}` mixes strings, numbers and lists.", param=name)


def _tools(tree: dict[str, Any]) -> tuple[frozenset[str], frozenset[str]]:
    kinds: set[str] = set()
    reach_out: set[str] = set()
    tools = tree.get("tools")
    if tools is not None:
        if not isinstance(tools, list):
            raise InvalidRequest("`tools` must be a list.", param="tools")
        for index, tool in enumerate(tools):
            kind = tool.get("type") if isinstance(tool, dict) else None
            if not isinstance(kind, str):
                raise InvalidRequest("A tool needs a `type`.", param=f"tools[{index}].type")
            kinds.add(kind)
            if kind not in _CLIENT_TOOLS:
                reach_out.add(_reach_name(kind))
    if tree.get("functions"):
        kinds.add("function")
    if tree.get("web_search_options") is not None:
        kinds.add("web_search")
        reach_out.add("web_search")
    if not kinds:
        return _NONE, _NONE
    return frozenset(kinds), frozenset(reach_out)


def _reach_name(kind: str) -> str:
    # Vendors date their tool types (`web_search_20250305`, `web_search_preview`).
    for name in ("web_search", "web_fetch", "mcp", "file_search", "code_interpreter", "computer"):
        if kind.startswith(name):
            return name
    return "other_tool"


def _take_declaration(tree: dict[str, Any]) -> str:
    metadata = tree.get("metadata")
    if not isinstance(metadata, dict) or "sluice_declare" not in metadata:
        return ""
    declared = metadata["sluice_declare"]
    if not isinstance(declared, str):
        raise InvalidRequest(
            "`metadata.sluice_declare` must be a string such as `confidential, health`.",
            param="metadata.sluice_declare",
        )
    rest = {key: value for key, value in metadata.items() if key != "sluice_declare"}
    if rest:
        tree["metadata"] = rest
    else:
        del tree["metadata"]
    return declared


def _output_limit(tree: dict[str, Any]) -> int | None:
    limit = tree.get("max_completion_tokens")
    if limit is None:
        limit = tree.get("max_tokens")
    return limit if type(limit) is int and limit >= 0 else None
