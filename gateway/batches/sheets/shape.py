"""A sheet as data: for `/api`, the pages and the command line alike."""

from datetime import datetime
from typing import Any

from gateway.batches.sheets.models import Sheet
from gateway.batches.sheets.setup import as_data
from gateway.batches.sheets.tables import open_sheet
from gateway.inference.prices import usd


def shape(sheet: Sheet) -> dict[str, Any]:
    """Everything but rows. `counts` have the run under way in them; no row is read for it."""
    opened = open_sheet(sheet)
    completed, failed = sheet.done
    return {
        "id": sheet.pk,
        "object": "sheet",
        "name": opened.table.name,
        "columns": opened.table.columns,
        "status": sheet.status,
        "reason": sheet.reason or None,
        "created_by": sheet.actor,
        "created_at": _unix(sheet.created_at),
        "started_at": _unix(sheet.started_at),
        "ended_at": _unix(sheet.ended_at),
        "declared": sheet.declared,
        "setup": as_data(opened.setup) if opened.setup is not None else None,
        "answer_columns": list(opened.setup.answer_columns) if opened.setup is not None else [],
        "counts": {
            "rows": sheet.rows,
            "examples": sheet.examples,
            "completed": completed,
            "failed": failed,
            "pending": max(sheet.to_ask - completed - failed, 0),
        },
        "failures": sheet.failures,
        "estimate": sheet.estimate,
        "estimated": sheet.estimated,
        "label": {"sensitivity": sheet.sensitivity or None, "categories": sheet.categories},
        "usage": {
            "prompt_tokens": sheet.prompt_tokens,
            "completion_tokens": sheet.completion_tokens,
            "cost_usd": f"{usd(sheet.cost_nano):f}",
            "unpriced": sheet.unpriced,
        },
        "runs": sheet.runs,
        "batch_id": sheet.batch_id,
        "notify": sheet.notify,
    }


def _unix(moment: datetime | None) -> int | None:
    return int(moment.timestamp()) if moment is not None else None
