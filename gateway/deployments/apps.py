"""Django application of the deployments."""

from django.apps import AppConfig


class DeploymentsConfig(AppConfig):
    """Upstream models, what they may receive, aliases and grants."""

    name = "gateway.deployments"
    label = "deployments"
    verbose_name = "Deployments"
