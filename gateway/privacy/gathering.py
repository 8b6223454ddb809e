"""Everything Sluice holds of one person, as one archive for them.

A ZIP of JSON (Lines) and of the files as they were uploaded. Written to a file that only its owner
reads; whoever runs Sluice hands it over and deletes it.
"""

import os
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from django.db import transaction
from django.db.models import Q

from gateway.accounts.access import require_admin
from gateway.accounts.acting import Acting, actor_name
from gateway.accounts.models import APIKey, Membership, ServiceAccount, User
from gateway.audit.console import summary
from gateway.audit.event_types import EventType
from gateway.audit.models import AuditEvent, RequestRecord
from gateway.audit.pages import in_pages
from gateway.audit.services import record_event
from gateway.batches.models import Batch
from gateway.batches.sheets.models import Sheet
from gateway.batches.sheets.shape import shape
from gateway.chat.models import Author, Message
from gateway.chat.sealing import Seal
from gateway.content.keys import Erased, Sealer
from gateway.content.models import KeptContent
from gateway.content.services import open_content
from gateway.files.models import FileState, StoredFile
from gateway.files.services import name_of, reading
from gateway.privacy.identity import Identity, identity_of


def export(*, by: Acting, user: User, path: Path) -> dict[str, int]:
    """Write the archive to `path`, which must not exist; returns how much of each kind is in it.

    Admins only; it is an event. Raises PermissionDenied, OSError.
    """
    require_admin(by)
    who = identity_of(user)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with (
            os.fdopen(descriptor, "wb") as target,
            zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive,
        ):
            counts = _fill(archive, who)
    except BaseException:
        path.unlink()
        raise
    with transaction.atomic():
        record_event(
            actor=actor_name(by),
            type=EventType.PERSON_EXPORTED,
            object_type="user",
            object_id=str(user.pk),
            details={"parts": [f"{name} {count}" for name, count in sorted(counts.items())]},
        )
    return counts


def _fill(archive: zipfile.ZipFile, who: Identity) -> dict[str, int]:
    counts = {
        name: _lines(archive, f"{name}.jsonl", rows)
        for name, rows in (
            ("account", iter([_account(who.user)])),
            ("memberships", _memberships(who.user)),
            ("api_keys", _keys(who.user)),
            ("requests", _requests(who)),
            ("events", _events(who)),
            ("kept_content", _contents(who)),
            ("batches", _batches(who)),
            ("messages", _messages(who.user)),
            ("sheets", _sheets(who)),
        )
    }
    counts["files"] = _files(archive, who)
    archive.writestr("report.json", msgspec.json.format(msgspec.json.encode(counts)))
    return counts


def _lines(archive: zipfile.ZipFile, name: str, rows: Iterator[Mapping[str, Any]]) -> int:
    count = 0
    with archive.open(name, "w") as target:
        for row in rows:
            target.write(msgspec.json.encode(row) + b"\n")
            count += 1
    return count


def _account(user: User) -> dict[str, Any]:
    return {
        "id": user.pk,
        "email": user.email,
        "name": user.name,
        "active": user.is_active,
        "organisation_role": user.organisation_role,
        "created_at": user.created_at,
        "groups": sorted(user.access_groups.values_list("slug", flat=True)),
    }


def _memberships(user: User) -> Iterator[dict[str, Any]]:
    for row in Membership.objects.filter(user=user).select_related("project"):
        yield {"project": row.project.slug, "role": row.role}


def _keys(user: User) -> Iterator[dict[str, Any]]:
    accounts = ServiceAccount.objects.filter(on_behalf_of=user)
    keys = APIKey.objects.filter(Q(user=user) | Q(service_account__in=accounts))
    for key in keys.select_related("project"):
        yield {
            "project": key.project.slug,
            "prefix": key.prefix,
            "name": key.name,
            "created_at": key.created_at,
            "revoked_at": key.revoked_at,
        }


def _requests(who: Identity) -> Iterator[dict[str, object]]:
    rows = RequestRecord.objects.filter(Q(actor__in=who.actors) | Q(on_behalf_of__in=who.actors))
    for row in in_pages(rows, by="pk", key=lambda row: int(row.pk)):
        yield summary(row)


def _events(who: Identity) -> Iterator[dict[str, Any]]:
    about = Q(object_type="user", object_id=str(who.user.pk))
    rows = AuditEvent.objects.filter(Q(actor__in=who.actors) | about)
    for row in in_pages(rows, by="pk", key=lambda row: int(row.pk)):
        yield msgspec.json.decode(row.body, type=dict[str, Any])


def _contents(who: Identity) -> Iterator[dict[str, Any]]:
    sealer = Sealer(make=False)
    for row in KeptContent.objects.filter(person__in=who.actors).order_by("at").iterator():
        try:
            exchange = open_content(row, sealer)
        except Erased:
            continue
        yield {
            "decision_id": row.decision_id,
            "at": row.at,
            "request": exchange.request.decode(errors="replace"),
            "answer": exchange.answer.decode(errors="replace"),
        }


def _messages(user: User) -> Iterator[dict[str, Any]]:
    """Their conversations whole, and their own words in those of others."""
    own = Message.objects.filter(conversation__owner=user)
    elsewhere = Message.objects.filter(author=user, role=Author.PERSON)
    rows = (own | elsewhere).select_related("conversation__project").order_by("conversation", "pk")
    seals: dict[str, Seal] = {}
    for row in rows.distinct().iterator():
        conversation = row.conversation
        seal = seals.get(conversation.pk) or Seal(conversation)
        seals[conversation.pk] = seal
        theirs = conversation.owner_id == user.pk  # another one's title is not theirs
        yield {
            "conversation": conversation.pk,
            "title": seal.open(conversation.sealed_title, "title") if theirs else "",
            "project": conversation.project.slug,
            "role": row.role,
            "at": row.created_at,
            "text": seal.open(row.sealed_text, "text"),
        }


def _batches(who: Identity) -> Iterator[dict[str, Any]]:
    for row in Batch.objects.filter(actor__in=who.actors).select_related("project"):
        yield {
            "id": row.pk,
            "project": row.project.slug,
            "status": row.status,
            "created_at": row.created_at,
            "input_file": row.input_file_id,
            "output_file": row.output_file_id,
        }


def _sheets(who: Identity) -> Iterator[dict[str, Any]]:
    """Their setup in clear; the tables and answers are among the files."""
    for row in Sheet.objects.filter(actor__in=who.actors).select_related("project", "batch"):
        yield shape(row) | {"table_file": row.table_file_id, "answers_file": row.answers_file_id}


def _files(archive: zipfile.ZipFile, who: Identity) -> int:
    rows = StoredFile.objects.filter(created_by__in=who.actors, state=FileState.READY)
    found = list(rows.select_related("project"))
    listed = [
        {"id": row.pk, "name": name_of(row), "project": row.project.slug, "bytes": row.bytes}
        for row in found
    ]
    _lines(archive, "files.jsonl", iter(listed))
    for row in found:
        with archive.open(f"files/{row.pk}", "w", force_zip64=True) as target, reading(row) as text:
            for piece in text.pieces():
                target.write(piece)
    return len(found)
