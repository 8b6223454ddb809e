"""Django application of usage, budgets and limits."""

from importlib import import_module

from django.apps import AppConfig
from typing_extensions import override


class UsageConfig(AppConfig):
    """What was used, what it cost, and what may be."""

    name = "gateway.usage"
    label = "usage"
    verbose_name = "Usage"

    @override
    def ready(self) -> None:
        """Have the audit's loader bring usage along with the outcomes."""
        sinks = import_module("gateway.audit.sinks")
        recording = import_module("gateway.usage.recording")
        sinks.sinks.append(recording.UsageSink())
