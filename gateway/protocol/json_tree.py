"""Strict JSON: one reading of the bytes, so that what is labelled is what is sent.

Two parsers can disagree about duplicate keys, NaN, invalid UTF-8 and lone surrogates; a body
with any of these is refused instead of guessed at. The tree that was walked is encoded again and
sent; the received bytes never are.
"""

import json
import math
from typing import Any

import msgspec

from gateway.protocol.errors import InvalidRequest

MAX_DEPTH = 100  # JSON schemas of tools nest to about 20


class _Duplicate(ValueError):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _Duplicate(key)
            seen.add(key)
    return tree


def _constant(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


def _float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("a number is too large")
    return number


# Built once: json.loads with hooks would build a decoder for every request.
_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_constant, parse_float=_float, strict=True
)
_ENCODER = msgspec.json.Encoder()


def decode_object(body: bytes) -> dict[str, Any]:
    """The body as a dict. Raises InvalidRequest for anything two readers might read differently."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            f"The request body is not valid UTF-8 (byte {error.start}).", code="invalid_utf8"
        ) from None
    try:
        tree = _DECODER.decode(text)
    except _Duplicate as duplicate:
        raise InvalidRequest(
            f"The key {duplicate.key!r} occurs twice in one object; send it once.",
            param=duplicate.key,
            code="duplicate_key",
        ) from None
    except RecursionError:
        raise InvalidRequest("The request body nests too deeply.", code="too_deep") from None
    except json.JSONDecodeError as error:
        raise InvalidRequest(
            f"The request body is not valid JSON: {error.msg} at line {error.lineno}, "
            f"column {error.colno}.",
            code="invalid_json",
        ) from None
    except ValueError as error:
        # NaN, infinities, integers beyond Python's digit limit.
        raise InvalidRequest(
            f"The request body is not valid JSON: {str(error)[:80]}.", code="invalid_json"
        ) from None
    if not isinstance(tree, dict):
        raise InvalidRequest("The request body must be a JSON object.", code="invalid_json")
    if "\\ud" in text or "\\uD" in text:
        # Only an escape can spell half of a pair; what cannot be sent is refused before it counts.
        encode(tree)
    return tree


def encode(tree: Any) -> bytes:
    """The tree as JSON in UTF-8. Raises InvalidRequest for a lone surrogate."""
    try:
        return _ENCODER.encode(tree)
    except UnicodeEncodeError:
        raise InvalidRequest(
            "The request contains half of a surrogate pair, which is not text.",
            code="invalid_unicode",
        ) from None
