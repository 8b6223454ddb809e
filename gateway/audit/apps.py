"""Django application of the audit log."""

from importlib import import_module

from django.apps import AppConfig
from typing_extensions import override


class AuditConfig(AppConfig):
    """Events, request records, the writers of their chains, and what seals them."""

    name = "gateway.audit"
    label = "audit"
    verbose_name = "Audit"

    @override
    def import_models(self) -> None:
        super().import_models()
        import_module("gateway.audit.sealing_models")

    @override
    def ready(self) -> None:
        import_module("gateway.audit.checks")
