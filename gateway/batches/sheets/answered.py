"""Answers at rest: an encrypted file with a line for each row that has ended, in row order."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from gateway.batches.sheets.cells import Cell
from gateway.batches.sheets.models import Sheet
from gateway.batches.sheets.tables import lines_of


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a row. `cells`: one per column of the answer; empty for a row that failed.

    `code` is a word of ours, `message` may quote what an upstream said. `lost`: an earlier attempt
    may have been answered, and paid for, once more than `cost_nano` says. `pending`: nothing more
    is known of the row, which is still to be asked for.
    """

    row: int
    cells: list[Cell] = []
    code: str = ""
    message: str = ""
    zone: str = ""
    deployment: str = ""
    model: str = ""
    rules: list[str] = []
    masked: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_nano: int | None = None
    lost: bool = False
    pending: bool = False

    @property
    def failed(self) -> bool:
        """Whether it has no answer."""
        return bool(self.code)


_decoder = msgspec.json.Decoder(Answer)
encode_answer = msgspec.json.Encoder().encode


@contextmanager
def answers_of(sheet: Sheet) -> Iterator[Iterator[Answer]]:
    """The answers so far, in row order. Raises SheetState when their file is gone."""
    if not sheet.answers_file_id:
        yield iter(())
        return
    with lines_of(sheet.answers_file_id) as lines:
        yield (_decoder.decode(line) for line in lines)


def answered_rows(sheet: Sheet) -> dict[int, str]:
    """Every row that has ended -> why it failed; empty for one that was answered.

    A number and a shared word each: that much fits in memory.
    """
    with answers_of(sheet) as answers:
        return {answer.row: sys.intern(answer.code) for answer in answers if not answer.pending}
