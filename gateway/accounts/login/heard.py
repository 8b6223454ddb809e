"""What django-allauth tells us by its signals, as audit events."""

from typing import Any

from allauth.mfa import signals
from allauth.socialaccount.signals import social_account_added

from gateway.accounts.login.events import of_person, refused
from gateway.audit.event_types import EventType


def listen() -> None:
    """Connect; called once, when the application is ready."""
    signals.authentication_failed.connect(_failed, dispatch_uid="accounts.failed")
    social_account_added.connect(_linked, dispatch_uid="accounts.linked")


def _failed(**_: Any) -> None:
    refused("wrong_code", method="second_factor")


def _linked(sociallogin: Any, **_: Any) -> None:
    of_person(EventType.IDENTITY_LINKED, sociallogin.user, method="oidc")
