"""Reading, validating and publishing policies.

A document is published only when every name in it is known; whatever does not validate changes
nothing. Publishing writes an immutable revision, its event, and moves the control version.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace

from gateway.accounts.access import require, require_admin
from gateway.accounts.acting import Acting, actor_name
from gateway.accounts.changes import changing, record_change
from gateway.accounts.models import Group, Project
from gateway.accounts.roles import Role
from gateway.audit.registry import EventType
from gateway.deployments.models import Deployment, ModelAlias
from policies.classification.recognizers import DATA_CLASSES
from policies.engine.document import (
    DocumentError,
    Kind,
    KnownNames,
    PolicyDocument,
    Problem,
    parse_document,
)
from policies.engine.labels import Taxonomy
from policies.models import Policy, PolicyRevision, WordList
from policies.services.policy_widening import policy_widening


def known_names() -> KnownNames:
    """Every name that a policy of this installation may use now. Four queries.

    A word list of any project gives its data class: the organisation's rules may name it, too.
    """
    return KnownNames(
        deployments=frozenset(Deployment.objects.values_list("name", flat=True)),
        aliases=frozenset(ModelAlias.objects.values_list("name", flat=True)),
        groups=frozenset(Group.objects.values_list("slug", flat=True)),
        data_classes=DATA_CLASSES.keys()
        | {row.as_list().data_class for row in WordList.objects.all()},
    )


def known_to_projects(known: KnownNames, organisation: PolicyDocument | None) -> KnownNames:
    """The names a project's policy may use: the organisation's categories come on top."""
    if organisation is None or not organisation.categories:
        return known
    minimums = Taxonomy().raised(dict(organisation.categories)).minimums
    return replace(
        known, categories=frozenset(known.categories) | minimums.keys(), minimums=minimums
    )


def read_for_organisation(document: object, known: KnownNames) -> PolicyDocument:
    """The organisation's document. Raises DocumentError with every problem."""
    return _of_kind(parse_document(document, known), Kind.ORGANISATION)


def read_for_project(document: object, slug: str, known: KnownNames) -> PolicyDocument:
    """A project's document. Raises DocumentError with every problem."""
    read = _of_kind(parse_document(document, known), Kind.PROJECT)
    if read.project != slug:
        raise DocumentError(
            [Problem("/project", f"This policy belongs to {slug!r}.", "Name that project.")]
        )
    return read


def _of_kind(document: PolicyDocument, kind: Kind) -> PolicyDocument:
    if document.kind is not kind:
        raise DocumentError(
            [Problem("/kind", "This is another kind of policy.", f"Write {kind.value}.")]
        )
    return document


def current_revision(project: Project | None) -> PolicyRevision | None:
    """The revision in effect; `project` None: the organisation's."""
    policy = Policy.objects.filter(project=project).select_related("current").first()
    return policy.current if policy is not None else None


def validate(document: object, *, project: Project | None) -> PolicyDocument:
    """Read a document against every known name, as publishing does. Raises DocumentError.

    `project` None: the organisation's. Reads the database, changes nothing.
    """
    if project is None:
        return read_for_organisation(document, known_names())
    return read_for_project(document, project.slug, _names_for_projects())


def _names_for_projects() -> KnownNames:
    known, current = known_names(), current_revision(None)
    organisation = read_for_organisation(current.document, known) if current else None
    return known_to_projects(known, organisation)


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
        known = _names_for_projects() if project_policy else known_names()
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


def document_hash(document: Mapping[str, object]) -> str:
    """SHA-256 (hex) of the canonical JSON of a document."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
