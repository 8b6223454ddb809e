"""Random requests: where values are planted, what is declared, what a scan cannot read."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.gateway.inference.search.values import Planted, card_number, encoded, planted
from tests.gateway.inference.search.worlds import ENDPOINTS, MINIMUMS, SENSITIVITIES, Label

_IMAGE = "data:image/png;base64,iVBORw0KGgpJRU5ErkJggg=="
_PROSE = ("please summarise this", "what do you think of it?", "translate it", "thank you")
NOBODY = 0, frozenset[str]()


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. `private` stands in fields that never leave the house, whatever they hold."""

    endpoint: str
    alias: str
    body: dict[str, Any]
    declared: str
    inherited: Label
    values: tuple[Planted, ...]
    labels: tuple[Label, ...]  # declared and inherited, and the worst when a part is opaque
    image: bool
    private: tuple[str, ...]
    last: str  # the text that an echoing server says back; empty: no single one


def random_request(rng: Random, aliases: Sequence[str]) -> Asked:
    """A chat nine times of ten."""
    endpoint = rng.choice(ENDPOINTS) if rng.random() < 0.2 else "chat.completions"
    values = [planted(rng) for _ in range(rng.choice((0, 0, 0, 0, 1, 1, 1, 1, 2, 3)))]
    values = [
        encoded(rng, value) if rng.random() < 0.15 and not value.joined else value
        for value in values
    ]
    building = _Building(rng, values)
    body = building.chat() if endpoint == "chat.completions" else building.plain(endpoint)
    body["model"] = rng.choice((*aliases, "auto", "auto", *("away",) * 14))
    if endpoint != "embeddings" and rng.random() < 0.4:
        body["stream"] = True
    private = building.private_fields(body)
    declared, stated = _declaration(rng)
    inherited = _label(rng) if rng.random() < 0.05 else NOBODY
    labels = [stated, inherited]
    if rng.random() < 0.05:
        within, also = _declaration(rng, always=True)
        body.setdefault("metadata", {})["sluice_declare"] = within
        labels.append(also)
    return Asked(
        endpoint=endpoint,
        alias=body["model"],
        body=body,
        declared=declared,
        inherited=inherited,
        values=tuple(building.values),
        labels=tuple(labels),
        image=building.image,
        private=tuple(private),
        last=building.last,
    )


def _label(rng: Random) -> Label:
    categories = frozenset(rng.sample(sorted(MINIMUMS), 1)) if rng.random() < 0.4 else frozenset()
    return rng.choice((1, 1, 2, 3)), categories


def _declaration(rng: Random, *, always: bool = False) -> tuple[str, Label]:
    if not always and rng.random() > 0.06:
        return "", NOBODY
    sensitivity, categories = _label(rng)
    return ", ".join([SENSITIVITIES[sensitivity], *sorted(categories)]), (sensitivity, categories)


class _Building:
    """One body. `values` grows by what only this place can plant."""

    def __init__(self, rng: Random, values: list[Planted]) -> None:
        self.rng = rng
        self.values = values
        self.image = False
        self.last = ""

    def chat(self) -> dict[str, Any]:
        rng = self.rng
        messages: list[dict[str, Any]] = []
        body: dict[str, Any] = {"messages": messages}
        for value in list(self.values):
            self._place(value, messages, body)
        self._more(messages)
        if not messages or rng.random() < 0.6:
            messages.append({"role": "user", "content": rng.choice(_PROSE)})
        content = messages[-1].get("content")
        self.last = content if isinstance(content, str) else ""
        return body

    def _place(self, value: Planted, messages: list[Any], body: dict[str, Any]) -> None:
        rng, text = self.rng, value.text
        where = rng.randrange(9)
        if where == 0:
            messages.append({"role": "system", "content": text})
        elif where == 1:
            parts = [{"type": "text", "text": each} for each in (rng.choice(_PROSE), text)]
            messages.append({"role": "user", "content": parts})
        elif where == 2:
            arguments = json.dumps({"query": text, text: 1})
            function = {"name": "look_up", "arguments": arguments}
            call = {"id": "call_1", "type": "function", "function": function}
            messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        elif where == 3:
            result = json.dumps({"rows": [{"n": 3, "text": text}]})
            messages.append({"role": "tool", "tool_call_id": "call_1", "content": result})
        elif where == 4:
            parameters = {"type": "object", "properties": {"x": {"enum": [text]}}}
            tool = {"name": "look_up", "description": "finds", "parameters": parameters}
            body.setdefault("tools", []).append({"type": "function", "function": tool})
        elif where == 5 and not value.joined:
            middle = len(text) // 2
            parts = [
                {"type": "text", "text": text[:middle]},
                {"type": "text", "text": text[middle:]},
            ]
            messages.append({"role": "user", "content": parts})
        else:
            messages.append({"role": rng.choice(("user", "assistant")), "content": text})

    def _more(self, messages: list[Any]) -> None:
        rng = self.rng
        if rng.random() < 0.05:
            number = card_number(rng)
            self.values.append(Planted("PAYMENT_CARD", "payment", number, (number,)))
            content = [{"type": "text", "text": "see", "price": int(number)}]
            messages.append({"role": "user", "content": content})
        if rng.random() < 0.05:
            self.image = True
            content = [{"type": "image_url", "image_url": {"url": _IMAGE}}]
            messages.append({"role": "user", "content": content})

    def plain(self, endpoint: str) -> dict[str, Any]:
        name = "prompt" if endpoint == "completions" else "input"
        texts = [value.text for value in self.values] or [self.rng.choice(_PROSE)]
        return {name: texts if self.rng.random() < 0.5 else "\n\n".join(texts)}

    def private_fields(self, body: dict[str, Any]) -> list[str]:
        rng = self.rng
        private = []
        for name in ("user", "metadata", "api_base", "x_note"):
            if rng.random() < 0.15:
                word = "".join(rng.choices("bcdfghkmpqrstvwz", k=18))
                private.append(word)
                body[name] = {"trace": word} if name == "metadata" else word
        return private
