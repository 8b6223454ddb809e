"""Which projects keep content, who reads it, and when it goes."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from gateway.accounts.access import may, require
from gateway.accounts.acting import Acting, actor_name
from gateway.accounts.changes import changing, record_change
from gateway.accounts.models import Project
from gateway.accounts.roles import Role
from gateway.audit.event_types import EventType
from gateway.audit.holds import lasting
from gateway.audit.services import record_event
from gateway.content.keys import Exchange, Sealer, destroy_keys
from gateway.content.models import ContentRule, KeptContent, KeyScope

LONGEST_DAYS = 3_650
_ROWS = 500


class NothingKept(LookupError):
    """No content of this request is there for whoever asks."""


def keep_content(*, by: Acting, project: Project, days: int | None) -> bool:
    """Have a project keep prompts and answers for `days`, or (None) nothing: then what was kept is
    deleted. What is there already follows the new number. Owners may.

    Returns whether that is new. Raises PermissionDenied, ValueError.
    """
    require(by, project, Role.OWNER)
    if days is not None and not 1 <= days <= LONGEST_DAYS:
        raise ValueError(f"content is kept for 1 to {LONGEST_DAYS} days")
    with changing():
        rule = ContentRule.objects.filter(project=project).first()
        before = rule.days if rule else None
        if before == days:
            return False
        if days is None:
            ContentRule.objects.filter(project=project).delete()
            KeptContent.objects.filter(project=project).update(expires_at=timezone.now())
        else:
            ContentRule.objects.update_or_create(project=project, defaults={"days": days})
            kept = KeptContent.objects.filter(project=project)
            kept.update(expires_at=F("at") + timedelta(days=days))
        record_change(
            by,
            EventType.CONTENT_RULE_CHANGED,
            "project",
            project.pk,
            project=project.slug,
            before_days=before,
            days=days,
        )
    if days is None:
        sweep()
    return True


def projects_that_keep() -> frozenset[str]:
    """The slugs of the projects that keep content. One query."""
    return frozenset(ContentRule.objects.values_list("project__slug", flat=True))


def keeping_days() -> dict[str, int]:
    """For how many days projects keep content, by slug; those left out keep none. One query."""
    return dict(ContentRule.objects.values_list("project__slug", "days"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """That content of a request is kept: until when, and whether all of it. `held`: past its day,
    by a legal hold."""

    expires_at: datetime
    held: bool
    whole: bool
    readable: bool  # by who asks


def kept_standing(*, by: Acting, decision_id: str) -> Standing | None:
    """Whether content of a request is kept; None: it is not, or not any more. Reads none of it."""
    row = KeptContent.objects.select_related("project").defer("sealed").filter(pk=decision_id)
    found = row.first()
    if found is None or not _is_there(found):
        return None
    return Standing(
        expires_at=found.expires_at,
        held=found.expires_at <= timezone.now(),
        whole=found.whole,
        readable=may(by, found.project, Role.AUDITOR),
    )


def read_content(*, by: Acting, decision_id: str) -> Exchange:
    """The prompt and the answer of one request; reading is an event. Auditors of the project may.

    Raises NothingKept, PermissionDenied, Erased.
    """
    row = KeptContent.objects.select_related("project").filter(pk=decision_id).first()
    if row is None or not _is_there(row):
        raise NothingKept("no content of this request is kept")
    require(by, row.project, Role.AUDITOR)
    with transaction.atomic():
        record_event(
            actor=actor_name(by),
            type=EventType.CONTENT_READ,
            object_type="decision",
            object_id=row.decision_id,
            project=row.project.slug,
        )
    return open_content(row, Sealer(make=False))


def _is_there(row: KeptContent) -> bool:
    """Until its day, and as long as a hold keeps it."""
    if row.expires_at > timezone.now():
        return True
    return lasting().reason(project=row.project.slug, people=[row.person]) is not None


def open_content(row: KeptContent, sealer: Sealer) -> Exchange:
    """A row's text. Raises Erased. Nothing is recorded: whoever calls does."""
    return sealer.open(
        bytes(row.sealed),
        project=str(row.project_id),
        person=row.person,
        decision_id=row.decision_id,
    )


def sweep(now: datetime | None = None) -> int:
    """Delete what is past its day, but for what a legal hold keeps. Returns how many went.

    An event per project and turn says so. Idempotent; many short transactions.
    """
    now = now or timezone.now()
    gone = 0
    while True:
        with transaction.atomic():
            rows = list(_past(now).values_list("pk", "project__slug")[:_ROWS])
            if not rows:
                return gone
            KeptContent.objects.filter(pk__in=[pk for pk, _ in rows]).delete()
            for project, count in Counter(slug for _, slug in rows).items():
                _record_deletion(project, count, "expired")
        gone += len(rows)


def _past(now: datetime) -> "QuerySet[KeptContent]":
    holds = lasting()
    held_back = Q(project__slug__in=holds.projects) | Q(person__in=holds.people)
    return KeptContent.objects.filter(expires_at__lte=now).exclude(held_back)


def erase_person(person: str) -> tuple[int, int]:
    """Delete what is kept of a person (an actor) and destroy their key. Within the caller's
    transaction, whose event tells of it. Returns how many texts and keys."""
    rows, _ = KeptContent.objects.filter(person=person).delete()
    return rows, destroy_keys(KeyScope.PERSON, [person])


def _record_deletion(project: str, count: int, reason: str) -> None:
    record_event(
        actor="system:retention",
        type=EventType.CONTENT_DELETED,
        object_type="project",
        object_id=project,
        project=project,
        details={"count": count, "reason": reason},
    )
