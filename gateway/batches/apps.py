"""Django application of the batches."""

from django.apps import AppConfig
from django.conf import settings
from typing_extensions import override


class BatchesConfig(AppConfig):
    """Batches, their rows and their limits."""

    name = "gateway.batches"
    label = "batches"
    verbose_name = "Batches"

    @override
    def ready(self) -> None:
        """Make the formats known."""
        from gateway.batches.formats import register  # noqa: PLC0415 -- needs loaded settings
        from gateway.batches.jsonl import KIND, JSONLines  # noqa: PLC0415

        # A row's body may be as long as a request's; around it stands little more.
        register(KIND, JSONLines(max_line_bytes=settings.MAX_BODY_BYTES + 4096))
