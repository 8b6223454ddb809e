"""Putting values back into a stream, event by event.

Each text of an answer (a choice's content, the arguments of one of its tool calls) is restored on
its own: what may yet become a placeholder is held back until more of that text has come, and given
out before the choice ends, before `[DONE]`, and when the upstream breaks off.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from gateway.protocol.answers import each_event
from gateway.protocol.like_events import Place, Shape, read, shape_of, spread
from gateway.protocol.restoring import TEXTS, AnswerRestorer
from policies.classification.restoring import StreamRestorer

_ENCODER = msgspec.json.Encoder()
_CALL_TEXTS = (("function", "arguments"), ("custom", "input"))


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


class StreamedAnswer:
    """The texts of one streamed answer, as far as they have come.

    INVARIANT: any chunking of an answer's texts into events gives the caller the same texts.
    """

    __slots__ = ("_head", "_last", "_restorer", "_shape", "_streams")

    def __init__(self, restorer: AnswerRestorer) -> None:
        self._restorer = restorer
        self._streams: dict[Place, StreamRestorer] = {}
        self._head: dict[str, Any] = {}  # of the last event with choices
        self._last = b""  # that event as it came, when its head was not read yet
        self._shape: Shape | None = None  # of the last event that was a piece of text

    def events(self, block: bytes) -> bytes:
        """A block of whole events with what can be put back by now."""
        alone = self._alone(block)
        if alone is not None:
            return alone
        shape, read_to = self._shape, 0
        told: list[bytes] = []
        if shape is None:
            for event in each_event(block):
                told.append(self._event(event))
                read_to += len(event)
                shape = self._shape
                if shape is not None:
                    break  # the others may be like it
            block = block[read_to:]
        if shape is not None and block:
            told += [
                self._like(shape, pieces, run) if pieces else self._one_by_one(run)
                for pieces, run in shape.runs(block)
            ]
        return told[0] if len(told) == 1 else b"".join(told)

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
            self._keep_head(msgspec.json.decode(self._last[6:]))
        return _written({**self._head, "choices": list(choices.values())})

    def _alone(self, event: bytes) -> bytes | None:
        """One event that is like those before it; None for any other, and for several."""
        shape = self._shape
        text = shape.text_of(event) if shape is not None else None
        if shape is None or text is None:
            return None
        self._last = event
        told = self._stream(shape.place).feed(text)
        return event if told == text or not self._restores(shape.place) else shape.event(told)

    def _like(self, shape: Shape, pieces: list[bytes], run: bytes) -> bytes:
        """Events that differ in nothing but their pieces of one text."""
        if self._stream(shape.place).held:
            return self._like_held(shape, pieces)
        said = read(pieces)
        if said is None:
            return self._one_by_one(run)
        self._last = shape.block(pieces[-1:])
        edits = self._stream(shape.place).take(said.text)
        if not edits or not self._restores(shape.place):
            return run
        for number, piece in spread(edits, said):
            pieces[number] = piece
        return shape.block(pieces)

    def _like_held(self, shape: Shape, pieces: list[bytes]) -> bytes:
        """The same while something is held back: one by one until nothing is."""
        told: list[bytes] = []
        for number, piece in enumerate(pieces):
            if not self._stream(shape.place).held:
                rest = pieces[number:]
                told.append(self._like(shape, rest, shape.block(rest)))
                break
            told.append(self._one_by_one(shape.block([piece])))
        return b"".join(told)

    def _one_by_one(self, block: bytes) -> bytes:
        return b"".join([self._event(event) for event in each_event(block)])

    def _event(self, event: bytes) -> bytes:
        alone = self._alone(event)
        if alone is not None:
            return alone
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
            self._last = event
            known = self._shape
            if len(plain.choices) == 1 and not (known and event.startswith(known.before)):
                only = plain.choices[0]
                self._shape = shape_of(event, only.delta.content, (only.index, "content"))
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

    def _feed(self, place: Place, text: str) -> str:
        told = self._stream(place).feed(text)
        return told if self._restores(place) else text

    def _stream(self, place: Place) -> StreamRestorer:
        stream = self._streams.get(place)
        if stream is None:
            stream = self._streams[place] = self._restorer.stream(
                arguments=len(place) > 2, in_json_string=place[-1] == "arguments"
            )
        return stream

    def _finish(self, place: Place) -> str:
        held = self._streams.pop(place).finish()
        return held if self._restores(place) else ""

    def _restores(self, place: Place) -> bool:
        return self._restorer.restores_arguments if len(place) > 2 else self._restorer.restores_text


def _texts(choice: dict[str, Any], number: int) -> Iterator[tuple[Place, dict[str, Any], str]]:
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


def _append(choice: dict[str, Any], place: Place, held: str) -> None:
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
