"""Django application of the pages."""

from django.apps import AppConfig


class FrontendConfig(AppConfig):
    """The pages people use."""

    name = "frontend"
    verbose_name = "Pages"
