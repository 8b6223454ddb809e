"""A table at rest: an encrypted file with a line of JSON for each row, and its names sealed."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec

from gateway.accounts.models import Project
from gateway.batches.sheets.cells import Row, decode_row, encode_row
from gateway.batches.sheets.models import Sheet
from gateway.batches.sheets.problems import SheetRefused, SheetState
from gateway.batches.sheets.setup import Setup
from gateway.files.blobs import StorageUnavailable
from gateway.files.encrypted import Unreadable, seal, unseal
from gateway.files.keys import project_key
from gateway.files.models import FileState, Purpose, StoredFile
from gateway.files.services import reading
from gateway.files.uploads import Upload


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a table beside its rows."""

    name: str
    columns: list[str]


@dataclass(frozen=True, slots=True)
class Opened:
    """A sheet's table and setup in clear, for as long as something is done with them."""

    sheet: Sheet
    table: Table = field(repr=False)
    setup: Setup | None = field(repr=False)


def open_sheet(sheet: Sheet) -> Opened:
    """Unseal what the row seals. One query for the key."""
    key = project_key(sheet.project)
    table = msgspec.json.decode(
        unseal(key, bytes(sheet.sealed_table), context=sheet.pk), type=Table
    )
    setup = None
    if sheet.sealed_setup is not None:
        sealed = unseal(key, bytes(sheet.sealed_setup), context=f"{sheet.pk}:setup")
        setup = msgspec.json.decode(sealed, type=Setup)
    return Opened(sheet, table, setup)


def seal_table(sheet: Sheet, table: Table) -> bytes:
    """For `Sheet.sealed_table`."""
    return seal(project_key(sheet.project), msgspec.json.encode(table), context=sheet.pk)


def seal_setup(sheet: Sheet, setup: Setup) -> bytes:
    """For `Sheet.sealed_setup`."""
    key = project_key(sheet.project)
    return seal(key, msgspec.json.encode(setup), context=f"{sheet.pk}:setup")


def store_rows(
    project: Project,
    actor: str,
    rows: Iterable[Row],
    *,
    name: str,
    declared: str,
    most: int,
) -> tuple[StoredFile, int]:
    """Store a table's rows. Returns the file, which nobody sees before it is published, and how
    many there are. Keeps nothing when it raises: SheetRefused, RequestTooLarge, InvalidRequest for
    a store that is full."""
    upload = Upload(project=project, actor=actor)
    count = 0
    try:
        for row in rows:
            count += 1
            if count > most:
                raise SheetRefused(
                    f"a table of this project may have at most {most} rows. Split it.",
                    code="too_many_rows",
                    file=name,
                )
            upload.write(encode_row(row) + b"\n")
        if not count:
            raise SheetRefused("there are no rows below the header.", code="empty_file", file=name)
        return upload.store(name=name, purpose=Purpose.BATCH, declared=declared), count
    finally:
        upload.discard()


def stored(file_id: str) -> StoredFile:
    """A file of a sheet. Raises SheetState when it expired or was deleted."""
    file = (
        StoredFile.objects.filter(pk=file_id, state=FileState.READY)
        .select_related("project")
        .first()
    )
    if file is None:
        raise SheetState(
            "The table's rows were deleted, or kept no longer. Upload it again.",
            code="table_gone",
        )
    return file


@contextmanager
def lines_of(file_id: str) -> Iterator[Iterator[bytes]]:
    """A stored file line by line, in constant memory. Raises SheetState, and while it is read."""
    try:
        with reading(stored(file_id)) as reader:
            yield _lines(reader.pieces())
    except StorageUnavailable:
        raise SheetState(
            "The store of files does not answer. Try again in a moment.", code="storage_unavailable"
        ) from None
    except (OSError, Unreadable):
        raise SheetState("The table's rows cannot be read.", code="table_gone") from None


@contextmanager
def rows_of(sheet: Sheet) -> Iterator[Iterator[tuple[int, Row]]]:
    """The table's rows with their numbers, from 1."""
    with lines_of(sheet.table_file_id) as lines:
        yield enumerate((decode_row(line) for line in lines), start=1)


def chosen_rows(sheet: Sheet, numbers: Sequence[int]) -> dict[int, Row]:
    """Some rows by their numbers. Reads as far as the last of them."""
    wanted = set(numbers)
    found: dict[int, Row] = {}
    if not wanted:
        return found
    with rows_of(sheet) as rows:
        for number, row in rows:
            if number in wanted:
                found[number] = row
                if len(found) == len(wanted):
                    break
    return found


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
    if rest:
        yield rest
