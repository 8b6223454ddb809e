"""Django application of the stored files."""

from django.apps import AppConfig


class FilesConfig(AppConfig):
    """Stored files, their keys and their limits."""

    name = "gateway.files"
    label = "files"
    verbose_name = "Files"
