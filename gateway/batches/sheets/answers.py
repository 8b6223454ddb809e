"""From a model's answer to cells."""

from typing import Any

import msgspec

from gateway.batches.sheets.cells import Cell, cell_of
from gateway.batches.sheets.schemas import fits
from gateway.batches.sheets.setup import Kind, Setup


class NotAsAsked(Exception):
    """An answer in another shape than was asked for. `text` is what the model said."""

    def __init__(self, text: str) -> None:
        super().__init__("not as asked")
        self.text = text


def read_answer(setup: Setup, body: Any) -> list[Cell]:
    """The cells of `setup.answer_columns`. Raises NotAsAsked."""
    if setup.kind is Kind.EMBEDDINGS:
        return [_vector(body)]
    text = _text(body)
    if setup.kind is Kind.CLASSIFICATION:
        return [_label(setup, text)]
    if setup.answer_schema is None:
        return [text]
    try:
        answer = msgspec.json.decode(text)
    except msgspec.DecodeError:
        raise NotAsAsked(text) from None
    if not isinstance(answer, dict) or not fits(answer, setup.answer_schema):
        raise NotAsAsked(text)
    return [cell_of(answer.get(name)) for name in setup.answer_columns]


def _text(body: Any) -> str:
    try:
        message = body["choices"][0]["message"]
        text = message["content"]
        refusal = message.get("refusal")
    except (KeyError, IndexError, TypeError, AttributeError):
        raise NotAsAsked("") from None
    if isinstance(text, str):
        return text
    raise NotAsAsked(refusal if isinstance(refusal, str) else "")


def _label(setup: Setup, text: str) -> str:
    said = text.strip()
    try:
        tree = msgspec.json.decode(said)
        said = str(tree["label"]) if isinstance(tree, dict) and "label" in tree else said
    except msgspec.DecodeError:
        pass  # a server that does not constrain answers, and a model that said the bare word
    if said not in setup.labels:
        raise NotAsAsked(text)
    return said


def _vector(body: Any) -> str:
    try:
        vector = body["data"][0]["embedding"]
    except (KeyError, IndexError, TypeError):
        raise NotAsAsked("") from None
    if not isinstance(vector, list | str):
        raise NotAsAsked("")
    return cell_text(vector)


def cell_text(vector: list[Any] | str) -> str:
    """A vector in one cell: JSON numbers, or the server's own base64."""
    return vector if isinstance(vector, str) else msgspec.json.encode(vector).decode()
