"""OpenAI's batch input: one JSON object a line with `custom_id`, `method`, `url`, `body`.

Taken as OpenAI, vLLM and LiteLLM write it: with or without `/v1` before the path, a byte order
mark at the start, Windows line ends, empty lines between and at the end.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from gateway.batches.formats import Place, Problem, RowRequest
from gateway.files.encrypted import EncryptedReader
from gateway.protocol.errors import InvalidRequest
from gateway.protocol.json_tree import decode_object, encode
from policies.engine.facts import Endpoint

KIND = "openai"
URLS = {
    "/v1/chat/completions": Endpoint.CHAT_COMPLETIONS,
    "/v1/completions": Endpoint.COMPLETIONS,
    "/v1/embeddings": Endpoint.EMBEDDINGS,
}
URL_OF = {endpoint: url for url, endpoint in URLS.items()}
MAX_CUSTOM_ID_CHARS = 1000
_BOM = b"\xef\xbb\xbf"
_SAID = {
    "invalid_utf8": "This line is not valid UTF-8.",
    "duplicate_key": "A key occurs twice in one object of this line.",
    "too_deep": "This line nests too deeply.",
    "invalid_unicode": "This line contains half of a surrogate pair.",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is not empty. `text` is None when it is longer than allowed."""

    place: Place
    text: bytes | None


class JSONLines:
    """The format `openai`. `max_line_bytes` bounds the memory that one line takes."""

    def __init__(self, *, max_line_bytes: int) -> None:
        self._max_line_bytes = max_line_bytes

    def rows(self, reader: EncryptedReader, *, endpoint: Endpoint) -> Iterator[Place | Problem]:
        """See `Format.rows`."""
        seen: dict[bytes, int] = {}
        for line in split(reader.pieces(), max_line_bytes=self._max_line_bytes):
            number = line.place.line
            if line.text is None:
                yield Problem(
                    code="line_too_long",
                    message=f"This line is longer than {self._max_line_bytes} bytes.",
                    line=number,
                )
                continue
            try:
                tree = decode_object(line.text)
                custom_id = _check(tree, endpoint)
            except InvalidRequest as error:
                yield _problem(error, number)
                continue
            # A digest, because custom ids may be long and there may be a hundred thousand.
            digest = hashlib.blake2b(custom_id.encode(), digest_size=16).digest()
            first = seen.setdefault(digest, number)
            if first != number:
                yield Problem(
                    code="duplicate_custom_id",
                    message=f"The `custom_id` of this line was used in line {first} already.",
                    param="custom_id",
                    line=number,
                )
                continue
            yield line.place

    def request(self, text: bytes) -> RowRequest:
        """See `Format.request`."""
        tree = decode_object(text)
        return RowRequest(custom_id=tree["custom_id"], body=encode(tree["body"]))


def split(pieces: Iterable[bytes], *, max_line_bytes: int) -> Iterator[Line]:
    """The lines that are not empty, with their places, whatever the pieces."""
    rest = bytearray()
    offset = 0  # of `rest` in the text
    number = 1
    too_long = False
    for piece in pieces:
        rest += piece
        start = 0
        while (end := rest.find(b"\n", start)) >= 0:
            yield from _line(rest[start:end], offset + start, number, too_long, max_line_bytes)
            start, number, too_long = end + 1, number + 1, False
        del rest[:start]
        offset += start
        if len(rest) > max_line_bytes + 2:  # a line break of two characters may still come
            # Forget it: what matters is that it is too long, and where it ends.
            offset += len(rest)
            rest.clear()
            too_long = True
    yield from _line(rest, offset, number, too_long, max_line_bytes)


def _line(
    raw: bytearray, offset: int, number: int, too_long: bool, max_line_bytes: int
) -> Iterator[Line]:
    text = bytes(raw)
    if number == 1 and text.startswith(_BOM):
        text, offset = text[len(_BOM) :], offset + len(_BOM)
    text = text.rstrip(b" \t\r")
    if too_long or len(text) > max_line_bytes:
        yield Line(Place(line=number, offset=offset, length=0), None)
    elif text:
        yield Line(Place(line=number, offset=offset, length=len(text)), text)


def _check(tree: dict[str, Any], endpoint: Endpoint) -> str:
    """The row's custom id. Raises InvalidRequest."""
    custom_id = tree.get("custom_id")
    if not isinstance(custom_id, str) or not custom_id:
        raise InvalidRequest(
            "`custom_id` must be a non-empty string.",
            param="custom_id",
            code="missing_required_parameter" if custom_id is None else "invalid_custom_id",
        )
    if len(custom_id) > MAX_CUSTOM_ID_CHARS:
        raise InvalidRequest(
            f"`custom_id` is longer than {MAX_CUSTOM_ID_CHARS} characters.",
            param="custom_id",
            code="invalid_custom_id",
        )
    if tree.get("method") != "POST":
        raise InvalidRequest("`method` must be POST.", param="method", code="invalid_method")
    url = tree.get("url")
    if not isinstance(url, str) or _endpoint_of(url) is not endpoint:
        raise InvalidRequest(
            f"`url` must be {URL_OF[endpoint]}, the endpoint of the batch.",
            param="url",
            code="mismatched_url",
        )
    body = tree.get("body")
    if not isinstance(body, dict):
        raise InvalidRequest(
            "`body` must be an object.", param="body", code="missing_required_parameter"
        )
    if body.get("stream"):
        raise InvalidRequest(
            "A batch's answers are not streamed: leave out `stream`.",
            param="body.stream",
            code="stream_not_supported",
        )
    return custom_id


def _endpoint_of(url: str) -> Endpoint | None:
    return URLS.get(url if url.startswith("/v1/") else "/v1" + url)


def _problem(error: InvalidRequest, line: int) -> Problem:
    code = error.code or ""
    if code == "invalid_json":
        code, message = "invalid_json_line", "This line is not a valid JSON object."
    else:
        # What the reader says may quote the line; what is stored may not.
        message = _SAID.get(code, error.message)
    return Problem(
        code=code, message=message, line=line, param=None if code in _SAID else error.param
    )
