"""The table with its answers: every row of the input in its order, whatever became of it."""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice

from gateway.audit.event_types import EventType
from gateway.batches.sheets.answered import Answer, answers_of
from gateway.batches.sheets.cells import Cell, Row
from gateway.batches.sheets.events import record
from gateway.batches.sheets.models import Sheet
from gateway.batches.sheets.tables import open_sheet, rows_of, stored
from gateway.batches.sheets.words import STATUS_COLUMNS
from gateway.batches.sheets.writing import Format, write
from gateway.inference.prices import usd

# INVARIANT: where nobody can know whether a row was paid for twice, it says so.
PAID_TWICE = (
    "may have been paid for twice: an attempt ended without a word, which may have been answered"
)


def download(actor: str, sheet: Sheet, format: Format) -> Iterator[bytes]:
    """The result as pieces of bytes. Raises SheetState, at once or before the first piece.

    INVARIANT: the event is written before the first byte is handed out.
    """
    opened = open_sheet(sheet)
    stored(sheet.table_file_id)
    answer_columns = opened.setup.answer_columns if opened.setup else ()
    columns = _free_names(opened.table.columns, [*answer_columns, *STATUS_COLUMNS])
    examples = frozenset(
        opened.setup.examples.rows if opened.setup and opened.setup.examples else ()
    )
    record(
        EventType.SHEET_DOWNLOADED,
        sheet,
        actor,
        format=format.value,
        rows=sheet.rows,
        sensitivity=sheet.sensitivity,
        categories=list(sheet.categories),
    )
    return _pieces(sheet, columns, len(answer_columns), examples, format)


def some_answers(sheet: Sheet, *, count: int, after: int = 0) -> list[Answer]:
    """The first rows behind `after` that have ended. Reads no further. Raises SheetState."""
    with answers_of(sheet) as answers:
        ended = (each for each in answers if each.row > after and not each.pending)
        return list(islice(ended, count))


def _pieces(
    sheet: Sheet, columns: list[str], width: int, examples: frozenset[int], format: Format
) -> Iterator[bytes]:
    with ExitStack() as files:
        rows = files.enter_context(rows_of(sheet))
        answers = files.enter_context(answers_of(sheet))
        yield from write(format, columns, _table(rows, answers, width, examples))


def _table(
    rows: Iterator[tuple[int, Row]],
    answers: Iterator[Answer],
    width: int,
    examples: frozenset[int],
) -> Iterator[list[Cell]]:
    answer = next(answers, None)
    for number, row in rows:
        if answer is None or answer.row != number:
            yield [*row, *_unended("example" if number in examples else "pending", width)]
            continue
        if answer.pending:
            yield [*row, *_unended("pending", width, PAID_TWICE if answer.lost else None)]
        else:
            yield [*row, *_answered(answer, width)]
        answer = next(answers, None)


def _unended(word: str, width: int, note: str | None = None) -> list[Cell]:
    return [*[None] * width, word, *[None] * (len(STATUS_COLUMNS) - 2), note]


def _answered(answer: Answer, width: int) -> list[Cell]:
    cells = answer.cells if not answer.failed else [None] * width
    error = f"{answer.code}: {answer.message}" if answer.message else answer.code
    if answer.lost:
        error = f"{error} ({PAID_TWICE})" if error else PAID_TWICE
    tokens = answer.prompt_tokens + answer.completion_tokens
    cost = answer.cost_nano
    return [
        *cells,
        "failed" if answer.failed else "completed",
        answer.zone or None,
        answer.model or answer.deployment or None,
        ", ".join(answer.rules) or None,
        answer.masked,
        tokens,
        None if cost is None else f"{usd(cost):f}",
        error or None,
    ]


def _free_names(columns: list[str], more: list[str]) -> list[str]:
    """All names; a column that the table has already gets a number behind the new one."""
    names = list(columns)
    taken = set(columns)
    for name in more:
        free, count = name, 2
        while free in taken:
            free, count = f"{name}_{count}", count + 1
        taken.add(free)
        names.append(free)
    return names
