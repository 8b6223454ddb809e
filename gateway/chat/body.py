"""What a chat message may carry, and the request body that it becomes.

The page sends the whole conversation each time; nothing of it is kept here.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from gateway.protocol.errors import InvalidRequest

ROLES = frozenset({"system", "user", "assistant"})
MAX_MESSAGES = 2000


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of the conversation."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A conversation whose last message is about to be sent to a model alias."""

    model: str
    messages: tuple[Message, ...]


def read_draft(body: object) -> Draft:
    """The draft in a decoded JSON object.

    Raises InvalidRequest, which names the place and never the text.
    """
    if not isinstance(body, Mapping):
        raise InvalidRequest("The request must be a JSON object.")
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise InvalidRequest("`model` must name a model of this project.", param="model")
    messages = body.get("messages")
    if not isinstance(messages, list) or not 1 <= len(messages) <= MAX_MESSAGES:
        raise InvalidRequest(
            f"`messages` must be a list of 1 to {MAX_MESSAGES} messages.", param="messages"
        )
    return Draft(model, tuple(_message(item, at) for at, item in enumerate(messages)))


def _message(item: object, at: int) -> Message:
    if isinstance(item, Mapping):
        role, content = item.get("role"), item.get("content")
        if isinstance(role, str) and role in ROLES and isinstance(content, str):
            return Message(role, content)
    raise InvalidRequest(
        "A message needs a role (system, user or assistant) and its text.",
        param=f"messages[{at}]",
    )


def request_body(draft: Draft) -> bytes:
    """The chat completion request, streamed, with the token count at its end."""
    return msgspec.json.encode(
        {
            "model": draft.model,
            "messages": [
                {"role": message.role, "content": message.content} for message in draft.messages
            ],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    )
