"""Django application of limits and usage."""

from django.apps import AppConfig


class UsageConfig(AppConfig):
    """Leases and limits; it has no tables yet."""

    name = "gateway.usage"
    label = "usage"
    verbose_name = "Usage"
