"""What the command line does with a sheet: estimate here, wait for a worker, save the answers."""

import threading
from pathlib import Path
from time import monotonic
from typing import TextIO

from gateway.batches.models import Status
from gateway.batches.sheets.estimating import estimate
from gateway.batches.sheets.models import UNDER_WAY, Sheet, SheetStatus
from gateway.batches.sheets.progress import Bar
from gateway.batches.sheets.results import download
from gateway.batches.sheets.services import get_sheet
from gateway.batches.sheets.writing import Format

LOOK_EVERY_S = 0.3
PATIENCE_S = 15.0


def estimate_here(sheet: Sheet, stream: TextIO) -> Sheet:
    """Make the estimate in this process, unless a worker was faster."""
    bar = Bar(stream, "Estimating", sheet.to_ask)
    while sheet.status == SheetStatus.ESTIMATING:
        if not estimate(sheet.pk, process="console", report=bar.update):
            bar.update(sheet.estimated)
            threading.Event().wait(LOOK_EVERY_S)
        sheet = get_sheet(sheet.project, sheet.pk)
    bar.end()
    return sheet


def wait(sheet: Sheet, stream: TextIO) -> Sheet:
    """Until the run under way has ended. Says so when no worker seems to be there."""
    bar = Bar(stream, "Running", sheet.to_ask)
    began_s = monotonic()
    told = False
    while sheet.status in UNDER_WAY:
        completed, failed = sheet.done
        bar.update(completed + failed, note=f"{failed} failed" if failed else "")
        waits = sheet.batch is not None and sheet.batch.status == Status.VALIDATING
        if waits and not told and monotonic() - began_s > PATIENCE_S:
            told = True
            stream.write("No worker has begun yet. Does one run?\n")
        threading.Event().wait(LOOK_EVERY_S)
        sheet = get_sheet(sheet.project, sheet.pk)
    completed, failed = sheet.done
    bar.update(completed + failed, note=f"{failed} failed" if failed else "")
    bar.end()
    return sheet


def save(actor: str, sheet: Sheet, format: Format, out: Path) -> None:
    """Write the table with its answers; `out` is there whole or not at all."""
    part = out.with_name(f".{out.name}.part")
    try:
        with part.open("wb") as stream:
            for piece in download(actor, sheet, format):
                stream.write(piece)
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
