"""Publishing policies.

A document takes effect only when every name in it is known, its tests pass, no `never` statement
is contradicted, and whoever must agree agreed; whatever does not hold changes nothing. Publishing
writes an immutable revision, its event, and moves the control version in one transaction.
"""

from collections.abc import Mapping, Sequence

from django.core.exceptions import ValidationError

from gateway.accounts.access import require, require_admin
from gateway.accounts.acting import Acting, actor_name
from gateway.accounts.changes import changing, control_version, record_change
from gateway.accounts.models import Organisation, Project, User
from gateway.accounts.roles import Role
from gateway.accounts.services.second_person import require_another, require_second_person
from gateway.audit.event_types import EventType
from policies.engine.document import DocumentError, PolicyDocument, Problem
from policies.models import Policy, PolicyRevision
from policies.services.conflicts import Conflict
from policies.services.differences import difference
from policies.services.judging import LATER, Judgement, judge_now
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
    "roll_back",
    "validate",
]

MAX_REASON_CHARS = 500


def publish(  # noqa: PLR0913 -- an act with that many sides
    *,
    by: Acting,
    document: Mapping[str, object],
    project: Project | None,
    reason: str = "",
    base: int | None = None,
    approved_by: User | None = None,
    accept_unproven: bool = False,
    judged: Judgement | None = None,
) -> PolicyRevision:
    """Put a document in effect; `project` None: the organisation's.

    Editors publish for their project, admins for the organisation. A document equal to the one in
    effect changes nothing. `base` is the number of the revision that it was made from (0: there
    was none); None: it does not matter. `accept_unproven`: statements that are too large to be
    proven are no reason to refuse. `judged` is what came of judging it before; `LATER` is for a
    caller that changes much at once and judges what it published before its transaction ends.

    Raises PermissionDenied, DocumentError, NotPublished, Conflict, SecondPersonNeeded,
    ValidationError (a reason too long).
    """
    require_author(by, project)
    reason = clean_reason(reason)
    # Judged outside of the transaction, for that may take seconds; and inside once more if the
    # control plane changed in between.
    if judged is None:
        judged = judge_now(document, project=project, accept_unproven=accept_unproven)
    with changing():
        read = validate(document, project=project)
        if project is None:
            _require_projects_still_read(read)
        digest = document_hash(document)
        policy, _ = Policy.objects.select_related("current").get_or_create(project=project)
        previous = policy.current
        if previous is not None and previous.hash == digest:
            return previous
        require_base(previous, base)
        if judged is not LATER and control_version() != judged.version:
            judged = judge_now(document, project=project, accept_unproven=accept_unproven)
        widens = widening(previous, document, project)
        require_agreement(by, project, widens, approved_by)
        return _put_in_effect(
            by=by,
            policy=policy,
            document=document,
            read=read,
            reason=reason,
            widens=widens,
            approved_by=approved_by,
            unproven=[item.pointer for item in judged.verdict.unproven],
        )


def roll_back(
    *,
    by: Acting,
    project: Project | None,
    number: int,
    reason: str = "",
    approved_by: User | None = None,
    accept_unproven: bool = False,
) -> PolicyRevision:
    """Publish an old revision again, as a new one. Raises as `publish`, and ValidationError
    when there is no such revision."""
    require_author(by, project)
    old = revision_of(project, number)
    return publish(
        by=by,
        document=old.document,
        project=project,
        reason=reason or back_to(number),
        approved_by=approved_by,
        accept_unproven=accept_unproven,
    )


def back_to(number: int) -> str:
    """The reason of a roll-back without one."""
    return f"back to revision {number}"


def revision_of(project: Project | None, number: int) -> PolicyRevision:
    """One revision. Raises ValidationError when there is none of this number."""
    found = PolicyRevision.objects.filter(policy__project=project, number=number).first()
    if found is None:
        raise ValidationError(f"There is no revision {number} of this policy.")
    return found


def require_author(by: Acting, project: Project | None) -> None:
    """Raises PermissionDenied unless `by` may change this policy."""
    if project is None:
        require_admin(by)
    else:
        require(by, project, Role.EDITOR)


def require_base(current: PolicyRevision | None, base: int | None) -> None:
    """Raises Conflict unless the revision in effect is the one that something was made from."""
    number = current.number if current is not None else 0
    if base is not None and base != number:
        raise Conflict(
            f"This was made from revision {base}, and revision {number} is in effect. "
            "Compare with it, and publish again if you still mean it."
        )


def clean_reason(reason: str) -> str:
    """Raises ValidationError for one that is too long."""
    reason = reason.strip()
    if len(reason) > MAX_REASON_CHARS:
        raise ValidationError(f"A reason has at most {MAX_REASON_CHARS} characters.")
    return reason


def widening(
    previous: PolicyRevision | None, document: Mapping[str, object], project: Project | None
) -> tuple[str, ...]:
    """How the new document may admit what the one before did not: sentences."""
    known = known_names() if project is None else names_for_projects()
    return difference(previous.document if previous else None, document, known).widens


def require_agreement(
    by: Acting, project: Project | None, widens: Sequence[str], approved_by: User | None
) -> None:
    """Raises SecondPersonNeeded when the organisation asks for a second person, who is not `by`."""
    organisation = Organisation.load()
    if project is None and organisation.second_person_for_organisation_policy:
        require_another(by, approved_by, "Publishing the organisation's policy")
    if project is not None and organisation.second_person_for_project_policies:
        require_another(by, approved_by, "Publishing a project's policy")
    if widens:
        require_second_person(by, approved_by)


def _put_in_effect(  # noqa: PLR0913 -- everything that a revision and its event record
    *,
    by: Acting,
    policy: Policy,
    document: Mapping[str, object],
    read: PolicyDocument,
    reason: str,
    widens: Sequence[str],
    approved_by: User | None,
    unproven: list[str],
) -> PolicyRevision:
    previous = policy.current
    revision = PolicyRevision(
        policy=policy,
        number=previous.number + 1 if previous is not None else 1,
        document=document,
        hash=document_hash(document),
        author=actor_name(by),
        approved_by=actor_name(approved_by) if approved_by is not None else "",
        reason=reason,
    )
    revision.save()
    policy.current = revision
    policy.save(update_fields=["current"])
    record_change(
        by,
        EventType.POLICY_PUBLISHED,
        "policy",
        policy.pk,
        project=policy.project.slug if policy.project is not None else "",
        kind=read.kind.value,
        revision=revision.hash,
        number=revision.number,
        previous=previous.hash if previous is not None else "",
        rules=[rule.id for rule in read.rules],
        widens=list(widens),
        reason=reason,
        approved_by=revision.approved_by,
        unproven=unproven,
    )
    return revision


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
