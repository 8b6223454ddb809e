"""Putting values back into an answer: whole ones, and streams event by event.

Restored are the texts that a model wrote: a message's content, refusal and reasoning, a
completion's text, the arguments of tool calls. Everything else passes as it came. Log
probabilities too: they speak of the tokens that the model produced, and those were placeholders.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.protocol.restores import Restores
from policies.classification.restoring import Restorer, StreamRestorer

TEXTS = ("content", "refusal", "reasoning_content", "reasoning")

_ENCODER = msgspec.json.Encoder()


class AnswerRestorer:
    """One request's placeholders and what its key may see again.

    `restored` counts the values put back; `left` the placeholders that stayed.
    """

    __slots__ = ("_arguments", "_text", "_withheld")

    def __init__(self, minted: Mapping[str, str], restores: Restores) -> None:
        given = Restorer(minted)
        # Reads along where the key may not restore: what it finds is counted and not passed on.
        self._withheld = Restorer(minted, like=given)
        self._text = given if restores is not Restores.NOTHING else self._withheld
        self._arguments = given if restores is Restores.EVERYTHING else self._withheld

    @property
    def restored(self) -> int:
        """Values that were put back."""
        return 0 if self._text is self._withheld else self._text.restored

    @property
    def left(self) -> int:
        """Placeholders that the caller got as such."""
        withheld = self._withheld.restored + self._withheld.left
        return withheld if self._text is self._withheld else withheld + self._text.left

    @property
    def restores_text(self) -> bool:
        """Whether the caller gets the values in what the model wrote."""
        return self._text is not self._withheld

    @property
    def restores_arguments(self) -> bool:
        """Whether the caller gets the values in the arguments of tool calls."""
        return self._arguments is not self._withheld

    def stream(self, *, arguments: bool, in_json_string: bool) -> StreamRestorer:
        """For one text that comes in pieces; of `arguments`, or of what the model wrote. Where
        the caller may not have the values it only counts: its text is not to be passed on."""
        restorer = self._arguments if arguments else self._text
        return restorer.stream(in_json_string=in_json_string)

    def whole(self, body: bytes) -> bytes:
        """A complete answer; the same bytes when there is nothing to put back."""
        try:
            tree = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return body
        choices = tree.get("choices") if isinstance(tree, dict) else None
        if not isinstance(choices, list):
            return body
        before = self.restored
        for choice in choices:
            if isinstance(choice, dict):
                self._texts(choice, ("text",))
                message = choice.get("message")
                if isinstance(message, dict):
                    self._message(message)
        return body if self.restored == before else _ENCODER.encode(tree)

    def _message(self, message: dict[str, Any]) -> None:
        self._texts(message, TEXTS)
        parts = message.get("content")
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, dict):
                self._texts(part, ("text", "refusal"))
        calls = message.get("tool_calls")
        self._put(self._arguments, message.get("function_call"), "arguments")
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, dict):
                self._put(self._arguments, call.get("function"), "arguments")
                self._put(self._arguments, call.get("custom"), "input")

    def _texts(self, holder: dict[str, Any], names: tuple[str, ...]) -> None:
        for name in names:
            self._put(self._text, holder, name)

    def _put(self, restorer: Restorer, holder: Any, name: str) -> None:
        text = holder.get(name) if isinstance(holder, dict) else None
        if isinstance(text, str):
            restored = restorer.restore(text, in_json_string=name == "arguments")
            if restorer is not self._withheld:
                holder[name] = restored
