"""A person's sessions: a list, and their end.

A session ends by deleting its row: the next request with its cookie is nobody's, and connections
that are open are closed within a second (`frontend.live`).
"""

from collections.abc import Iterable

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from gateway.accounts.access import require_act
from gateway.accounts.acting import Acting, actor_name
from gateway.accounts.models import User
from gateway.accounts.roles import Act
from gateway.audit.event_types import EventType
from gateway.audit.services import record_event


def sessions_of(user: User) -> list[UserSession]:
    """What is signed in as `user`, the newest first. Two queries."""
    rows = list(UserSession.objects.filter(user=user).order_by("-last_seen_at"))
    alive = set(
        Session.objects.filter(
            session_key__in=[row.session_key for row in rows], expire_date__gt=timezone.now()
        ).values_list("session_key", flat=True)
    )
    return [row for row in rows if row.session_key in alive]


def end_session(*, by: Acting, user: User, session: int) -> None:
    """End one session of `user`: one's own, or an admin anybody's. Nothing there: nothing done."""
    _require(by, user)
    rows = UserSession.objects.filter(user=user, pk=session)
    _end(by, user, rows.values_list("session_key", flat=True), reason="one")


def end_other_sessions(*, by: Acting, keep: str, user: User | None = None) -> None:
    """End every session of `user` (whoever asks, when left out) but the one with the key `keep`."""
    person = user if user is not None else by
    if not isinstance(person, User):
        raise PermissionDenied("Only a person has sessions.")
    _require(by, person)
    _end(by, person, (key for key in _keys_of(person) if key != keep), reason="others")


def end_all_sessions(by: Acting, user: User, *, reason: str) -> None:
    """End them all, for a service that checked its rights: the person was switched off, or got
    another password."""
    _end(by, user, _keys_of(user), reason=reason)


def _keys_of(user: User) -> list[str]:
    """Every session of a person, also one that no list knows. Reads the table of sessions."""
    found = []
    for session in Session.objects.filter(expire_date__gt=timezone.now()).iterator():
        if session.get_decoded().get("_auth_user_id") == str(user.pk):
            found.append(session.session_key)
    return found


@transaction.atomic
def _end(by: Acting, user: User, keys: Iterable[str], *, reason: str) -> None:
    keys = list(keys)
    ended, _ = Session.objects.filter(session_key__in=keys).delete()
    UserSession.objects.filter(user=user, session_key__in=keys).delete()
    if ended:
        record_event(
            actor=actor_name(by),
            type=EventType.SESSION_ENDED,
            object_type="user",
            object_id=str(user.pk),
            details={"count": ended, "reason": reason},
        )


def _require(by: Acting, user: User) -> None:
    if by != user:
        require_act(by, Act.CHANGE_PEOPLE)
