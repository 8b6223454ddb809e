"""Statements that are in effect, proven again where something else than a policy lets more leave.

A clearance, a zone, a grant, an alias or a floor decides about every policy at once: what was
proven when a policy was published must still be true with them.
"""

from collections.abc import Iterable

from django.core.exceptions import ValidationError

from gateway.accounts.models import Project
from gateway.deployments.models import Deployment
from policies.models import Policy
from policies.services.judging import proofs_in
from policies.services.proving import Proved, contradicted
from policies.services.views import compile_for, read_shared


def broken_statements(projects: Iterable[Project] | None = None) -> tuple[Proved, ...]:
    """Every statement in effect with a counterexample now, in these projects (None: in all).

    One that is too large to be proven was accepted so when it was published, and is left. Reads
    the database; up to some seconds of CPU for each project that has statements.
    """
    if not any(
        policy.current is not None and policy.current.document.get("never")
        for policy in Policy.objects.filter(current__isnull=False).select_related("current")
    ):
        return ()
    shared = read_shared(list(Deployment.objects.all()))
    if projects is None:
        projects = Project.objects.order_by("slug")
    found: list[Proved] = []
    for project in projects:
        if project.archived:
            continue
        try:
            policy = compile_for(project, shared, shared.documents.get(project.pk))
        except (ValueError, TypeError, KeyError):
            continue  # a policy that cannot be read denies everything
        found += contradicted(proofs_in(policy, project, shared))
    return tuple(found)


def in_words(item: Proved) -> str:
    """A broken statement as people are told it."""
    whose = "the organisation's policy" if item.scope == "organisation" else "its policy"
    return (
        f"In project {item.project} a statement of {whose} ({item.pointer}) would not hold any "
        f"more: {item.sentence}"
    )


def prove_again(projects: Iterable[Project] | None) -> None:
    """Raises ValidationError when a statement is broken; see `gateway.accounts.statements`."""
    broken = broken_statements(projects)
    if broken:
        raise ValidationError(
            [
                *(in_words(item) for item in broken),
                "Narrow a policy first, or take the statement back.",
            ]
        )
