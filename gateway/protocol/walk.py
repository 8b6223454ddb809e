"""Every key and scalar of a body, in document order, as text to be scanned.

INVARIANT: nothing of the tree is left out but `null`, booleans, the protocol's own words (which
cannot carry content) and binary payloads that are reported as opaque instead.
"""

import re
from collections.abc import Iterator
from typing import Any

from gateway.protocol.errors import InvalidRequest
from gateway.protocol.json_tree import MAX_DEPTH

# Words of the wire format itself. Exact matches only, so they can hide nothing; none of them is
# a context word of a recognizer.
_PROTOCOL_WORDS = frozenset(
    "model messages role content system user assistant tool developer stream stream_options "
    "include_usage temperature top_p max_tokens max_completion_tokens stop seed tools "
    "tool_choice tool_calls tool_call_id function type text parameters properties object "
    "string required description arguments response_format json_object json_schema schema "
    "strict logprobs top_logprobs frequency_penalty presence_penalty logit_bias prompt "
    "input encoding_format float base64 dimensions image_url input_audio auto none metadata "
    "sluice_declare".split()
)
_PLAIN_WORD = re.compile("[a-z_]{1,40}")
MIN_TOKEN_ARRAY = 16  # a longer run of integers may spell text
SEAM = 80  # characters on either side of a seam; the longest account numbers have 34


class Walked:
    """What a walk found: `texts` in document order; `token_arrays` counts opaque integer runs.

    `seams`: where one text part of a list ends and the next begins, with the position of the
    border. Servers put such parts together again, so what stands across a border counts as well.
    """

    __slots__ = ("payloads", "seams", "texts", "token_arrays")

    def __init__(self, payloads: frozenset[int]) -> None:
        self.texts: list[str] = []
        self.seams: list[tuple[str, int]] = []
        self.token_arrays = 0
        self.payloads = payloads


def walk(tree: Any, *, payloads: frozenset[int] = frozenset()) -> Walked:
    """Collect the texts of a decoded body. Raises InvalidRequest beyond 100 levels.

    `payloads` holds `id()`s of strings in the tree that the caller already counts as opaque
    (an image's base64): these alone are not collected.
    """
    walked = Walked(payloads)
    _visit(tree, walked, 0)
    return walked


def _visit(  # noqa: C901, PLR0912 -- one dispatch; a call more per value is what costs here
    node: Any, walked: Walked, depth: int
) -> None:
    if depth > MAX_DEPTH:
        raise InvalidRequest(
            f"The request body nests deeper than {MAX_DEPTH} levels.", code="too_deep"
        )
    kind = type(node)
    if kind is str:
        _text(node, walked)
    elif kind is dict:
        texts = walked.texts
        for key, value in node.items():
            if key not in _PROTOCOL_WORDS:
                texts.append(key)
            # Strings are by far the commonest value: spare them a call.
            if type(value) is str:
                if value and value not in _PROTOCOL_WORDS and id(value) not in walked.payloads:
                    texts.append(value)
            elif value is not None and value is not True and value is not False:
                _visit(value, walked, depth + 1)
    elif kind is list:
        if len(node) >= MIN_TOKEN_ARRAY and all(type(item) is int for item in node):
            walked.token_arrays += 1
        for item in node:
            _visit(item, walked, depth + 1)
        if len(node) > 1 and type(node[0]) is dict and "text" in node[0]:
            _seams(node, walked)
    elif kind is int or kind is float:
        walked.texts.append(number_text(node))


def number_text(number: float) -> str:
    """A number as it is scanned: a card number may arrive as 4111111111111111.0 or as
    4.111111111111111e15."""
    if type(number) is float:
        return str(int(number)) if number.is_integer() else repr(number)
    return str(number)


def is_collected(text: str, payloads: frozenset[int]) -> bool:
    """Whether `walk` collects a string that is a value."""
    return bool(text) and text not in _PROTOCOL_WORDS and id(text) not in payloads


def is_collected_key(key: str) -> bool:
    """Whether `walk` collects a string that is a key."""
    return key not in _PROTOCOL_WORDS


def is_plain_word(text: str) -> bool:
    """Whether it could be the name of a field."""
    return _PLAIN_WORD.fullmatch(text) is not None


def _seams(parts: list[Any], walked: Walked) -> None:
    before = ""
    for part in parts:
        text = part.get("text") if type(part) is dict else None
        if type(text) is not str:
            before = ""
            continue
        if before and text:
            walked.seams.append((before + text[:SEAM], len(before)))
        before = (before + text)[-SEAM:]


def _text(node: str, walked: Walked) -> None:
    if node and node not in _PROTOCOL_WORDS and id(node) not in walked.payloads:
        walked.texts.append(node)


def places(tree: Any, *, payloads: frozenset[int] = frozenset()) -> list[str]:
    """Where the texts that `walk` yields stand, index by index, as JSON Pointers.

    A key has its value's place. A key that is not a plain word might itself be content, so it
    shows as `*`.
    """
    return list(_places(tree, "", payloads))


def _places(node: Any, pointer: str, payloads: frozenset[int]) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            inner = f"{pointer}/{key if _PLAIN_WORD.fullmatch(key) else '*'}"
            if key not in _PROTOCOL_WORDS:
                yield inner
            yield from _places(value, inner, payloads)
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield from _places(item, f"{pointer}/{index}", payloads)
    elif isinstance(node, str):
        if node and node not in _PROTOCOL_WORDS and id(node) not in payloads:
            yield pointer
    elif isinstance(node, int | float) and not isinstance(node, bool):
        yield pointer
