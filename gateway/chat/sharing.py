"""Links to a conversation: they ask for a login, end on a date or when they are revoked.

A link opens reading only. Whoever came by one loses the conversation in the moment it ends.
"""

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from gateway.accounts.acting import actor_name
from gateway.accounts.models import User
from gateway.audit.event_types import EventType
from gateway.chat.access import NoSuchConversation, get_own_conversation, may_write
from gateway.chat.conversations import record
from gateway.chat.models import Conversation, LinkGuest, ShareLink
from gateway.chat.sealing import Seal

SECRET_BYTES = 24
DAYS = (1, 7, 30)


@dataclass(frozen=True, slots=True)
class Link:
    """A link that still opens. `secret` is the end of its address."""

    id: int
    secret: str = field(repr=False)
    expires_at: datetime | None
    guests: int


def create_link(user: User, conversation_id: str, *, days: int | None) -> Link:
    """A link to one's own conversation; None: until it is revoked. Raises NoSuchConversation."""
    conversation = get_own_conversation(user, conversation_id)
    secret = secrets.token_urlsafe(SECRET_BYTES)
    row = ShareLink(
        conversation=conversation,
        digest=_digest(secret),
        sealed_secret=Seal(conversation).close(secret, "link"),
        created_by=user,
        expires_at=timezone.now() + timedelta(days=days) if days is not None else None,
    )
    with transaction.atomic():
        row.save(force_insert=True)
        record(
            EventType.LINK_CREATED,
            conversation,
            actor_name(user),
            link=str(row.pk),
            expires_at=row.expires_at.isoformat() if row.expires_at else None,
        )
    return Link(row.pk, secret, row.expires_at, 0)


def links_of(conversation: Conversation) -> list[Link]:
    """The links that still open a conversation of one's own."""
    seal = Seal(conversation)
    return [
        Link(row.pk, seal.open(row.sealed_secret, "link"), row.expires_at, row.guests.count())
        for row in _alive().filter(conversation=conversation).order_by("pk")
    ]


def revoke_link(user: User, conversation_id: str, link_id: int) -> None:
    """End a link at once. Raises NoSuchConversation."""
    conversation = get_own_conversation(user, conversation_id)
    with transaction.atomic():
        ended = ShareLink.objects.filter(
            conversation=conversation, pk=link_id, revoked_at=None
        ).update(revoked_at=timezone.now())
        if ended:
            record(EventType.LINK_REVOKED, conversation, actor_name(user), link=str(link_id))


def open_link(user: User, secret: str) -> Conversation:
    """The conversation of a link, which `user` may read from now on. Raises NoSuchConversation."""
    found = _alive().filter(digest=_digest(secret)).select_related("conversation__project").first()
    if found is None or found.conversation.project.archived or not user.is_active:
        raise NoSuchConversation("No such link.")
    conversation = found.conversation
    if conversation.expires_at is not None and conversation.expires_at <= timezone.now():
        raise NoSuchConversation("No such link.")
    if not may_write(user, conversation):
        with transaction.atomic():
            _, is_new = LinkGuest.objects.get_or_create(link=found, user=user)
            if is_new:
                record(EventType.LINK_OPENED, conversation, actor_name(user), link=str(found.pk))
    return conversation


def _alive() -> QuerySet[ShareLink]:
    now = timezone.now()
    return ShareLink.objects.filter(Q(expires_at=None) | Q(expires_at__gt=now), revoked_at=None)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
