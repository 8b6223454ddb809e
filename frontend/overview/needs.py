"""What waits for the person who looks: each a line with a number and where to go."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from frontend.deployments.routes import address_of
from frontend.deployments.state import SOON, falls_on
from gateway import runtime
from gateway.accounts.access import projects_of
from gateway.accounts.models import Project, User
from gateway.accounts.roles import Role
from gateway.deployments.models import Deployment, WaitingState
from gateway.inference.contracts import SnapshotUnavailable
from gateway.protocol.errors import GatewayError
from policies.models import ApprovalState, RuleException
from policies.services.approvals import approvals_for, may_decide
from policies.services.publications import may_review, waiting_publications
from policies.services.waiting_exceptions import may_agree, waiting_exceptions_for

WEEK: Final = timedelta(days=7)
MOST_APPROVALS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One line. `address` empty: there is no page for it. `names`: whom it is about."""

    word: str
    count: int
    address: str = ""
    names: str = ""


def needs_of(user: User, project: Project | None, deployments: list[Deployment]) -> list[Need]:
    """Those with a number, of one project or of all that the person oversees."""
    found = (
        *_approvals(user, project),
        *_publications(user, project),
        *_asked_exceptions(user, project),
        *_exceptions(user, project),
        *_evidence(deployments),
        *_proposals(user),
        *_only_declared(user, project),
    )
    return [need for need in found if need.count]


def _approvals(user: User, project: Project | None) -> Iterator[Need]:
    rows = approvals_for(user).filter(state=ApprovalState.WAITING)
    if project is not None:
        rows = rows.filter(project=project)
    waiting = [row for row in rows[:MOST_APPROVALS] if may_decide(user, row)]
    yield Need(word=_("Approvals waiting"), count=len(waiting), address=address_of("approvals"))


def _publications(user: User, project: Project | None) -> Iterator[Need]:
    if not may_review(user):
        return
    rows = waiting_publications()
    if project is not None:
        rows = rows.filter(policy__project=project)
    waiting = list(rows)
    first = waiting[0].policy.project if waiting else None
    yield Need(
        word=_("Policies waiting for a second person"),
        count=len(waiting),
        address=reverse("project-policy", kwargs={"slug": first.slug})
        if first is not None
        else reverse("organisation-policy"),
    )


def _asked_exceptions(user: User, project: Project | None) -> Iterator[Need]:
    if not may_review(user):
        return
    rows = waiting_exceptions_for(user).filter(state=WaitingState.WAITING)
    if project is not None:
        rows = rows.filter(project=project)
    waiting = [row for row in rows[:MOST_APPROVALS] if may_agree(user, row)]
    yield Need(
        word=_("Exceptions waiting for a second person"),
        count=len(waiting),
        address=f"{address_of('approvals')}#exceptions",
        names=", ".join(sorted(row.name for row in waiting)[:3]),
    )


def _exceptions(user: User, project: Project | None) -> Iterator[Need]:
    now = timezone.now()
    rows = RuleException.objects.filter(
        Q(ended_at__isnull=True), ends_at__gt=now, ends_at__lte=now + WEEK
    )
    seen = [project] if project is not None else _overseen(user)
    names = sorted(rows.filter(project__in=seen).values_list("project__slug", "name"))
    yield Need(
        word=_("Exceptions ending this week"),
        count=len(names),
        address=reverse("project-policy", kwargs={"slug": names[0][0]}) if names else "",
        names=", ".join(name for _slug, name in names[:3]),
    )


def _evidence(deployments: list[Deployment]) -> Iterator[Need]:
    soon = timezone.now().date() + SOON
    names = [
        row.name
        for row in deployments
        if row.enabled and (until := falls_on(row.facts())) is not None and until <= soon
    ]
    yield Need(
        word=_("Evidence that ends within 30 days"),
        count=len(names),
        address=address_of("deployment", name=names[0]) if names else "",
        names=", ".join(names[:3]),
    )


def _proposals(user: User) -> Iterator[Need]:
    if user.is_admin:
        count = Deployment.objects.filter(proposed=True).count()
        yield Need(
            word=_("Models found, not confirmed"), count=count, address=address_of("deployments")
        )


def _only_declared(user: User, project: Project | None) -> Iterator[Need]:
    """Categories that no recognizer of a project finds: they count where somebody declares them."""
    try:
        snapshot, _age_s = runtime.gateway().snapshots.current()
    except (GatewayError, SnapshotUnavailable):
        return
    names: set[str] = set()
    for each in [project] if project is not None else _overseen(user):
        view = snapshot.projects.get(each.slug)
        if view is not None:
            found = set(view.analyser.data_classes.values())
            names |= set(view.policy.taxonomy.minimums) - found
    yield Need(
        word=_("Categories only declared"), count=len(names), names=", ".join(sorted(names)[:3])
    )


def _overseen(user: User) -> list[Project]:
    return list(projects_of(user, Role.AUDITOR))
