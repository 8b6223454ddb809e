"""What the audit's pages say of a change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from frontend.audit.rows import name_of, names_of
from gateway.audit.event_types import EventType
from gateway.audit.models import AuditEvent
from gateway.audit.registry import EVENTS

NOTHING: Final = "\N{EN DASH}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One line of the list."""

    seq: int
    at: datetime
    who: str
    type: str
    meaning: str
    project: str
    subject: str
    details: Sequence[tuple[str, str]]
    shown: str = ""  # what it is about, by a name; empty: there is none


def changes_of(events: Sequence[AuditEvent]) -> list[Change]:
    """The lines of a page. Two queries, for the names of people and programs."""
    ids = [f"{each.object_type}:{each.object_id}" for each in events]
    names = names_of([*(each.actor for each in events), *ids])
    return [
        Change(
            seq=event.seq,
            at=event.at,
            who=name_of(event.actor, names),
            type=event.type,
            meaning=_meaning(event.type),
            project=event.project,
            subject=names.get(subject) or event.object_id,
            shown=names.get(subject) or _name_in(event.details),
            details=[(key, _said(value)) for key, value in sorted(event.details.items())],
        )
        for event, subject in zip(events, ids, strict=True)
    ]


def _name_in(details: Mapping[str, object]) -> str:
    for key in ("name", "deployment", "reason"):
        if details.get(key):
            return str(details[key])
    return ""


def _meaning(type_: str) -> str:
    try:
        return EVENTS[EventType(type_)].description
    except (KeyError, ValueError):
        return ""  # written by a later version


def _said(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(each) for each in value) or NOTHING
    return NOTHING if value is None or value == "" else str(value)
