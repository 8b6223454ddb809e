"""Django application of the spreadsheets."""

from django.apps import AppConfig
from django.conf import settings
from typing_extensions import override


class SheetsConfig(AppConfig):
    """Spreadsheets: tables, their jobs and their answers."""

    name = "gateway.batches.sheets"
    label = "sheets"
    verbose_name = "Spreadsheets"

    @override
    def ready(self) -> None:
        """Make the kind of batch known that a run is."""
        from gateway.batches.formats import register  # noqa: PLC0415 -- needs loaded settings
        from gateway.batches.jsonl import JSONLines  # noqa: PLC0415
        from gateway.batches.sheets.inputs import write_input  # noqa: PLC0415
        from gateway.batches.sheets.words import KIND  # noqa: PLC0415

        # The same lines as OpenAI's: only who wrote them differs.
        lines = JSONLines(max_line_bytes=settings.MAX_BODY_BYTES + 4096)
        register(KIND, lines, writer=write_input)
