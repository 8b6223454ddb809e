"""Which fields of a body may travel, by zone.

On-prem gets what the caller sent. Off on_prem only fields of the list go: an unknown field may be
an instruction to somebody's proxy (`api_base`, `fallbacks`, `headers`) or a person's name
(`user`, `metadata`). The label covers every field, sent or not.
"""

import re
from typing import Any

from policies.engine.facts import Endpoint, Zone

_SAMPLING = (
    "temperature top_p n stop max_tokens presence_penalty frequency_penalty logit_bias seed stream "
    "stream_options"
)
ALLOWED_FIELDS: dict[Endpoint, frozenset[str]] = {
    Endpoint.CHAT_COMPLETIONS: frozenset(
        f"messages {_SAMPLING} max_completion_tokens logprobs top_logprobs tools tool_choice "
        "parallel_tool_calls functions function_call response_format reasoning_effort verbosity "
        "modalities audio prediction web_search_options".split()
    ),
    Endpoint.COMPLETIONS: frozenset(f"prompt {_SAMPLING} suffix logprobs echo best_of".split()),
    Endpoint.EMBEDDINGS: frozenset("input encoding_format dimensions".split()),
}
ALLOWED_MESSAGE_FIELDS = frozenset(
    "role content name tool_calls tool_call_id function_call refusal audio".split()
)
_STREAM_OPTIONS = frozenset({"include_usage", "include_obfuscation"})


def body_for(
    tree: dict[str, Any], *, endpoint: Endpoint, zone: Zone, model: str, ask_usage: bool
) -> dict[str, Any]:
    """The tree as one destination may see it, with its own model name. The input is not changed.

    `ask_usage` adds `stream_options.include_usage`, so that a stream ends with its token counts.
    """
    if zone is Zone.ON_PREM:
        body = dict(tree)
    else:
        allowed = ALLOWED_FIELDS[endpoint]
        body = {key: value for key, value in tree.items() if key in allowed}
        if "messages" in body:
            body["messages"] = [
                {key: value for key, value in message.items() if key in ALLOWED_MESSAGE_FIELDS}
                for message in body["messages"]
            ]
        if isinstance(body.get("stream_options"), dict):
            body["stream_options"] = {
                key: value
                for key, value in body["stream_options"].items()
                if key in _STREAM_OPTIONS
            }
    body["model"] = model
    if ask_usage:
        options = body.get("stream_options")
        body["stream_options"] = (
            {**options, "include_usage": True} if options else {"include_usage": True}
        )
    return body


_LIMITS = ("max_completion_tokens", "max_tokens")
# OpenAI's newer models refuse the older name; many others know no other.
_NEW_NAME_AT = re.compile(r"^https?://([^/]*\.)?(openai\.com|openai\.azure\.com)[:/]")


def limit_output(body: dict[str, Any], *, endpoint: Endpoint, limit: int, base_url: str) -> None:
    """Let an answer have at most `limit` tokens, in `body`; a lower limit of the caller's stays.

    What is no whole number is replaced: a server might read it as a larger one.
    """
    if endpoint is Endpoint.EMBEDDINGS:
        return
    stated = False
    for name in _LIMITS:
        if body.get(name) is None:
            body.pop(name, None)
            continue
        stated = True
        if type(body[name]) is not int or not 0 <= body[name] <= limit:
            body[name] = limit
    if not stated:
        new = endpoint is Endpoint.CHAT_COMPLETIONS and _NEW_NAME_AT.match(base_url)
        body["max_completion_tokens" if new else "max_tokens"] = limit
