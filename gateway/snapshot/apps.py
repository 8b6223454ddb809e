"""Django application of the snapshot: it has no tables, only commands."""

from django.apps import AppConfig
from typing_extensions import override


class SnapshotConfig(AppConfig):
    """The control plane as plain data in memory."""

    name = "gateway.snapshot"
    label = "snapshot"
    verbose_name = "Snapshot"

    @override
    def ready(self) -> None:
        """Register the checks of the settings."""
        import gateway.checks  # noqa: F401, PLC0415 -- Django must be ready for it
