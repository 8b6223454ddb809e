"""The files of a batch from before a retry: their lines, wanted again in the order they stand."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Self

import msgspec

from gateway.batches.jsonl import split
from gateway.batches.results import request_name
from gateway.files.encrypted import Unreadable
from gateway.files.models import StoredFile
from gateway.files.services import reading

MAX_LINE_BYTES = 256 * 1024 * 1024  # what we wrote ourselves: an answer and its receipt


class _Named(msgspec.Struct):
    id: str


class EarlierLines:
    """Lines of one file, by the row they belong to. Rows are asked for in order."""

    def __init__(self, batch_id: str, file_id: str) -> None:
        self._batch_id = batch_id
        self._file_id = file_id
        self._open = ExitStack()
        self._lines: Iterator[bytes] = iter(())

    def __enter__(self) -> Self:
        if self._file_id:
            file = StoredFile.objects.select_related("project").get(pk=self._file_id)
            reader = self._open.enter_context(reading(file))
            found = split(reader.pieces(), max_line_bytes=MAX_LINE_BYTES)
            self._lines = (line.text for line in found if line.text is not None)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def of(self, index: int) -> bytes:
        """The line of row `index`. Raises Unreadable when it is not there."""
        name = request_name(self._batch_id, index)
        for line in self._lines:
            if msgspec.json.decode(line, type=_Named).id == name:
                return line
        raise Unreadable("a result is missing in the files of before")
