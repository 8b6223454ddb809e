"""What a batch needs of an input format: where its rows stand, and what each asks for.

The runner knows rows as (offset, length) in a stored file and as requests, nothing more, so a
new kind of batch is a new `Format`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from gateway.batches.models import Batch
from gateway.files.encrypted import EncryptedReader
from gateway.files.models import StoredFile
from gateway.protocol.json_tree import decode_object, encode
from policies.engine.facts import Endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one row's text stands in the input file. `line` counts from 1."""

    line: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why the input cannot be taken. Names the line, never what stands in it."""

    code: str
    message: str
    param: str | None = None
    line: int | None = None

    def as_data(self) -> dict[str, object]:
        """As the API's `errors.data` has it."""
        return {
            "code": self.code,
            "message": self.message,
            "param": self.param,
            "line": self.line,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRequest:
    """What a row asks for: the body goes the one path as it is."""

    custom_id: str
    body: bytes


class Format(Protocol):
    """One way to write rows into a file."""

    def rows(self, reader: EncryptedReader, *, endpoint: Endpoint) -> Iterator[Place | Problem]:
        """Each row's place, or what is wrong with it, in input order. Constant memory but for
        what tells duplicates. Raises Unreadable."""
        ...

    def request(self, text: bytes) -> RowRequest:
        """The request in a row that `rows` let pass. Raises InvalidRequest."""
        ...


@dataclass(frozen=True, slots=True)
class AskedOf:
    """A format whose rows ask another model than they say: for rows that are retried."""

    inner: Format
    model: str

    def rows(self, reader: EncryptedReader, *, endpoint: Endpoint) -> Iterator[Place | Problem]:
        """See `Format.rows`."""
        return self.inner.rows(reader, endpoint=endpoint)

    def request(self, text: bytes) -> RowRequest:
        """See `Format.request`."""
        asked = self.inner.request(text)
        return replace(asked, body=encode({**decode_object(asked.body), "model": self.model}))


# Stores the input of a batch, for its owner to publish, and calls what it is given now and then.
# Raises GatewayError for what cannot be written, and what that call raises.
Writer = Callable[[Batch, Callable[[], None]], StoredFile]

_FORMATS: dict[str, Format] = {}
_WRITERS: dict[str, Writer] = {}


def register(kind: str, format: Format, *, writer: Writer | None = None) -> None:
    """Make a format known under the word that `Batch.kind` stores. `writer`: its batches begin
    without an input, which a worker has written."""
    _FORMATS[kind] = format
    if writer is not None:
        _WRITERS[kind] = writer


def writer_of(kind: str) -> Writer | None:
    """Who writes the input of such batches; None: whoever creates them brings it."""
    return _WRITERS.get(kind)


def format_of(kind: str) -> Format:
    """The format of a batch. Raises KeyError for one that nobody registered."""
    return formats()[kind]


def formats() -> Mapping[str, Format]:
    """Every registered format."""
    return _FORMATS
