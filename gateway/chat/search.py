"""Searching all of one's conversations: full text over keyed hashes of words.

The index is SQLite's FTS5 or PostgreSQL's, over `Message.terms` (a message and the text of its
files) and `TitleTerms.terms`. Every word of the query must be in one message with its files, or in
the title; a word of three to eight letters also finds longer ones that begin so.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from gateway.accounts.access import projects_of
from gateway.accounts.models import Project, User
from gateway.accounts.roles import Role
from gateway.chat.access import searchable
from gateway.chat.branches import sent_file
from gateway.chat.excerpts import excerpt, hits_of
from gateway.chat.models import Attachment, Conversation, Message, TitleTerms
from gateway.chat.sealing import Seal, Terms, words_of
from gateway.files.keys import project_key

FOUND_AT_MOST = 50
Row = TypeVar("Row", Message, TitleTerms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Where every word is. `message`: None for a title. `file`: its name, where the words stand in
    a file. `title` and `parts` (an excerpt; empty for a title) are cut so that every odd one is a
    hit."""

    conversation: str
    message: int | None
    project: str
    title: tuple[str, ...] = field(repr=False)
    parts: tuple[str, ...] = field(default=(), repr=False)
    file: str = field(default="", repr=False)
    at: datetime


def search(user: User, query: str, *, project: Project | None = None) -> list[Found]:
    """Titles, then messages, the newest first, that have every word of `query`, of the
    conversations `user` may write in. Three queries per project, and two."""
    if not words_of([query]):
        return []
    projects = [project] if project is not None else list(projects_of(user, Role.MEMBER))
    allowed = searchable(user)
    named: list[Conversation] = []
    ids: list[int] = []
    keys: dict[UUID, bytes] = {}
    for each in projects:
        wanted = Terms(each).wanted(query)
        keys[each.pk] = project_key(each)
        rows = allowed.filter(project=each)
        named += _titled(wanted, rows)
        ids += _matching(wanted, rows)
    named.sort(key=lambda row: row.updated_at, reverse=True)
    written = (
        Message.objects.filter(pk__in=ids)
        .select_related("conversation__project")
        .order_by("-created_at", "-pk")
    )
    found = [_title_found(row, query, keys) for row in named]
    left = max(FOUND_AT_MOST - len(found), 0)
    return [*found[:FOUND_AT_MOST], *_messages_found(list(written[:left]), query, keys)]


def forget_deleted() -> None:
    """Take out of SQLite's index what stays in it of deleted rows until segments are merged.

    Quick when there is nothing to do.
    """
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            for index in ("chat_terms", "chat_title_terms"):
                cursor.execute(f"INSERT INTO {index}({index}) VALUES ('optimize')")  # noqa: S608


def _titled(wanted: list[tuple[str, ...]], allowed: QuerySet[Conversation]) -> list[Conversation]:
    rows = TitleTerms.objects.filter(conversation__in=allowed)
    rows = _having(rows, wanted, table="chat_titleterms", index="chat_title_terms")
    found = rows.select_related("conversation__project").order_by("-conversation__updated_at")
    return [row.conversation for row in found[:FOUND_AT_MOST]]


def _matching(wanted: list[tuple[str, ...]], allowed: QuerySet[Conversation]) -> list[int]:
    rows = Message.objects.filter(conversation__in=allowed)
    rows = _having(rows, wanted, table="chat_message", index="chat_terms")
    return list(rows.order_by("-pk").values_list("pk", flat=True)[:FOUND_AT_MOST])


def _having(
    rows: QuerySet[Row], wanted: list[tuple[str, ...]], *, table: str, index: str
) -> QuerySet[Row]:
    """Those of which the index has, for every word, one of its terms."""
    if connection.vendor == "postgresql":
        query = " & ".join("(" + " | ".join(terms) + ")" for terms in wanted)
        where = f"to_tsvector('simple', {table}.terms) @@ to_tsquery('simple', %s)"
    else:
        query = " AND ".join("(" + " OR ".join(terms) + ")" for terms in wanted)
        where = f"{table}.id IN (SELECT rowid FROM {index} WHERE {index} MATCH %s)"  # noqa: S608
    return rows.extra(where=[where], params=[query])  # noqa: S610 - names; the query is a value


def _title_found(row: Conversation, query: str, keys: dict[UUID, bytes]) -> Found:
    title = Seal(row, key=keys[row.project_id]).open(row.sealed_title, "title")
    return Found(
        conversation=row.pk,
        message=None,
        project=row.project.name,
        title=excerpt(title, query),
        at=row.updated_at,
    )


def _messages_found(rows: list[Message], query: str, keys: dict[UUID, bytes]) -> list[Found]:
    files: dict[int, list[Attachment]] = {}
    for file in Attachment.objects.filter(message__in=rows).order_by("created_at"):
        if file.message_id is not None:
            files.setdefault(file.message_id, []).append(file)
    return [_found(row, query, keys, files.get(row.pk, [])) for row in rows]


def _found(row: Message, query: str, keys: dict[UUID, bytes], files: list[Attachment]) -> Found:
    key = keys[row.conversation.project_id]
    seal = Seal(row.conversation, key=key)
    name, text = _best(seal.open(row.sealed_text, "text"), query, files, key)
    return Found(
        conversation=row.conversation_id,
        message=row.pk,
        project=row.conversation.project.name,
        title=excerpt(seal.open(row.conversation.sealed_title, "title"), query),
        parts=excerpt(text, query),
        file=name,
        at=row.created_at,
    )


def _best(text: str, query: str, files: list[Attachment], key: bytes) -> tuple[str, str]:
    """(file's name, text) of what has most of the words: the message itself, or one of its files
    if that has more."""
    best, most = ("", text), len(hits_of(text, query))
    for row in files:
        if most == len(words_of([query])):
            break
        file = sent_file(row, key=key)
        shown = file.text or file.name
        if (count := len(hits_of(f"{file.name}\n{shown}", query))) > most:
            best, most = (file.name, shown), count
    return best
