"""Django application of the audit log."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """Events, request records and the writers of their chains."""

    name = "gateway.audit"
    label = "audit"
    verbose_name = "Audit"
