"""The input of a run: the prompts of the rows it asks for, written by a worker.

A hundred thousand prompts take seconds to make, which no request should. Constant memory, but for
a number and a shared word for each row that has ended.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from gateway.batches.jsonl import URL_OF
from gateway.batches.models import Batch
from gateway.batches.sheets.answered import answered_rows
from gateway.batches.sheets.estimating import prompts_of
from gateway.batches.sheets.models import Sheet
from gateway.batches.sheets.problems import SheetState
from gateway.batches.sheets.tables import open_sheet, rows_of
from gateway.batches.sheets.words import row_name
from gateway.files.blobs import StorageUnavailable
from gateway.files.models import Purpose, StoredFile
from gateway.files.uploads import Upload
from gateway.protocol.json_tree import encode


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows a run asks for, and of which model: those that have not ended, or, where it is a
    retry, those that failed, with one of `codes` if there are any."""

    model: str
    retry: bool = False
    codes: list[str] = []

    def takes(self, code: str | None) -> bool:
        """Whether it asks for a row: `code` says why that failed, empty: it was answered, None: it
        has not ended."""
        if not self.retry:
            return code is None
        return bool(code) and (not self.codes or code in self.codes)

    def as_data(self) -> dict[str, Any]:
        """For `Sheet.wish`."""
        data: dict[str, Any] = msgspec.to_builtins(self)
        return data


def write_input(batch: Batch, keep: Callable[[], None]) -> StoredFile:
    """Store the run's requests as a file of OpenAI's batch lines. `keep` is called for each row.

    Raises SheetState when the table is gone, or no row is left; StorageUnavailable.
    """
    try:
        return _written(batch, keep)
    except SheetState as error:
        if error.code == "storage_unavailable":
            raise StorageUnavailable(error.message) from None  # that may pass
        raise


def _written(batch: Batch, keep: Callable[[], None]) -> StoredFile:
    sheet = Sheet.objects.select_related("project").filter(batch=batch).first()
    if sheet is None:
        raise SheetState("The table of this batch was deleted.", code="table_gone")
    prompts = prompts_of(open_sheet(sheet))
    wish = msgspec.convert(sheet.wish, Wish)
    url = URL_OF[prompts.setup.endpoint]
    skip = set(prompts.setup.examples.rows) if prompts.setup.examples else set()
    ended = answered_rows(sheet)
    upload = Upload(project=sheet.project, actor=sheet.actor, unlimited=True)
    try:
        with rows_of(sheet) as rows:
            for number, row in rows:
                keep()
                if number in skip or not wish.takes(ended.get(number)):
                    continue
                line = {
                    "custom_id": row_name(number),
                    "method": "POST",
                    "url": url,
                    "body": prompts.body(row, model=wish.model),
                }
                upload.write(encode(line) + b"\n")
        if not upload.size_bytes:
            raise SheetState("No row is left to run.", code="nothing_to_run")
        name = f"{sheet.pk}_run_{sheet.runs}.jsonl"
        return upload.store(name=name, purpose=Purpose.BATCH, declared=sheet.declared)
    finally:
        upload.discard()
