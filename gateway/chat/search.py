"""Searching all of one's conversations: full text over keyed hashes of words.

The index is SQLite's FTS5 or PostgreSQL's, over `Message.terms`. Every word of the query must be
in one message; a word of three to eight letters also finds longer ones that begin so.
"""

from dataclasses import dataclass, field
from datetime import datetime

from django.db import connection
from django.db.models import QuerySet

from gateway.accounts.access import projects_of
from gateway.accounts.models import Project, User
from gateway.accounts.roles import Role
from gateway.chat.access import searchable
from gateway.chat.conversations import title_of
from gateway.chat.models import Conversation, Message
from gateway.chat.sealing import Seal, Terms, words_of

FOUND_AT_MOST = 50
EXCERPT_CHARS = 160


@dataclass(frozen=True, slots=True)
class Found:
    """A message that has every word. `parts`: an excerpt, cut so that every odd part is a hit."""

    conversation: str
    message: int
    project: str
    title: str = field(repr=False)
    parts: tuple[str, ...] = field(repr=False)
    at: datetime


def search(user: User, query: str, *, project: Project | None = None) -> list[Found]:
    """The newest messages that have every word of `query`, of the conversations `user` may write
    in. One query of the index per project."""
    if not words_of([query]):
        return []
    projects = [project] if project is not None else list(projects_of(user, Role.MEMBER))
    ids: list[int] = []
    allowed = searchable(user)
    for each in projects:
        ids += _matching(Terms(each).wanted(query), allowed.filter(project=each))
    rows = (
        Message.objects.filter(pk__in=ids)
        .select_related("conversation__project")
        .order_by("-created_at", "-pk")[:FOUND_AT_MOST]
    )
    return [_found(row, query) for row in rows]


def forget_deleted() -> None:
    """Take out of SQLite's index what stays in it of deleted messages until segments are merged.

    Quick when there is nothing to do.
    """
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO chat_terms(chat_terms) VALUES ('optimize')")


def _matching(wanted: list[tuple[str, ...]], allowed: QuerySet[Conversation]) -> list[int]:
    rows = Message.objects.filter(conversation__in=allowed)
    if connection.vendor == "postgresql":
        query = " & ".join("(" + " | ".join(terms) + ")" for terms in wanted)
        rows = rows.extra(
            where=["to_tsvector('simple', chat_message.terms) @@ to_tsquery('simple', %s)"],
            params=[query],
        )
    else:
        query = " AND ".join("(" + " OR ".join(terms) + ")" for terms in wanted)
        rows = rows.extra(
            where=["chat_message.id IN (SELECT rowid FROM chat_terms WHERE chat_terms MATCH %s)"],
            params=[query],
        )
    return list(rows.order_by("-pk").values_list("pk", flat=True)[:FOUND_AT_MOST])


def _found(row: Message, query: str) -> Found:
    text = Seal(row.conversation).open(row.sealed_text, "text")
    return Found(
        conversation=row.conversation_id,
        message=row.pk,
        project=row.conversation.project.name,
        title=title_of(row.conversation),
        parts=excerpt(text, query),
        at=row.created_at,
    )


def excerpt(text: str, query: str) -> tuple[str, ...]:
    """Some of the text around the first hit; parts at odd places are hits."""
    wanted = words_of([query])
    hits: list[tuple[int, int]] = []
    at = 0
    for word in text.split():
        start = text.index(word, at)
        at = start + len(word)
        if any(found.startswith(each) for found in words_of([word]) for each in wanted):
            hits.append((start, at))
    first = hits[0][0] if hits else 0
    begin = max(0, first - EXCERPT_CHARS // 3)
    end = min(len(text), begin + EXCERPT_CHARS)
    parts = ["…" if begin else ""]
    at = begin
    for start, stop in hits:
        if stop > end:
            break
        parts[-1] += text[at:start]
        parts += [text[start:stop], ""]
        at = stop
    parts[-1] += text[at:end] + ("…" if end < len(text) else "")
    return tuple(" ".join(part.split("\n")) for part in parts)
