"""A policy in shadow: decided beside the one in effect and recorded with each decision.

It has no effect. A project has at most one at a time: a document of its own, or of the
organisation for this project alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from gateway.accounts.access import require, require_admin
from gateway.accounts.acting import Acting, actor_name
from gateway.accounts.changes import changing, record_change
from gateway.accounts.models import Project
from gateway.accounts.roles import Role
from gateway.audit.event_types import EventType
from policies.engine.document import Kind
from policies.models import Shadow
from policies.services.reading import document_hash, validate


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
