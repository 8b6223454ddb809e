"""What is to be done with each row: prompt, model, kind of job, shape of the answer."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from gateway.batches.sheets.schemas import check_schema
from gateway.batches.sheets.template import parse
from gateway.protocol.errors import InvalidRequest
from policies.engine.facts import Endpoint

MAX_TEXT_CHARS = 200_000
MAX_EXAMPLES = 50
MAX_LABELS = 200
MAX_LABEL_CHARS = 100
MAX_TOKENS = 1_000_000


class Kind(StrEnum):
    """What a row is turned into."""

    CHAT = "chat"  # a prompt, answered in text or in the shape of a schema
    CLASSIFICATION = "classification"  # one of a list of labels
    EMBEDDINGS = "embeddings"  # a vector


class Examples(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rows of the table, from 1, that show the model what to answer: what is in `answer`."""

    rows: list[int]
    answer: str


class Setup(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that, with a row, makes a request."""

    model: str
    template: str
    kind: Kind = Kind.CHAT
    system: str = ""
    examples: Examples | None = None
    answer_schema: dict[str, Any] | None = msgspec.field(default=None, name="schema")
    labels: list[str] = []
    temperature: float | None = None
    max_tokens: int | None = None

    @property
    def endpoint(self) -> Endpoint:
        """Where its requests go."""
        embeds = self.kind is Kind.EMBEDDINGS
        return Endpoint.EMBEDDINGS if embeds else Endpoint.CHAT_COMPLETIONS

    @property
    def answer_columns(self) -> tuple[str, ...]:
        """What columns the answers add to the table."""
        match self.kind:
            case Kind.EMBEDDINGS:
                return ("embedding",)
            case Kind.CLASSIFICATION:
                return ("label",)
            case Kind.CHAT:
                return (
                    tuple(self.answer_schema["properties"]) if self.answer_schema else ("answer",)
                )


def read_setup(given: object, columns: Sequence[str], rows: int) -> Setup:
    """A setup for a table, checked whole. Raises InvalidRequest with `param`."""
    try:
        setup = msgspec.convert(given, Setup)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"The setup cannot be read: {error}.", param="setup") from None
    _check_texts(setup)
    if not parse(setup.template, columns, param="template").columns:
        raise InvalidRequest(
            "The template uses no column, so every row would ask the same. Write {{"
            + columns[0]
            + "}}.",
            param="template",
        )
    parse(setup.system, columns, param="system")
    _check_examples(setup, columns, rows)
    _check_kind(setup)
    return setup


def _check_texts(setup: Setup) -> None:
    for name, text in (("template", setup.template), ("system", setup.system)):
        if len(text) > MAX_TEXT_CHARS:
            raise InvalidRequest(
                f"`{name}` is longer than {MAX_TEXT_CHARS} characters.", param=name
            )
    if not setup.model:
        raise InvalidRequest("Name a model.", param="model")
    if setup.temperature is not None and not 0 <= setup.temperature <= 2:
        raise InvalidRequest("`temperature` must be from 0 to 2.", param="temperature")
    if setup.max_tokens is not None and not 1 <= setup.max_tokens <= MAX_TOKENS:
        raise InvalidRequest(f"`max_tokens` must be from 1 to {MAX_TOKENS}.", param="max_tokens")


def _check_examples(setup: Setup, columns: Sequence[str], rows: int) -> None:
    examples = setup.examples
    if examples is None:
        return
    if examples.answer not in columns:
        raise InvalidRequest(
            f"`examples.answer` must be one of the columns: {', '.join(columns[:50])}.",
            param="examples.answer",
            code="unknown_column",
        )
    if not 1 <= len(set(examples.rows)) == len(examples.rows) <= MAX_EXAMPLES:
        raise InvalidRequest(
            f"Choose 1 to {MAX_EXAMPLES} different rows as examples.", param="examples.rows"
        )
    if not all(1 <= row <= rows for row in examples.rows):
        raise InvalidRequest(f"The table has the rows 1 to {rows}.", param="examples.rows")
    if len(examples.rows) >= rows:
        raise InvalidRequest(
            "Every row is an example, so none is left to ask for.", param="examples.rows"
        )


def _check_kind(setup: Setup) -> None:
    if setup.kind is Kind.EMBEDDINGS and (
        setup.system or setup.examples or setup.max_tokens or setup.temperature is not None
    ):
        raise InvalidRequest("Embeddings take a template and a model, nothing else.", param="kind")
    if setup.answer_schema is not None:
        if setup.kind is not Kind.CHAT:
            raise InvalidRequest("Only the kind `chat` takes a schema.", param="schema")
        check_schema(setup.answer_schema)
    if (setup.kind is Kind.CLASSIFICATION) != bool(setup.labels):
        raise InvalidRequest(
            "The kind `classification` takes `labels`, and only it.", param="labels"
        )
    if setup.labels:
        _check_labels(setup.labels)


def _check_labels(labels: Sequence[str]) -> None:
    if not 2 <= len(set(labels)) == len(labels) <= MAX_LABELS:
        raise InvalidRequest(f"Name 2 to {MAX_LABELS} different labels.", param="labels")
    if not all(label.strip() == label and 0 < len(label) <= MAX_LABEL_CHARS for label in labels):
        raise InvalidRequest(
            f"A label has 1 to {MAX_LABEL_CHARS} characters, and no space around it.",
            param="labels",
        )


def as_data(setup: Setup) -> Mapping[str, Any]:
    """As `read_setup` takes it."""
    data: dict[str, Any] = msgspec.to_builtins(setup)
    return data
