"""From a row to a request body, the same for the preview, the dry run and the run itself."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.batches.sheets.cells import Row, text_of
from gateway.batches.sheets.setup import Kind, Setup
from gateway.batches.sheets.template import parse

_encode = msgspec.json.Encoder().encode


class Prompts:
    """The requests of one table. `examples`: the rows chosen as such, by their number."""

    def __init__(self, setup: Setup, columns: Sequence[str], examples: Mapping[int, Row]) -> None:
        self.setup = setup
        self._template = parse(setup.template, columns, param="template")
        self._system = parse(system_text(setup), columns, param="system")
        self._examples = self._shown(columns, examples)
        self._fixed = _fixed(setup)
        self._blank: Row = (None,) * len(columns)

    def body(self, row: Row, *, model: str = "") -> dict[str, Any]:
        """A row's request. `model`: another one than the setup's."""
        text = self._template.render(row)
        start: dict[str, Any] = {"model": model or self.setup.model}
        if self.setup.kind is Kind.EMBEDDINGS:
            # An empty input is refused everywhere, and a row must not be lost for it.
            return {**start, "input": text or " "}
        return {**start, "messages": self._messages(row, text), **self._fixed}

    def encoded(self, row: Row, *, model: str = "") -> bytes:
        """The same as bytes."""
        return _encode(self.body(row, model=model))

    def shared(self) -> bytes:
        """What every row's request has in common, as a request of its own: no row's cells."""
        return self.encoded(self._blank)

    def _messages(self, row: Row, text: str) -> list[dict[str, str]]:
        system = self._system.render(row)
        before = [{"role": "system", "content": system}] if system else []
        return [*before, *self._examples, {"role": "user", "content": text}]

    def _shown(self, columns: Sequence[str], examples: Mapping[int, Row]) -> list[dict[str, str]]:
        chosen = self.setup.examples
        if chosen is None:
            return []
        answer = list(columns).index(chosen.answer)
        messages: list[dict[str, str]] = []
        for number in chosen.rows:
            row = examples[number]
            messages.append({"role": "user", "content": self._template.render(row)})
            said = _as_asked(self.setup, text_of(row[answer]))
            messages.append({"role": "assistant", "content": said})
        return messages


def system_text(setup: Setup) -> str:
    """The system prompt, with the labels that a classification may answer with."""
    if not setup.labels:
        return setup.system
    # Labels are no template: what looks like a column in them is not one.
    labels = ", ".join(setup.labels).replace("{{", r"\{{")
    said = f"Answer with one of: {labels}."
    return f"{setup.system}\n\n{said}" if setup.system else said


def _as_asked(setup: Setup, answer: str) -> str:
    """An example's answer in the shape that the model is asked for."""
    if setup.kind is Kind.CLASSIFICATION:
        return _encode({"label": answer}).decode()
    return answer


def _fixed(setup: Setup) -> dict[str, Any]:
    fixed: dict[str, Any] = {}
    schema = setup.answer_schema
    if setup.kind is Kind.CLASSIFICATION:
        schema = label_schema(setup.labels)
    if schema is not None:
        strict = schema.get("additionalProperties") is False
        shape = {"name": "answer", "schema": schema, "strict": strict}
        fixed["response_format"] = {"type": "json_schema", "json_schema": shape}
    if setup.temperature is not None:
        fixed["temperature"] = setup.temperature
    elif setup.kind is Kind.CLASSIFICATION:
        fixed["temperature"] = 0
    if setup.max_tokens is not None:
        fixed["max_tokens"] = setup.max_tokens
    return fixed


def label_schema(labels: Sequence[str]) -> dict[str, Any]:
    """The shape of a classification's answer."""
    return {
        "type": "object",
        "properties": {"label": {"type": "string", "enum": list(labels)}},
        "required": ["label"],
        "additionalProperties": False,
    }
