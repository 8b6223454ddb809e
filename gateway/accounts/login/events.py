"""The audit events of the door. What was typed is in none of them."""

from collections.abc import Sequence

from gateway.accounts.acting import actor_name
from gateway.accounts.models import User
from gateway.audit.event_types import EventType
from gateway.audit.services import Detail, record_event

DOOR = "system:login"
_WORDS = {"socialaccount": "oidc", "mfa": "second_factor"}


def logged_in(user: User, methods: Sequence[str]) -> None:
    """A session started."""
    words = "+".join(_WORDS.get(each, each) for each in methods) or "session"
    of_person(EventType.USER_LOGGED_IN, user, method=words)


def refused(reason: str, *, method: str) -> None:
    """A login was refused. Nobody is named: an address may be a password typed one field early."""
    record_event(
        actor=DOOR,
        type=EventType.LOGIN_FAILED,
        object_type="login",
        object_id="",
        details={"reason": reason, "method": method},
    )


def of_person(type: EventType, user: User, **details: Detail) -> None:
    """An event about a person's own account, done by themselves."""
    record_event(
        actor=actor_name(user),
        type=type,
        object_type="user",
        object_id=str(user.pk),
        details=details,
    )
