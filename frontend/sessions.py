"""Signing out, and refused sign-ins, with the audit event of each; `gateway.accounts.login` starts
sessions.

A refused sign-in is recorded without the address that was typed: people type passwords there.
"""

from django.contrib.auth import logout
from django.db import transaction
from django.http import HttpRequest

from gateway.accounts.login.events import of_person, refused
from gateway.accounts.models import User
from gateway.audit.event_types import EventType

PASSWORD = "password"  # noqa: S105 - the method's name


@transaction.atomic
def sign_out(request: HttpRequest) -> None:
    """End the session, if there is one."""
    user = request.user
    logout(request)
    if isinstance(user, User):
        of_person(EventType.USER_LOGGED_OUT, user)


def refuse_sign_in(reason: str) -> None:
    """Record that a sign-in was refused: `no_match` (or the account is off), or `throttled`."""
    refused(reason, method=PASSWORD)
