from django.apps import AppConfig


class OperationsConfig(AppConfig):
    """Commands of the installation as a whole."""

    name = "gateway.operations"
    label = "operations"
