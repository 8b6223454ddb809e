"""Making, listing, changing and deleting conversations.

Services take the person who acts, check what they may, own the transaction, and write the audit
event in it. Events name ids and settings, never text.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from gateway.accounts.acting import actor_name
from gateway.accounts.models import Project, User
from gateway.audit.event_types import EventType
from gateway.audit.holds import Holds, lasting, refuse_held
from gateway.audit.retention import Kind, too_old
from gateway.audit.services import Detail, record_event
from gateway.chat.access import (
    conversations_of,
    get_conversation,
    get_own_conversation,
)
from gateway.chat.indexing import index_title
from gateway.chat.models import Conversation, Message, Pin, Visibility, new_conversation_id
from gateway.chat.sealing import Seal, new_sealed_key
from gateway.files.keys import project_key
from gateway.protocol.errors import InvalidRequest

TEMPORARY_LIVES = timedelta(hours=24)
MAX_TITLE_CHARS = 120
MAX_SYSTEM_CHARS = 50_000
RETENTION = "system:retention"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a new conversation is to be."""

    model: str
    title: str = field(default="", repr=False)
    system: str = field(default="", repr=False)
    examples: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    temporary: bool = False
    parameters: Mapping[str, float | int | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Listed:
    """A conversation in somebody's list."""

    id: str
    title: str = field(repr=False)
    updated_at: datetime
    pinned: bool
    shared: bool
    mine: bool


def create_conversation(user: User, project: Project, wanted: Wanted) -> Conversation:
    """A new conversation of `user`'s. The caller has checked that they may write in `project`."""
    conversation = Conversation(
        id=new_conversation_id(),
        project=project,
        owner=user,
        temporary=wanted.temporary,
        model=wanted.model,
        expires_at=timezone.now() + TEMPORARY_LIVES if wanted.temporary else None,
    )
    conversation.sealed_key = new_sealed_key(project, conversation.pk)
    seal = Seal(conversation)
    conversation.sealed_title = seal.close(title_from(wanted.title), "title")
    conversation.sealed_system = seal.close(checked_system(wanted.system), "system")
    if wanted.examples:
        encoded = msgspec.json.encode(wanted.examples).decode()
        conversation.sealed_examples = seal.close(encoded, "examples")
    for name, value in checked_parameters(wanted.parameters).items():
        setattr(conversation, name, value)
    with transaction.atomic():
        conversation.save(force_insert=True)
        index_title(conversation, title_from(wanted.title))
    return conversation


def title_from(text: str) -> str:
    """The first line of a text, as a title."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line if len(line) <= MAX_TITLE_CHARS else line[: MAX_TITLE_CHARS - 1].rstrip() + "…"


def list_conversations(user: User, project: Project, *, limit: int) -> list[Listed]:
    """Pinned ones first, then by age. Four queries, however many there are."""
    rows = conversations_of(user, project).select_related("project").order_by("-updated_at")
    pinned = set(Pin.objects.filter(user=user).values_list("conversation_id", flat=True))
    first = list(rows.filter(pk__in=pinned)) if pinned else []
    rest = rows.exclude(pk__in=pinned)[: max(limit - len(first), 0)]
    return listed(user, [*first, *rest], pinned=pinned)


def listed(user: User, rows: list[Conversation], *, pinned: set[str]) -> list[Listed]:
    """Rows with their titles opened. One query for each project."""
    projects = {row.project_id: row.project for row in rows}
    keys = {pk: project_key(project) for pk, project in projects.items()}
    return [
        Listed(
            id=row.pk,
            title=Seal(row, key=keys[row.project_id]).open(row.sealed_title, "title"),
            updated_at=row.updated_at,
            pinned=row.pk in pinned,
            shared=row.visibility != Visibility.PRIVATE,
            mine=row.owner_id == user.pk,
        )
        for row in rows
    ]


def title_of(conversation: Conversation) -> str:
    """The title in clear. One query for the key."""
    return Seal(conversation).open(conversation.sealed_title, "title")


def rename(user: User, conversation_id: str, title: str) -> Conversation:
    """Give it another title. Raises NoSuchConversation, InvalidRequest for an empty one."""
    conversation = get_conversation(user, conversation_id, write=True)
    if not give_title(conversation, title):
        raise InvalidRequest("A title needs at least one character.", param="title")
    return conversation


def give_title(conversation: Conversation, text: str) -> bool:
    """Make the first line of `text` the title. False: it has none, and nothing changed."""
    title = title_from(text)
    if not title:
        return False
    conversation.sealed_title = Seal(conversation).close(title, "title")
    with transaction.atomic():
        conversation.save(update_fields=["sealed_title"])
        index_title(conversation, title)
    return True


def set_pin(user: User, conversation_id: str, *, pinned: bool) -> None:
    """Keep it at the top of `user`'s list, or not. Raises NoSuchConversation."""
    conversation = get_conversation(user, conversation_id, write=True)
    if pinned:
        Pin.objects.get_or_create(conversation=conversation, user=user)
    else:
        Pin.objects.filter(conversation=conversation, user=user).delete()


def change_settings(
    user: User,
    conversation_id: str,
    *,
    system: str,
    parameters: Mapping[str, float | int | None],
) -> Conversation:
    """Another system prompt and other parameters, from the next message on.

    Raises NoSuchConversation, InvalidRequest.
    """
    conversation = get_conversation(user, conversation_id, write=True)
    conversation.sealed_system = Seal(conversation).close(checked_system(system), "system")
    for name, value in checked_parameters(parameters).items():
        setattr(conversation, name, value)
    conversation.save(update_fields=["sealed_system", "temperature", "top_p", "max_tokens"])
    return conversation


def set_visibility(user: User, conversation_id: str, visibility: Visibility) -> None:
    """Share it with the project's members, or not. Owners only. Raises NoSuchConversation."""
    conversation = get_own_conversation(user, conversation_id)
    before = conversation.visibility
    if before == visibility:
        return
    with transaction.atomic():
        conversation.visibility = visibility
        conversation.save(update_fields=["visibility"])
        record(
            EventType.CONVERSATION_SHARED,
            conversation,
            actor_name(user),
            before=str(before),
            visibility=visibility.value,
        )


def delete_conversation(user: User, conversation_id: str) -> None:
    """Delete it with all that belongs to it. Owners only. Raises NoSuchConversation,
    UnderLegalHold."""
    conversation = get_own_conversation(user, conversation_id)
    refuse_held(project=conversation.project.slug, people=people_in(conversation))
    _delete(conversation, actor=actor_name(user), reason="asked")


def people_in(conversation: Conversation) -> list[str]:
    """Whose it is and who wrote in it, as holds name them. One query."""
    authors = conversation.messages.exclude(author=None).values_list("author", flat=True)
    return [f"user:{pk}" for pk in {conversation.owner_id, *authors.distinct()}]


def kept_by(holds: Holds) -> Q:
    """The condition for conversations that legal holds keep."""
    wrote = Message.objects.filter(author__in=holds.user_ids).values("conversation")
    return Q(project__slug__in=holds.projects) | Q(owner__in=holds.user_ids) | Q(pk__in=wrote)


def expire(now: datetime) -> int:
    """Delete temporary conversations whose time is over, but for what legal holds keep.

    Idempotent. Returns how many.
    """
    rows = Conversation.objects.filter(expires_at__lte=now).exclude(kept_by(lasting()))
    gone = 0
    for conversation in rows.select_related("project").iterator():
        _delete(conversation, actor=RETENTION, reason="expired")
        gone += 1
    return gone


def forget_old(now: datetime) -> int:
    """Delete conversations in which nothing was written for as long as the rule for
    `conversations` says, but for what legal holds keep. Idempotent. Returns how many."""
    before = too_old(Kind.CONVERSATIONS, now)
    if before is None:
        return 0
    rows = Conversation.objects.filter(updated_at__lte=before).exclude(kept_by(lasting()))
    gone = 0
    for conversation in rows.select_related("project").iterator():
        _delete(conversation, actor=RETENTION, reason="too_old")
        gone += 1
    return gone


def delete_for_erasing(conversation: Conversation) -> None:
    """Delete a conversation whose owner is erased."""
    _delete(conversation, actor=RETENTION, reason="person_erased")


def _delete(conversation: Conversation, *, actor: str, reason: str) -> None:
    if connection.vendor == "sqlite":
        # Overwrites what it frees, so that the file holds nothing of it either.
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA secure_delete = ON")
    with transaction.atomic():
        messages = conversation.messages.count()
        where = conversation.pk
        conversation.delete()
        conversation.pk = where
        record(
            EventType.CONVERSATION_DELETED, conversation, actor, messages=messages, reason=reason
        )


def record(type: EventType, conversation: Conversation, actor: str, **details: Detail) -> None:
    """Write an event about a conversation, in the transaction of what it tells of."""
    record_event(
        actor=actor,
        type=type,
        object_type="conversation",
        object_id=conversation.pk,
        project=conversation.project.slug,
        details=details,
    )


def touch(conversations: QuerySet[Conversation], *, head: int, model: str = "") -> None:
    """Something was written in it."""
    changes: dict[str, object] = {"head_id": head, "updated_at": timezone.now()}
    if model:
        changes["model"] = model
    conversations.update(**changes)
    conversations.filter(temporary=True).update(expires_at=timezone.now() + TEMPORARY_LIVES)


def checked_system(text: str) -> str:
    """A system prompt as it is kept. Raises InvalidRequest for one that is too long."""
    if len(text) > MAX_SYSTEM_CHARS:
        raise InvalidRequest(
            f"A system prompt may have {MAX_SYSTEM_CHARS} characters.", param="system"
        )
    return text.strip()


PARAMETERS = {"temperature": (0, 2), "top_p": (0, 1), "max_tokens": (1, 1_000_000)}


def checked_parameters(given: Mapping[str, float | int | None]) -> dict[str, float | int | None]:
    """Every parameter, None where the model's own holds. Raises InvalidRequest for what is out of
    range."""
    found: dict[str, float | int | None] = {}
    for name, (least, most) in PARAMETERS.items():
        value = given.get(name)
        if value is not None and not least <= value <= most:
            raise InvalidRequest(f"{name} must be from {least} to {most}.", param=name)
        found[name] = int(value) if value is not None and name == "max_tokens" else value
    return found
