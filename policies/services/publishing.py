"""Publishing policies.

A document is published only when every name in it is known; whatever does not validate changes
nothing. Publishing writes an immutable revision, its event, and moves the control version.
"""

from collections.abc import Mapping

from gateway.accounts.access import require, require_admin
from gateway.accounts.acting import Acting, actor_name
from gateway.accounts.changes import changing, record_change
from gateway.accounts.models import Project
from gateway.accounts.roles import Role
from gateway.audit.registry import EventType
from policies.engine.document import DocumentError, Kind, PolicyDocument, Problem, parse_document
from policies.models import Policy, PolicyRevision
from policies.services.policy_widening import policy_widening
from policies.services.reading import (
    current_revision,
    document_hash,
    known_names,
    known_to_projects,
    names_for_projects,
    read_for_organisation,
    read_for_project,
    validate,
)

__all__ = [
    "current_revision",
    "document_hash",
    "known_names",
    "known_to_projects",
    "publish",
    "read_for_organisation",
    "read_for_project",
    "validate",
]


def publish(
    *, by: Acting, document: Mapping[str, object], project: Project | None, reason: str = ""
) -> PolicyRevision:
    """Validate a document and put it in effect; `project` None: the organisation's.

    Editors publish for their project, admins for the organisation. A document equal to the one in
    effect changes nothing. An organisation's document that would break a project's policy is
    refused. Raises PermissionDenied, DocumentError.
    """
    if project is None:
        require_admin(by)
    else:
        require(by, project, Role.EDITOR)
    with changing():
        read = validate(document, project=project)
        if project is None:
            _require_projects_still_read(read)
        digest = document_hash(document)
        policy, _ = Policy.objects.select_related("current").get_or_create(project=project)
        previous = policy.current
        if previous is not None and previous.hash == digest:
            return previous
        number = previous.number + 1 if previous is not None else 1
        revision = PolicyRevision(
            policy=policy,
            number=number,
            document=document,
            hash=digest,
            author=actor_name(by),
            reason=reason.strip(),
        )
        revision.save()
        policy.current = revision
        policy.save(update_fields=["current"])
        record_change(
            by,
            EventType.POLICY_PUBLISHED,
            "policy",
            policy.pk,
            project=project.slug if project is not None else "",
            kind=read.kind.value,
            revision=digest,
            previous=previous.hash if previous is not None else "",
            rules=[rule.id for rule in read.rules],
            widens=list(_widening(previous, read)),
        )
    return revision


def _widening(previous: PolicyRevision | None, read: PolicyDocument) -> tuple[str, ...]:
    """How the new document may admit what the one before did not, for the event."""
    if previous is None:
        return policy_widening(None, read)
    try:
        project_policy = read.kind is Kind.PROJECT
        known = names_for_projects() if project_policy else known_names()
        before = parse_document(previous.document, known)
    except DocumentError:
        return ("the policy before cannot be compared",)
    return policy_widening(before, read)


def _require_projects_still_read(organisation: PolicyDocument) -> None:
    known = known_to_projects(known_names(), organisation)
    policies = Policy.objects.filter(project__archived=False, current__isnull=False)
    for policy in policies.select_related("project", "current"):
        if policy.project is None or policy.current is None:
            continue
        try:
            read_for_project(policy.current.document, policy.project.slug, known)
        except DocumentError as error:
            first = error.problems[0]
            raise DocumentError(
                [
                    Problem(
                        "",
                        f"The policy of project {policy.project.slug!r} would not hold any more "
                        f"({first.as_text()})",
                        "Change that policy first.",
                    )
                ]
            ) from error
