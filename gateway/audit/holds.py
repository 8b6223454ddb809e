"""Legal holds: what is not deleted while one lasts, and why.

A hold names a project or a person. It covers whatever Sluice keeps of them: requests, events, usage
records, kept prompts and answers, files, conversations with what belongs to them, the prompt
library, batches and their rows, tables. Settings (keys, members, grants, budgets) are changed as
before; what they were is in the events.

INVARIANT: whoever deletes something of these, by order of a person, a rule or an erasure, asks here
first, right before it. A hold that is placed in that moment is too late for what is being deleted.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.apps import apps
from django.db import transaction
from django.utils import timezone

from gateway.audit.event_types import EventType
from gateway.audit.sealing_models import HoldSubject, LegalHold
from gateway.audit.services import record_event
from gateway.protocol.errors import UnderLegalHold

_REASON_CHARS: Final = 480


class NotKept(ValueError):
    """A rule or a hold that cannot be; the text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holds:
    """The holds that last, by subject: a project's slug, or an actor (a person, or a service
    account that acts for one), each with its reason."""

    projects: Mapping[str, str]
    people: Mapping[str, str]

    def reason(self, *, project: str, people: Iterable[str] = ()) -> str | None:
        """Why something of a project and these actors is kept, in a sentence; None: it is not."""
        if project in self.projects:
            return f"A legal hold on the project {project} keeps this: {self.projects[project]}"
        for person in people:
            if person in self.people:
                return f"A legal hold on a person keeps this: {self.people[person]}"
        return None

    @property
    def user_ids(self) -> list[UUID]:
        """The people as tables with accounts name them."""
        return _user_ids(self.people)


def lasting() -> Holds:
    """All holds that last. One query; one more when one is on a person."""
    rows = list(LegalHold.objects.filter(ended_at=None).values_list("kind", "subject", "reason"))
    projects = {name: why for kind, name, why in rows if kind == HoldSubject.PROJECT}
    people = {name: why for kind, name, why in rows if kind == HoldSubject.PERSON}
    return Holds(projects=projects, people=people | _acting_for(people))


def _acting_for(people: Mapping[str, str]) -> dict[str, str]:
    """The service accounts that act for people, as they are held."""
    if not people or not apps.is_installed("gateway.accounts"):
        return {}
    accounts = apps.get_model("accounts", "ServiceAccount")._default_manager
    rows = accounts.filter(on_behalf_of__in=_user_ids(people)).values_list("pk", "on_behalf_of")
    return {f"service_account:{pk}": people[f"user:{user}"] for pk, user in rows}


def _user_ids(actors: Iterable[str]) -> list[UUID]:
    found = []
    for actor in actors:
        kind, _, text = actor.partition(":")
        with suppress(ValueError):
            found += [UUID(text)] if kind == "user" else []
    return found


def refuse_held(*, project: str, people: Iterable[str] = ()) -> None:
    """Raises UnderLegalHold when a hold keeps what belongs to a project and these actors."""
    reason = lasting().reason(project=project, people=people)
    if reason is not None:
        raise UnderLegalHold(reason)


def place_hold(*, actor: str, kind: HoldSubject, subject: str, reason: str) -> LegalHold:
    """Keep everything of a project (its slug) or a person (`user:<uuid>`) until the hold ends.

    Whoever wants to delete some of it is told the reason. Raises NotKept when there is one, or no
    reason.
    """
    if not reason.strip():
        raise NotKept("say why: a hold without a reason cannot be ended by somebody else")
    with transaction.atomic():
        if LegalHold.objects.filter(kind=kind, subject=subject, ended_at=None).exists():
            raise NotKept("there is a hold on it already")
        hold = LegalHold.objects.create(
            kind=kind, subject=subject, reason=reason, since=timezone.now()
        )
        _record_hold(actor, EventType.HOLD_PLACED, hold, reason)
    return hold


def end_hold(*, actor: str, kind: HoldSubject, subject: str, reason: str) -> None:
    """Let it be deleted again. Raises NotKept when there is no hold."""
    with transaction.atomic():
        hold = LegalHold.objects.filter(kind=kind, subject=subject, ended_at=None).first()
        if hold is None:
            raise NotKept("there is no hold on it")
        LegalHold.objects.filter(pk=hold.pk).update(ended_at=timezone.now())
        _record_hold(actor, EventType.HOLD_ENDED, hold, reason)


def _record_hold(actor: str, type_: EventType, hold: LegalHold, reason: str) -> None:
    record_event(
        actor=actor,
        type=type_,
        object_type=hold.kind,
        object_id=hold.subject,
        project=hold.subject if hold.kind == HoldSubject.PROJECT else "",
        details={"reason": reason[:_REASON_CHARS]},
    )
