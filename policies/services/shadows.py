"""A policy in shadow: decided beside the one in effect, recorded with each decision, compared here.

It has no effect. A project has at most one at a time: a document of its own, or of the
organisation for this project alone.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils import timezone

from gateway.accounts.access import require, require_admin
from gateway.accounts.acting import Acting, actor_name
from gateway.accounts.changes import changing, record_change
from gateway.accounts.models import Project
from gateway.accounts.roles import Role
from gateway.audit.event_types import EventType
from gateway.audit.models import RequestRecord
from gateway.deployments.models import Deployment
from policies.engine.document import Kind
from policies.models import Shadow
from policies.services.reading import document_hash, validate

RECORDS_LIMIT = 20_000  # decisions compared, the newest; about 20 µs each
NAMED = 20  # decision ids told of each move
DENIED = "denied"
_FAILED = "error"


def start_shadow(
    *, by: Acting, project: Project, document: Mapping[str, Any], source: str = "document"
) -> Shadow:
    """Decide this document beside the policy in effect, from now on, instead of the one before.

    Editors may put their project's policy in shadow, admins the organisation's. `source` says
    where it came from ("draft 3"). Raises PermissionDenied, DocumentError.
    """
    require(by, project, Role.EDITOR)
    of_organisation = document.get("kind") == Kind.ORGANISATION.value
    if of_organisation:
        require_admin(by)
    with changing():
        read = validate(document, project=None if of_organisation else project)
        _end(by, project)
        shadow = Shadow.objects.create(
            project=project,
            document=dict(document),
            hash=document_hash(document),
            source=source[:40],
            started_by=actor_name(by),
        )
        record_change(
            by,
            EventType.SHADOW_STARTED,
            "shadow",
            shadow.pk,
            project=project.slug,
            kind=read.kind.value,
            source=shadow.source,
            revision=shadow.hash,
        )
    return shadow


def start_organisation_shadows(
    *, by: Acting, projects: Sequence[Project], document: Mapping[str, Any], source: str
) -> None:
    """Decide a document of the organisation beside its policy in each of these projects, or in
    none. Raises as `start_shadow`."""
    require_admin(by)
    with changing():
        for project in projects:
            start_shadow(by=by, project=project, document=document, source=source)


def organisation_shadows() -> QuerySet[Shadow]:
    """Each project's shadow that is a document of the organisation, by the project's name. Checks
    no access."""
    rows = Shadow.objects.filter(
        ended_at__isnull=True,
        document__kind=Kind.ORGANISATION.value,
        project__archived=False,
    )
    return rows.select_related("project").order_by("project__name")


def sources_by_project() -> dict[Any, str]:
    """Where what is in shadow now came from, by the project's key. Checks no access."""
    rows = Shadow.objects.filter(ended_at__isnull=True)
    return dict(rows.values_list("project_id", "source"))


def end_organisation_shadow(*, by: Acting, project: Project) -> None:
    """End what the organisation has in shadow in this project; one of the project's own stays.
    Raises PermissionDenied."""
    require_admin(by)
    with changing():
        if organisation_shadows().filter(project=project).exists():
            _end(by, project)


def end_shadow(*, by: Acting, project: Project) -> None:
    """Decide nothing beside any more; what was recorded stays. Raises PermissionDenied."""
    require(by, project, Role.EDITOR)
    with changing():
        _end(by, project)


def shadow_of(project: Project) -> Shadow | None:
    """What is in shadow now. Checks no access."""
    return Shadow.objects.filter(project=project, ended_at__isnull=True).first()


def shadow_documents() -> dict[Any, Mapping[str, Any]]:
    """The document in shadow of each project that has one, by its key. One query."""
    rows = Shadow.objects.filter(ended_at__isnull=True)
    return dict(rows.values_list("project_id", "document"))


def _end(by: Acting, project: Project) -> None:
    shadow = shadow_of(project)
    if shadow is None:
        return
    shadow.ended_at, shadow.ended_by = timezone.now(), actor_name(by)
    shadow.save(update_fields=["ended_at", "ended_by"])
    record_change(
        by,
        EventType.SHADOW_ENDED,
        "shadow",
        shadow.pk,
        project=project.slug,
        source=shadow.source,
        revision=shadow.hash,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Requests that would go elsewhere. `before` and `after`: a zone, `denied`, or `unknown`."""

    before: str
    after: str
    count: int
    deployments: Mapping[str, int]  # "claude to llama" -> how many
    decisions: tuple[str, ...]  # some of their ids

    @property
    def words(self) -> str:
        """`38 cloud to on-prem`."""
        return f"{self.count} {_plain(self.before)} to {_plain(self.after)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What the shadow would have done to what was asked since it began.

    `failed`: requests for which it could not be decided. `rules`: how often each rule marked as
    shadow matched. `partial`: older decisions were left out for their number.
    """

    decided: int
    moves: tuple[Move, ...]
    failed: int
    rules: Mapping[str, int]
    since: datetime
    partial: bool

    @property
    def moved(self) -> int:
        """How many would go elsewhere, or nowhere, or somewhere after all."""
        return sum(move.count for move in self.moves)

    @property
    def sentence(self) -> str:
        """`41 of 2,310 would move: 38 cloud to on-prem, 3 cloud to denied.`"""
        told = f"{self.moved:,} of {self.decided:,} would move"
        if self.moves:
            told += ": " + ", ".join(move.words for move in self.moves)
        return told + "."


@dataclass(slots=True)
class _Group:
    count: int = 0
    deployments: Counter[str] = field(default_factory=Counter)
    decisions: list[str] = field(default_factory=list)


def compare(project: Project, *, limit: int = RECORDS_LIMIT) -> Comparison:
    """What the shadow of a project, running or the last one, would have changed.

    Reads the audit: decisions appear there a few seconds after they were made. Checks no access.
    Raises ValidationError when the project never had a shadow.
    """
    shadow = Shadow.objects.filter(project=project).order_by("-started_at").first()
    if shadow is None:
        raise ValidationError("This project never had a policy in shadow.")
    zones = dict(Deployment.objects.values_list("name", "zone"))
    groups: dict[tuple[str, str], _Group] = {}
    rules: Counter[str] = Counter()
    decided = failed = seen = 0
    for record in _records(project, shadow, limit):
        seen += 1
        rules.update(record.shadow_rules)
        beside = record.shadow
        if beside is None:
            continue
        if beside.outcome == _FAILED:
            failed += 1
            continue
        decided += 1
        had = record.candidates[0] if record.candidates else ""
        if had != beside.deployment:
            place = (_place(had, zones), _place(beside.deployment, zones))
            group = groups.setdefault(place, _Group())
            group.count += 1
            group.deployments[f"{had or DENIED} to {beside.deployment or DENIED}"] += 1
            if len(group.decisions) < NAMED:
                group.decisions.append(record.decision_id)
    moves = [
        Move(
            before=before,
            after=after,
            count=group.count,
            deployments=dict(group.deployments.most_common()),
            decisions=tuple(group.decisions),
        )
        for (before, after), group in groups.items()
    ]
    return Comparison(
        decided=decided,
        moves=tuple(sorted(moves, key=lambda move: (-move.count, move.before, move.after))),
        failed=failed,
        rules=dict(rules.most_common()),
        since=shadow.started_at,
        partial=seen >= limit,
    )


def _records(project: Project, shadow: Shadow, limit: int) -> Iterator[RequestRecord]:
    rows = RequestRecord.objects.filter(project=project.slug, at__gte=shadow.started_at)
    if shadow.ended_at is not None:
        rows = rows.filter(at__lte=shadow.ended_at)
    return rows.only("decision_id", "record").order_by("-at")[:limit].iterator()


def _place(deployment: str, zones: Mapping[str, str]) -> str:
    return zones.get(deployment, "unknown") if deployment else DENIED


def _plain(place: str) -> str:
    return {"on_prem": "on-prem", "private_cloud": "private cloud"}.get(place, place)
