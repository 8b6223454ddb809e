"""Django application of the accounts."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """People, projects, service accounts and API keys."""

    name = "gateway.accounts"
    label = "accounts"
    verbose_name = "Accounts"
