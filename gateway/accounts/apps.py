"""Django application of the accounts."""

from importlib import import_module

from django.apps import AppConfig
from typing_extensions import override


class AccountsConfig(AppConfig):
    """People, projects, service accounts and API keys."""

    name = "gateway.accounts"
    label = "accounts"
    verbose_name = "Accounts"

    @override
    def import_models(self) -> None:
        super().import_models()
        import_module("gateway.accounts.entry_models")

    @override
    def ready(self) -> None:
        """Hear of second factors, and note when keys were used as the loader brings decisions."""
        import_module("gateway.accounts.login.checks")
        import_module("gateway.accounts.login.heard").listen()
        sinks = import_module("gateway.audit.sinks")
        sinks.sinks.append(import_module("gateway.accounts.key_use").KeyUse())
