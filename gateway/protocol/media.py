"""Content parts that are not text: what they are, and whether anybody can read them.

A part of a type that we do not know counts as opaque: unknown is worst.
"""

import base64
import binascii
from dataclasses import dataclass, field
from typing import Any

from gateway.protocol.errors import InvalidRequest

_TEXT_TYPES = frozenset({"text", "input_text", "output_text", "refusal"})
_IMAGE_MAGIC = (
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"GIF8",
    b"RIFF",
    b"BM",
    b"II*\x00",
    b"MM\x00*",
)
_HEAD = 24  # base64 characters that hold every magic number above


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
            if part["type"] not in _TEXT_TYPES:
                _part(part, found, where)
    return Media(
        modalities=frozenset(found.modalities),
        opaque=frozenset(found.opaque),
        reach_out=frozenset(found.reach_out),
        payloads=frozenset(found.payloads),
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
    if head.endswith(";base64") and _looks_like_image(payload):
        found.payloads.add(id(url))
        return "image"
    # Says image, is not: never relaxed as one, and its characters are scanned as well.
    return "file"


def _looks_like_image(payload: str) -> bool:
    try:
        start = base64.b64decode(payload[:_HEAD], validate=True)
    except (binascii.Error, ValueError):
        return False
    return start.startswith(_IMAGE_MAGIC)


def _addresses(part: Any, found: _Collected) -> None:
    """Notice every address below a part that is not text; note binary payloads."""
    if isinstance(part, dict):
        for value in part.values():
            _addresses(value, found)
    elif isinstance(part, list):
        for value in part:
            _addresses(value, found)
    elif isinstance(part, str):
        scheme = part[:8].lower()
        if scheme.startswith(("http:", "https:", "ftp:", "file:", "s3:", "gs:")):
            found.reach_out.add("remote_media")
        elif len(part) > 256:
            # Binary in a part that is opaque as a whole already: nothing is gained by a scan.
            found.payloads.add(id(part))
