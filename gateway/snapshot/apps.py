"""Django application of the snapshot: it has no tables, only commands."""

from django.apps import AppConfig


class SnapshotConfig(AppConfig):
    """The control plane as plain data in memory."""

    name = "gateway.snapshot"
    label = "snapshot"
    verbose_name = "Snapshot"
