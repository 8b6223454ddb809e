"""A body with some of its texts replaced: the tree that `walk` read, changed where told.

INVARIANT: texts are counted exactly as `walk` counts them, and each one that is replaced is
compared with what stood there when it was scanned. A tree and a list of texts that do not belong
together are refused, never guessed at.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from gateway.protocol.walk import is_collected, is_collected_key, is_plain_word, number_text

Replace = Callable[[int, str, bool], str]


class Unmaskable(Exception):
    """The replaced body would not be what it was apart from the replacements. Quotes nothing."""


def rewrite(
    tree: dict[str, Any],
    *,
    texts: Sequence[str],
    places: Collection[int],
    replace: Replace,
    payloads: frozenset[int] = frozenset(),
) -> dict[str, Any]:
    """The tree with the texts at `places` (indexes into what `walk` gave) replaced.

    `replace` gets the index, the text and whether it is the JSON of a tool call's arguments. A
    number becomes a string. What does not change is shared with `tree`, which stays as it is.
    Raises Unmaskable when two keys become equal, or a key becomes a word that may mean something.
    """
    rewriting = _Rewriting(texts, frozenset(places), replace, payloads)
    changed: dict[str, Any] = rewriting.visit(tree, in_arguments=False)
    if rewriting.next != len(texts):
        raise Unmaskable("the body has other texts than those that were scanned")
    return changed


class _Rewriting:
    """One walk; `next` is the index of the text that comes next."""

    def __init__(
        self,
        texts: Sequence[str],
        places: frozenset[int],
        replace: Replace,
        payloads: frozenset[int],
    ) -> None:
        self._texts = texts
        self._places = places
        self._replace = replace
        self._payloads = payloads
        self.next = 0

    def visit(self, node: Any, *, in_arguments: bool) -> Any:
        kind = type(node)
        if kind is str:
            if not is_collected(node, self._payloads):
                return node
            return self._text(node, node, in_arguments=in_arguments)
        if kind is dict:
            return self._object(node)
        if kind is list:
            items = [self.visit(item, in_arguments=False) for item in node]
            same = all(new is old for new, old in zip(items, node, strict=True))
            return node if same else items
        if kind is int or kind is float:
            return self._text(number_text(node), node, in_arguments=False)
        return node

    def _object(self, node: dict[str, Any]) -> dict[str, Any]:
        changed: dict[str, Any] = {}
        same = True
        for key, value in node.items():
            new_key = self._key(key) if is_collected_key(key) else key
            new = self.visit(value, in_arguments=key == "arguments")
            same = same and new is value and new_key is key
            if new_key in changed:
                raise Unmaskable("two keys of one object become equal")
            changed[new_key] = new
        return node if same else changed

    def _key(self, key: str) -> str:
        new: str = self._text(key, key, in_arguments=False)
        if new is not key and (not new or is_plain_word(new)):
            # Taking something out of a key must not make it the name of a field.
            raise Unmaskable("a key becomes a plain word")
        return new

    def _text(self, text: str, node: Any, *, in_arguments: bool) -> Any:
        index = self.next
        self.next += 1
        if index not in self._places:
            return node
        if index >= len(self._texts) or self._texts[index] != text:
            raise Unmaskable("a text is not the one that was scanned")
        new = self._replace(index, text, in_arguments)
        return node if new == text else new
