"""Signing in and out, with the audit event of each.

A refused sign-in is recorded without the address that was typed: people type passwords there.
"""

from django.contrib.auth import login, logout
from django.db import transaction
from django.http import HttpRequest

from gateway.accounts.acting import actor_name
from gateway.accounts.models import User
from gateway.audit.registry import EventType
from gateway.audit.services import record_event

PASSWORD = "password"  # noqa: S105 - the method's name
DOOR = "system:login"


@transaction.atomic
def sign_in(request: HttpRequest, user: User) -> None:
    """Start a session for `user`, whose password was checked."""
    login(request, user)
    _record(EventType.USER_LOGGED_IN, user, method=PASSWORD)


@transaction.atomic
def sign_out(request: HttpRequest) -> None:
    """End the session, if there is one."""
    user = request.user
    logout(request)
    if isinstance(user, User):
        _record(EventType.USER_LOGGED_OUT, user)


def refuse_sign_in() -> None:
    """Record that an address and a password did not match, or that the account is off."""
    record_event(
        actor=DOOR,
        type=EventType.LOGIN_FAILED,
        object_type="login",
        object_id="",
        details={"reason": "no_match", "method": PASSWORD},
    )


def _record(type: EventType, user: User, **details: str) -> None:
    record_event(
        actor=actor_name(user),
        type=type,
        object_type="user",
        object_id=str(user.pk),
        details=details,
    )
