"""Django application of metrics and traces; it has checks and no tables."""

from importlib import import_module

from django.apps import AppConfig
from typing_extensions import override


class TelemetryConfig(AppConfig):
    """Seeing it run."""

    name = "gateway.telemetry"
    label = "telemetry"
    verbose_name = "Telemetry"

    @override
    def ready(self) -> None:
        import_module("gateway.telemetry.checks")
