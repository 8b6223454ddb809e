"""From a branch of a conversation to the request that the path gets.

Text of attachments travels as text, so it is scanned like everything that was typed. What could
not be read is not sent, and makes the request the worst there is.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from gateway.chat.models import AttachmentKind
from policies.engine.labels import Label

MAX_TEXT_CHARS = 400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SentFile:
    """An attachment as it travels. `content`: its text, or the bytes of an image."""

    kind: AttachmentKind
    name: str
    text: str = field(default="", repr=False)
    image: bytes = field(default=b"", repr=False)
    media_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One message of a branch. `passes_on`: what the rest of the branch inherits of it."""

    role: str  # "user" or "assistant"
    text: str = field(repr=False)
    files: tuple[SentFile, ...] = ()
    passes_on: Label | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What stands around a branch."""

    system: str = field(default="", repr=False)
    examples: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """Everything that is sent when the last turn is asked."""

    model: str
    turns: Sequence[Turn]
    settings: Settings = field(default_factory=Settings)

    @property
    def unreadable(self) -> bool:
        """Whether anything of it could not be read."""
        return any(
            file.kind == AttachmentKind.UNREADABLE for turn in self.turns for file in turn.files
        )


def request_body(branch: Branch) -> bytes:
    """The chat completion request, streamed, with the token count at its end."""
    settings = branch.settings
    messages: list[dict[str, Any]] = []
    if settings.system:
        messages.append({"role": "system", "content": settings.system})
    for question, answer in settings.examples:
        messages.append({"role": "user", "content": question})
        messages.append({"role": "assistant", "content": answer})
    messages += [{"role": turn.role, "content": content_of(turn)} for turn in branch.turns]
    body: dict[str, Any] = {
        "model": branch.model,
        "messages": messages,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    for name in ("temperature", "top_p", "max_tokens"):
        value = getattr(settings, name)
        if value is not None:
            body[name] = value
    return msgspec.json.encode(body)


def content_of(turn: Turn) -> str | list[dict[str, Any]]:
    """A turn's content: plain text, or parts where there is an image."""
    text = "\n\n".join([*(_quoted(file) for file in turn.files if _quoted(file)), turn.text])
    images = [file for file in turn.files if file.kind == AttachmentKind.IMAGE]
    if not images:
        return text
    return [
        {"type": "text", "text": text},
        *(
            {
                "type": "image_url",
                "image_url": {
                    "url": f"data:{image.media_type};base64,"
                    + base64.b64encode(image.image).decode("ascii")
                },
            }
            for image in images
        ),
    ]


def _quoted(file: SentFile) -> str:
    if file.kind == AttachmentKind.TEXT:
        return f"File {file.name}:\n\n{file.text}"
    if file.kind == AttachmentKind.UNREADABLE:
        return f"File {file.name}: its content could not be read and is not here."
    return ""
