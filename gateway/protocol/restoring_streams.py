"""Putting values back into a stream, event by event.

Each text of an answer (a choice's content, the arguments of one of its tool calls) is restored on
its own: what may yet become a placeholder is held back until more of that text has come, and given
out before the choice ends, before `[DONE]`, and when the upstream breaks off.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from gateway.protocol.answers import split_events
from gateway.protocol.restoring import TEXTS, AnswerRestorer
from policies.classification.restoring import StreamRestorer

_ENCODER = msgspec.json.Encoder()
_CALL_TEXTS = (("function", "arguments"), ("custom", "input"))

# Which text: (choice, name) or (choice, kind of call, its index, name).
_Place = tuple[int, str] | tuple[int, str, int, str]


class _PlainDelta(msgspec.Struct, forbid_unknown_fields=True):
    content: str


class _PlainChoice(msgspec.Struct, forbid_unknown_fields=True):
    delta: _PlainDelta
    index: int = 0
    finish_reason: None = None
    logprobs: None = None


class _PlainEvent(msgspec.Struct):
    """By far the commonest event: each choice goes on by a piece of text, and nothing else."""

    choices: list[_PlainChoice]


_PLAIN = msgspec.json.Decoder(_PlainEvent)
# Pieces of text that are looked at together, as long as there is nothing to put back.
_TOGETHER = 16
# Stands for what is between two pieces: in JSON's strings it cannot occur.
_BETWEEN = "\x02"
# Strings of JSON that say what they mean, and that character.
_ONLY_PIECES = re.compile(r'[^\x00\x01\x03-\x1f"\\]*')
_CONTENT = re.compile(rb'"content": ?"([^"\\]*)"')


class _Shape(NamedTuple):
    """An event around its one piece of text. A vendor writes thousands that differ in nothing
    else: these need not be read one by one."""

    place: _Place
    before: bytes
    behind: bytes
    between: bytes  # what is behind a piece and before the next

    def texts(self, block: bytes) -> list[str] | None:
        """The pieces of a block that is made of such events alone; None for any other."""
        before, behind = self.before, self.behind
        if not (block.startswith(before) and block.endswith(behind)) or b"\x02" in block:
            return None
        inner = block[len(before) : len(block) - len(behind)]
        try:
            text = inner.replace(self.between, b"\x02").decode()
        except UnicodeDecodeError:
            return None
        return text.split(_BETWEEN) if _ONLY_PIECES.fullmatch(text) else None

    def event(self, text: str) -> bytes:
        """The event with another piece, as it stands in JSON."""
        return self.before + text.encode() + self.behind

    def block(self, texts: list[str]) -> bytes:
        """The events with these pieces, as they stand in JSON."""
        inner = _BETWEEN.join(texts).encode().replace(b"\x02", self.between)
        return self.before + inner + self.behind


def _shape_of(event: bytes, text: str, place: _Place) -> _Shape | None:
    """The shape of an event whose piece is `text`; None where that is not to be seen."""
    found = _CONTENT.search(event)
    if found is None or event.count(b'"content"') != 1 or found[1] != text.encode():
        return None
    before, behind = event[: found.start(1)], event[found.end(1) :]
    return _Shape(place, before, behind, behind + before)


def _json_text(before: str, told: str) -> str:
    """What is told in place of a piece, as it stands in JSON."""
    return told if told == before else json.dumps(told, ensure_ascii=False)[1:-1]


class StreamedAnswer:
    """The texts of one streamed answer, as far as they have come.

    INVARIANT: any chunking of an answer's texts into events gives the caller the same texts.
    """

    __slots__ = ("_head", "_last", "_restorer", "_shape", "_streams")

    def __init__(self, restorer: AnswerRestorer) -> None:
        self._restorer = restorer
        self._streams: dict[_Place, StreamRestorer] = {}
        self._head: dict[str, Any] = {}  # of the last event with choices
        self._last = b""  # that event, when its head was not read yet
        self._shape: _Shape | None = None  # of the last event that was a piece of text

    def events(self, block: bytes) -> bytes:
        """A block of whole events with what can be put back by now."""
        told = b""
        if self._shape is None:
            first = block.find(b"\n\n") + 2
            if 2 < first < len(block) and b"\r" not in block:
                # The others may be like it.
                told, block = self._event(block[:first]), block[first:]
        return told + self._go_on(block)

    def _go_on(self, block: bytes) -> bytes:
        shape = self._shape
        texts = shape.texts(block) if shape is not None else None
        if shape is None or texts is None:
            return b"".join([self._event(event) for event in split_events(block)])
        return self._pieces(shape, texts, block)

    def rest(self) -> bytes:
        """What is held back still, as an event; nothing more comes. Empty: nothing is."""
        choices: dict[int, dict[str, Any]] = {}
        for place in list(self._streams):
            held = self._finish(place)
            if held:
                choice = choices.setdefault(place[0], {"index": place[0], "delta": {}})
                _append(choice, place, held)
        if not choices:
            return b""
        if self._last:
            self._keep_head(msgspec.json.decode(self._last))
        return _written({**self._head, "choices": list(choices.values())})

    def _pieces(self, shape: "_Shape", texts: list[str], block: bytes) -> bytes:
        """A block of events that differ in nothing but their pieces of one text."""
        stream, restores = self._stream(shape.place), self._restores(shape.place)
        told: list[str] = []
        changed = False
        for start in range(0, len(texts), _TOGETHER):
            group = texts[start : start + _TOGETHER]
            if not stream.passes("".join(group)):
                fed = [stream.feed(text) for text in group]
                if restores and fed != group:
                    changed = True
                    group = [
                        _json_text(before, text) for before, text in zip(group, fed, strict=True)
                    ]
            told += group
        self._last = shape.event(texts[-1])[6:]
        return shape.block(told) if changed else block

    def _event(self, event: bytes) -> bytes:
        if event.startswith(b"data: {") and event.count(b"\n") == 2:
            try:
                plain = _PLAIN.decode(event[6:])
            except (msgspec.DecodeError, UnicodeDecodeError):
                pass  # something else than pieces of text
            else:
                return self._plain(plain, event)
        payload = b"\n".join(
            line[5:].strip() for line in event.splitlines() if line.startswith(b"data:")
        )
        try:
            tree = msgspec.json.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            # `[DONE]`, a comment: what is held comes before the end.
            return self.rest() + event if payload else event
        choices = tree.get("choices") if isinstance(tree, dict) else None
        if not isinstance(choices, list):
            return event
        changed = False
        for choice in choices:
            if isinstance(choice, dict):
                changed |= self._choice(choice)
        if choices:
            self._keep_head(tree)
        return _written(tree) if changed else event

    def _plain(self, plain: _PlainEvent, event: bytes) -> bytes:
        """An event of which only texts were read; the same bytes where these do not change."""
        changed: dict[int, str] = {}
        for place, choice in enumerate(plain.choices):
            text = choice.delta.content
            told = self._feed((choice.index, "content"), text)
            if told != text:
                changed[place] = told
        if plain.choices:
            self._last = event[6:]
            known = self._shape
            if len(plain.choices) == 1 and not (known and event.startswith(known.before)):
                only = plain.choices[0]
                self._shape = _shape_of(event, only.delta.content, (only.index, "content"))
        if not changed:
            return event
        tree = msgspec.json.decode(event[6:])
        for place, told in changed.items():
            tree["choices"][place]["delta"]["content"] = told
        return _written(tree)

    def _keep_head(self, tree: dict[str, Any]) -> None:
        self._head = {
            name: value for name, value in tree.items() if name not in {"choices", "usage"}
        }
        self._last = b""

    def _choice(self, choice: dict[str, Any]) -> bool:
        index = choice.get("index")
        number = index if type(index) is int else 0
        changed = False
        for place, holder, name in _texts(choice, number):
            text = holder[name]
            told = self._feed(place, text)
            if told != text:
                holder[name] = told
                changed = True
        if choice.get("finish_reason") is not None:
            for place in [each for each in self._streams if each[0] == number]:
                held = self._finish(place)
                if held:
                    _append(choice, place, held)
                    changed = True
        return changed

    def _feed(self, place: _Place, text: str) -> str:
        told = self._stream(place).feed(text)
        return told if self._restores(place) else text

    def _stream(self, place: _Place) -> StreamRestorer:
        stream = self._streams.get(place)
        if stream is None:
            stream = self._streams[place] = self._restorer.stream(
                arguments=len(place) > 2, in_json_string=place[-1] == "arguments"
            )
        return stream

    def _finish(self, place: _Place) -> str:
        held = self._streams.pop(place).finish()
        return held if self._restores(place) else ""

    def _restores(self, place: _Place) -> bool:
        return self._restorer.restores_arguments if len(place) > 2 else self._restorer.restores_text


def _texts(choice: dict[str, Any], number: int) -> Iterator[tuple[_Place, dict[str, Any], str]]:
    """Every text of a choice in one event: which it is, what holds it, under which name."""
    if isinstance(choice.get("text"), str):
        yield (number, "text"), choice, "text"
    delta = choice.get("delta")
    if not isinstance(delta, dict):
        return
    for name in TEXTS:
        if isinstance(delta.get(name), str):
            yield (number, name), delta, name
    function = delta.get("function_call")
    if isinstance(function, dict) and isinstance(function.get("arguments"), str):
        yield (number, "function_call", 0, "arguments"), function, "arguments"
    calls = delta.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        if not isinstance(call, dict):
            continue
        at = call.get("index")
        for kind, name in _CALL_TEXTS:
            holder = call.get(kind)
            if isinstance(holder, dict) and isinstance(holder.get(name), str):
                yield (number, kind, at if type(at) is int else 0, name), holder, name


def _append(choice: dict[str, Any], place: _Place, held: str) -> None:
    """Add what was held back to the text it belongs to."""
    if len(place) == 2:
        _, name = place
        holder = choice if name == "text" else _below(choice, "delta")
        holder[name] = (holder.get(name) or "") + held
        if name == "text":
            choice.pop("delta", None)
        return
    _, kind, at, name = place
    delta = _below(choice, "delta")
    if kind == "function_call":
        holder = _below(delta, kind)
    else:
        calls = delta.get("tool_calls")
        if not isinstance(calls, list):
            calls = delta["tool_calls"] = []
        found = [each for each in calls if isinstance(each, dict) and each.get("index") == at]
        if not found:
            found = [{"index": at}]
            calls += found
        holder = _below(found[-1], kind)
    holder[name] = (holder.get(name) or "") + held


def _below(holder: dict[str, Any], name: str) -> dict[str, Any]:
    inner = holder.get(name)
    if not isinstance(inner, dict):
        inner = holder[name] = {}
    return inner


def _written(tree: dict[str, Any]) -> bytes:
    return b"data: " + _ENCODER.encode(tree) + b"\n\n"
