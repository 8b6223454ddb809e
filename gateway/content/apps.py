"""Django application of kept content."""

from django.apps import AppConfig


class ContentConfig(AppConfig):
    """Which projects keep prompts and answers, under which keys, and what is kept."""

    name = "gateway.content"
    label = "content"
    verbose_name = "Kept content"
