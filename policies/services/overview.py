"""A policy as people look at it: what is in effect in sentences, with everything that bears on it.

Wherever a policy is shown, it is shown through here, so that what suspends its rules is never
left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.accounts.models import Project
from policies.engine.document import DocumentError, PolicyDocument
from policies.engine.sentences import floor_sentence, never_sentence, rule_sentence
from policies.models import (
    PendingPublication,
    Policy,
    PolicyDraft,
    PolicyRevision,
    PublicationState,
    RuleException,
)
from policies.services.drafts import draft_of
from policies.services.reading import (
    current_revision,
    known_names,
    names_for_projects,
    read_for_organisation,
    read_for_project,
)
from policies.services.suspending import active_exceptions


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleLine:
    """One rule in words. `suspended_by`: names of the exceptions that bear on it."""

    scope: str
    id: str
    sentence: str
    shadow: bool
    recipe: str = ""
    suspended_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What is in effect, and what is about to be. `readable` false: it denies everything."""

    revision: PolicyRevision | None
    readable: bool
    floor: str
    rules: tuple[RuleLine, ...]
    never: tuple[str, ...]
    exceptions: tuple[RuleException, ...]
    draft: PolicyDraft | None
    waiting: PendingPublication | None


def overview(project: Project | None) -> Overview:
    """The policy of a project, or (None) the organisation's. Ten queries; checks no access."""
    revision = current_revision(project)
    read = _read(project, revision)
    exceptions = exceptions_on(project)
    waiting = PendingPublication.objects.filter(
        policy__project=project, state=PublicationState.WAITING
    ).first()
    return Overview(
        revision=revision,
        readable=revision is None or read is not None,
        floor=floor_sentence(read.floor) if read is not None and read.floor is not None else "",
        rules=tuple(rule_lines(read, "organisation" if project is None else "project", exceptions))
        if read is not None
        else (),
        never=tuple(never_sentence(item) for item in read.never) if read is not None else (),
        exceptions=exceptions,
        draft=draft_of(project),
        waiting=waiting,
    )


def exceptions_on(project: Project | None) -> tuple[RuleException, ...]:
    """Exceptions that hold now: a project's own, or (None) any project's on organisation rules."""
    rows = active_exceptions().select_related("project", "owner")
    if project is not None:
        return tuple(rows.filter(project=project))
    return tuple(row for row in rows if any(rule.startswith("organisation:") for rule in row.rules))


def rule_lines(
    read: PolicyDocument, scope: str, exceptions: Sequence[RuleException]
) -> Iterator[RuleLine]:
    """The rules of a document in words, in its order."""
    suspended: dict[str, list[str]] = {}
    for row in exceptions:
        for rule in row.rules:
            suspended.setdefault(rule, []).append(row.name)
    for rule in read.rules:
        yield RuleLine(
            scope=scope,
            id=rule.id,
            sentence=rule_sentence(rule),
            shadow=rule.shadow,
            recipe=rule.recipe.id if rule.recipe is not None else "",
            suspended_by=tuple(suspended.get(f"{scope}:{rule.id}", ())),
        )


def revisions_of(project: Project | None) -> Sequence[PolicyRevision]:
    """Every revision, the newest first. Checks no access."""
    return list(PolicyRevision.objects.filter(policy__project=project).order_by("-number"))


def named_document(project: Project | None, name: str) -> Mapping[str, Any] | None:
    """`current`, `draft` or a revision's number as a document; None: there is none of it."""
    if name == "draft":
        draft = draft_of(project)
        return draft.document if draft is not None else None
    if name == "current":
        policy = Policy.objects.filter(project=project).select_related("current").first()
        return policy.current.document if policy is not None and policy.current else None
    if not name.isdecimal() or len(name) > 9:
        return None
    rows = PolicyRevision.objects.filter(policy__project=project, number=int(name))
    found = rows.first()
    return found.document if found is not None else None


def _read(project: Project | None, revision: PolicyRevision | None) -> PolicyDocument | None:
    if revision is None:
        return None
    try:
        if project is None:
            return read_for_organisation(revision.document, known_names())
        return read_for_project(revision.document, project.slug, names_for_projects())
    except DocumentError:
        return None
