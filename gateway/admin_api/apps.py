"""Django application of the admin API."""

from django.apps import AppConfig


class AdminAPIConfig(AppConfig):
    """`/api` and the read-only Django admin."""

    name = "gateway.admin_api"
    label = "admin_api"
    verbose_name = "Admin API"
