"""Django application of the policies."""

from django.apps import AppConfig


class PoliciesConfig(AppConfig):
    """Policies, their revisions and projects' word lists."""

    name = "policies"
    label = "policies"
    verbose_name = "Policies"
