"""Django application of erasure; it has a command and no tables."""

from django.apps import AppConfig


class PrivacyConfig(AppConfig):
    """A person's data, for them and gone."""

    name = "gateway.privacy"
    label = "privacy"
    verbose_name = "Privacy"
