"""Content parts that are not text: what they are, and whether anybody can read them.

A part of a type that we do not know counts as opaque: unknown is worst.
"""

import base64
import re
from dataclasses import dataclass, field
from typing import Any

from gateway.protocol.errors import InvalidRequest

_TEXT_TYPES = frozenset({"text", "input_text", "output_text", "refusal"})
# A part that says text and brings media: some servers go by the key rather than by the type.
_MEDIA_KEYS = frozenset(
    "image image_url input_image audio audio_url input_audio video video_url file file_data".split()
)
# INVARIANT: what is passed over unread is an image from its first byte to its last. A text that
# begins like one, or follows one, is not; nor is a head that says more than the type.
_IMAGE_HEAD = re.compile("data:image/(png|jpeg|jpg|gif|webp|bmp);base64")
_BASE64 = re.compile("[A-Za-z0-9+/]+={0,2}")
_ENDS = (
    (b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"),
    (b"\xff\xd8\xff", b"\xff\xd9"),
    (b"GIF87a", b";"),
    (b"GIF89a", b";"),
)
_EDGE = 24  # base64 characters that hold every mark above and the sizes below
_ADDRESS = re.compile(
    r"(?!data:)((https?|ftp|file|s3|gs):|[a-z][a-z0-9+.-]+:[/\\]{2}|[/\\]{2})", re.IGNORECASE
)
# URL parsers drop blanks before an address, and line ends and tabs anywhere in it.
_DROPPED = re.compile(r"[\x00-\x20]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """What the parts of one request hold. `payloads` are ids of strings counted as opaque."""

    modalities: frozenset[str] = frozenset({"text"})
    opaque: frozenset[str] = frozenset()
    reach_out: frozenset[str] = frozenset()
    payloads: frozenset[int] = field(default_factory=frozenset)


class _Collected:
    def __init__(self) -> None:
        self.modalities = {"text"}
        self.opaque: set[str] = set()
        self.reach_out: set[str] = set()
        self.payloads: set[int] = set()

    def media(self) -> Media:
        return Media(
            modalities=frozenset(self.modalities),
            opaque=frozenset(self.opaque),
            reach_out=frozenset(self.reach_out),
            payloads=frozenset(self.payloads),
        )


def media_in_messages(messages: list[Any]) -> Media:
    """Look at every part of every message. Raises InvalidRequest for a part without a type."""
    found = _Collected()
    for index, message in enumerate(messages):
        if message.get("audio") is not None:
            # A reference to audio that the vendor kept from an earlier turn.
            found.modalities.add("audio")
            found.opaque.add("audio")
        content = message.get("content")
        if not isinstance(content, list):
            continue
        for position, part in enumerate(content):
            where = f"messages[{index}].content[{position}]"
            if not isinstance(part, dict) or not isinstance(part.get("type"), str):
                raise InvalidRequest("A content part needs a `type`.", param=f"{where}.type")
            if part["type"] not in _TEXT_TYPES or not _MEDIA_KEYS.isdisjoint(part):
                _part(part, found, where)
    return found.media()


def attachments(tree: dict[str, Any]) -> list[tuple[int, int]]:
    """The parts that are not text, in order: the message's index and the part's within it."""
    messages = tree.get("messages")
    return [
        (number, at)
        for number, message in enumerate(messages if isinstance(messages, list) else ())
        for at, part in enumerate(_list(message.get("content")))
        if part.get("type") not in _TEXT_TYPES or not _MEDIA_KEYS.isdisjoint(part)
    ]


def _list(content: Any) -> list[dict[str, Any]]:
    return content if isinstance(content, list) else []


def media_unknown(parts: list[Any]) -> Media:
    """Parts of no form that we know: opaque, and their addresses count."""
    found = _Collected()
    found.opaque.add("unknown_part")
    _addresses(parts, found)
    return found.media()


def joined(one: Media | None, other: Media | None) -> Media | None:
    """What both hold."""
    if one is None or other is None:
        return one or other
    return Media(
        modalities=one.modalities | other.modalities,
        opaque=one.opaque | other.opaque,
        reach_out=one.reach_out | other.reach_out,
        payloads=one.payloads | other.payloads,
    )


def _part(part: dict[str, Any], found: _Collected, where: str) -> None:
    kind: str = part["type"]
    if kind in {"image_url", "input_image"}:
        found.modalities.add("image")
        _image(part, found, where)
        return
    if kind in {"input_audio", "audio_url"}:
        found.modalities.add("audio")
        found.opaque.add("audio")
    elif kind == "video_url":
        found.modalities.add("video")
        found.opaque.add("video")
    elif kind in {"file", "input_file"}:
        found.modalities.add("file")
        found.opaque.add("file")
    else:
        found.opaque.add("unknown_part")
    _addresses(part, found)


def _image(part: dict[str, Any], found: _Collected, where: str) -> None:
    url = part.get("image_url", part.get("url"))
    if isinstance(url, dict):
        url = url.get("url")
    if not isinstance(url, str):
        raise InvalidRequest("An image needs a `url`.", param=f"{where}.image_url.url")
    found.opaque.add(_image_kind(url, found))


def _image_kind(url: str, found: _Collected) -> str:
    if not url.startswith("data:"):
        # Anything else is an address that some server would fetch.
        found.reach_out.add("remote_image")
        return "image"
    head, _, payload = url.partition(",")
    if _IMAGE_HEAD.fullmatch(head) and _is_image(payload):
        found.payloads.add(id(url))
        return "image"
    # Says image, is not: never relaxed as one, and its characters are scanned as well.
    return "file"


def _is_image(payload: str) -> bool:
    """Whether it is base64 throughout, of bytes that begin and end as an image of their kind."""
    if len(payload) % 4 or not _BASE64.fullmatch(payload):
        return False
    start = base64.b64decode(payload[:_EDGE])
    end = base64.b64decode(payload[-_EDGE:])
    size = len(payload) // 4 * 3 - payload[-2:].count("=")
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return int.from_bytes(start[4:8], "little") + 8 == size
    if start.startswith(b"BM"):
        return int.from_bytes(start[2:6], "little") == size
    return any(start.startswith(first) and end.endswith(last) for first, last in _ENDS)


def _addresses(part: Any, found: _Collected) -> None:
    """Notice every address below a part that is not text; note binary payloads."""
    if isinstance(part, dict):
        for value in part.values():
            _addresses(value, found)
    elif isinstance(part, list):
        for value in part:
            _addresses(value, found)
    elif isinstance(part, str):
        if _ADDRESS.match(_DROPPED.sub("", part[:256])):
            found.reach_out.add("remote_media")
        elif len(part) > 256:
            # Binary in a part that is opaque as a whole already: nothing is gained by a scan.
            found.payloads.add(id(part))
