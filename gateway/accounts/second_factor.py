"""Who needs a second factor, and whether a session has shown one.

INVARIANT: where one is required, a session that has not shown one reaches the page that sets one
up, and nothing else (`frontend.gate`).
"""

from typing import Final

from allauth.mfa.models import Authenticator
from django.http import HttpRequest

from gateway.accounts.models import Organisation, User

_SHOWN: Final = "second_factor"


def required_of(user: User) -> bool:
    """Whether the organisation asks this person for a second factor. One query."""
    row = Organisation.objects.filter(pk=1).values_list("second_factor_for", flat=True).first()
    return user.organisation_role in (row or [])


def has_one(user: User) -> bool:
    """Whether one is set up. One query."""
    return bool(Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).exists())


def mark(request: HttpRequest, *, proved: bool) -> None:
    """Note in the session whether it has shown a second factor."""
    request.session[_SHOWN] = proved


def shown_in(session: object) -> bool:
    """Whether a session has shown one."""
    return bool(session.get(_SHOWN, False))  # type: ignore[attr-defined]
