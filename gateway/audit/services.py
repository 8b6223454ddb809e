"""Events of the control plane, written in the transaction of the change they tell of."""

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import msgspec
from django.db import connection, transaction
from django.utils import timezone

from gateway.audit import chain
from gateway.audit.columns import moment
from gateway.audit.event_types import EventType
from gateway.audit.journal import WriterIdentity
from gateway.audit.lease import directory_id
from gateway.audit.models import AuditEvent, RequestRecord, Writer
from gateway.audit.pseudonyms import without_people
from gateway.audit.registry import EVENTS

Detail = str | int | bool | None | list[str]
MAX_DETAIL_CHARS = 500
_ACTOR = re.compile(r"^[a-z_]+:[^\s]{1,200}$")
_encode = msgspec.json.Encoder(order="deterministic").encode


class EventBody(msgspec.Struct, frozen=True, kw_only=True):
    """What is hashed of an event. Fields are only ever added at the end. `at`: Unix seconds."""

    at: float
    actor: str
    type: str
    project: str
    object_type: str
    object_id: str
    details: dict[str, Detail]


def record_event(
    *,
    actor: str,
    type: EventType,
    object_type: str,
    object_id: str,
    details: Mapping[str, Detail] | None = None,
    project: str = "",
) -> AuditEvent:
    """Append an event to the `control` chain, within the caller's transaction.

    `actor` is "user:<uuid>", "service_account:<uuid>" or "system:<part>". Raises ValueError for a
    detail that the registry does not list for the type (the text names it, never its value).
    People named in free text (a reason) are written as their ids: `gateway.audit.pseudonyms`.
    Takes the lock of the chain until the transaction ends: call it last, after the change.
    """
    body = _body_of(
        EventBody(
            at=timezone.now().timestamp(),
            actor=actor,
            type=type.value,
            project=project,
            object_type=object_type,
            object_id=object_id,
            details=without_people(type.value, details or {}),
        )
    )
    with transaction.atomic():
        control = _locked_control()
        position = chain.Position(
            writer=control.id, seq=control.last_seq + 1, hash=control.last_hash
        )
        hash_ = chain.link(position.hash, position.seq, body.encode())
        parsed = msgspec.json.decode(body, type=EventBody)
        event = AuditEvent(
            seq=position.seq,
            prev_hash=position.hash,
            hash=hash_,
            body=body,
            at=moment(parsed.at),
            actor=parsed.actor,
            type=parsed.type,
            project=parsed.project,
            object_type=parsed.object_type,
            object_id=parsed.object_id,
            details=parsed.details,
        )
        event.save()
        Writer.objects.filter(pk=control.pk).update(last_seq=position.seq, last_hash=hash_)
    return event


def _body_of(event: EventBody) -> str:
    spec = EVENTS[EventType(event.type)]
    if not _ACTOR.match(event.actor):
        raise ValueError('actor is not "<kind>:<id>"')
    for name, value in event.details.items():
        if name not in spec.details:
            raise ValueError(f"{event.type} has no detail {name!r}: see gateway/audit/registry.py")
        parts = value if isinstance(value, list) else [value]
        if any(not isinstance(part, str | int | bool | None) for part in parts):
            raise ValueError(f"detail {name!r} of {event.type} is not a plain value")
        if any(isinstance(part, str) and len(part) > MAX_DETAIL_CHARS for part in parts):
            raise ValueError(f"detail {name!r} of {event.type} exceeds {MAX_DETAIL_CHARS} chars")
    return _encode(event).decode().replace("\\u0000", "\\ufffd")


def _locked_control() -> Writer:
    """The control chain's row, locked until the transaction ends."""
    writers = Writer.objects.all()
    if connection.features.has_select_for_update:
        writers = writers.select_for_update()
    start = chain.genesis(chain.CONTROL_WRITER)
    control = writers.filter(pk=chain.CONTROL_WRITER).first()
    if control is None:
        defaults = {
            "role": "control",
            "started_at": timezone.now(),
            "base_hash": start,
            "last_hash": start,
        }
        Writer.objects.get_or_create(pk=chain.CONTROL_WRITER, defaults=defaults)
        control = writers.get(pk=chain.CONTROL_WRITER)
    return control


def register_writer(writer: WriterIdentity, *, directory: Path) -> None:
    """Make a journal's writer known to the database, at the start of its process.

    From then on `verify` misses it when its journal vanishes. The loader registers whom it finds
    unregistered, so a database that is down need not stop the start. One query; idempotent.
    """
    start = chain.genesis(writer.id)
    Writer.objects.get_or_create(
        pk=writer.id,
        defaults={
            "role": writer.role,
            "host": writer.host,
            "pid": writer.pid,
            "started_at": moment(writer.started_at),
            "directory": directory_id(directory),
            "base_hash": start,
            "last_hash": start,
        },
    )


def now_or_latest_seen() -> datetime:
    """Now, or where the audit stands if the clock was set back behind it: what had expired stays
    expired. Two queries; for what asks seldom."""
    now, seen = timezone.now(), latest_time_seen()
    return now if seen is None else max(now, seen)


def latest_time_seen() -> datetime | None:
    """The latest time that any record of requests or changes carries; None without any.

    Two queries by primary key: what was written last. A clock that was set back since then is
    behind it.
    """
    last_event = AuditEvent.objects.order_by("-pk").values_list("at", flat=True).first()
    last_request = RequestRecord.objects.order_by("-pk").values_list("at", flat=True).first()
    return max((at for at in (last_event, last_request) if at is not None), default=None)
