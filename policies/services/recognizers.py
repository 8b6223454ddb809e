"""Recognizers that the organisation or a project defines: checked, kept, taken away.

INVARIANT: patterns, words of context and examples appear in no event and no log; who may read the
database may read them.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict

from django.db.models import Q, QuerySet

from gateway.accounts.access import require, require_admin
from gateway.accounts.acting import Acting
from gateway.accounts.changes import changing, record_change
from gateway.accounts.models import Project
from gateway.accounts.roles import Role
from gateway.audit.event_types import EventType
from policies.classification.custom_checks import (
    MAX_RECOGNIZERS,
    RecognizerProblem,
    check_recognizer,
)
from policies.classification.custom_patterns import CustomRecognizer
from policies.classification.model_recognizers import classes_of
from policies.engine.labels import DEFAULT_MINIMUMS
from policies.models import CustomRecognizer as RecognizerRow
from policies.models import ModelRecognizer, Policy, WordList
from policies.services.reading import current_revision, known_names, only_of_project


class RecognizerRefused(ValueError):
    """A recognizer that is not saved. `problems` says everything that is wrong with it."""

    def __init__(self, problems: Sequence[RecognizerProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__(" ".join(f"{p.field}: {p.sentence} {p.advice}" for p in self.problems))


class RecognizerInUse(ValueError):
    """A policy in effect names the recognizer's class, and could not be read without it."""


def recognizers_of(project: Project | None) -> tuple[CustomRecognizer, ...]:
    """Those of a project, or (None) the organisation's, by name. Checks no access."""
    rows = RecognizerRow.objects.filter(project=project).order_by("name")
    return tuple(row.definition() for row in rows)


def check(
    recognizer: CustomRecognizer,
    *,
    project: Project | None,
    categories: Collection[str] | None = None,
) -> list[RecognizerProblem]:
    """Everything that is wrong with it for this project, or (None) for the organisation.

    `categories` are those that it may name; None: the shipped ones and those of the policies in
    effect. Reads the database.
    """
    known = known_categories(project) if categories is None else categories
    problems = check_recognizer(recognizer, taken=_taken(recognizer.name, project))
    if recognizer.category not in known:
        problems.append(
            RecognizerProblem(
                "/category", "There is no such category.", f"Use one of {', '.join(sorted(known))}."
            )
        )
    others = RecognizerRow.objects.filter(project=project).exclude(name=recognizer.name)
    if others.count() >= MAX_RECOGNIZERS:
        problems.append(
            RecognizerProblem(
                "", f"There are {MAX_RECOGNIZERS} recognizers already.", "Take one away first."
            )
        )
    return problems


def set_recognizer(
    *,
    by: Acting,
    project: Project | None,
    recognizer: CustomRecognizer,
    categories: Collection[str] | None = None,
) -> None:
    """Define a recognizer, or replace the one of this name. `project` None: for every project.

    Editors may for their project, admins for the organisation. `categories` as in `check`. Raises
    PermissionDenied, RecognizerRefused.
    """
    require_owner(by, project)
    with changing():
        problems = check(recognizer, project=project, categories=categories)
        if problems:
            raise RecognizerRefused(problems)
        fields = asdict(recognizer)
        name = fields.pop("name")
        before = RecognizerRow.objects.filter(project=project, name=name).first()
        row, _ = RecognizerRow.objects.update_or_create(project=project, name=name, defaults=fields)
        record_change(
            by,
            EventType.RECOGNIZER_CHANGED,
            "recognizer",
            row.pk,
            project=_slug(project),
            name=name,
            category=recognizer.category,
            patterns=len(recognizer.patterns),
            context=len(recognizer.context),
            checksum=recognizer.checksum,
            before=before.category if before is not None else "",
        )


def remove_recognizer(*, by: Acting, project: Project | None, name: str) -> None:
    """Take a recognizer away; its class is found no more. Editors may, admins for the organisation.

    One that is not there is no error. Raises PermissionDenied, RecognizerInUse.
    """
    require_owner(by, project)
    with changing():
        row = RecognizerRow.objects.filter(project=project, name=name).first()
        if row is None:
            return
        key, data_class = row.pk, row.definition().data_class
        row.delete()
        require_no_loss([data_class], project)
        record_change(
            by,
            EventType.RECOGNIZER_REMOVED,
            "recognizer",
            key,
            project=_slug(project),
            name=name,
            category=row.category,
        )


def require_no_loss(classes: Iterable[str], project: Project | None) -> None:
    """Refuse to lose classes that a policy in effect names; they are gone from the tables already.

    Raises RecognizerInUse.
    """
    known = known_names()
    for data_class in classes:
        if data_class not in (known.data_classes or ()):
            require_unnamed(data_class, Policy.objects.all())
        elif project and data_class not in (only_of_project(known, project).data_classes or ()):
            # Another project has one of this name: this one's policy would read, and find nothing.
            require_unnamed(data_class, Policy.objects.filter(project=project))


def known_categories(project: Project | None) -> frozenset[str]:
    """The shipped categories, and those of the policies in effect. Two queries."""
    found = set(DEFAULT_MINIMUMS)
    for owner in {None, project}:
        revision = current_revision(owner)
        stated = revision.document.get("categories") if revision is not None else None
        found.update(stated if isinstance(stated, dict) else ())
    return frozenset(found)


def require_owner(by: Acting, project: Project | None) -> None:
    """Editors for their project, admins for the organisation. Raises PermissionDenied."""
    if project is None:
        require_admin(by)
    else:
        require(by, project, Role.EDITOR)


def _slug(project: Project | None) -> str:
    return project.slug if project is not None else ""


def _taken(name: str, project: Project | None) -> set[str]:
    """Classes that a recognizer of this name may not have: each class has one meaning."""
    rows = list(RecognizerRow.objects.filter(project=project).exclude(name=name))
    found = {row.definition().data_class for row in rows}
    models = ModelRecognizer.objects.filter(Q(project=project) | Q(project__isnull=True))
    found |= classes_of(row.definition() for row in models).keys()
    if project is not None:
        common = RecognizerRow.objects.filter(project__isnull=True)
        found |= {row.definition().data_class for row in common}
        found |= {row.as_list().data_class for row in WordList.objects.filter(project=project)}
    return found


def require_unnamed(data_class: str, among: QuerySet[Policy]) -> None:
    """Raises RecognizerInUse when a policy in effect names the class."""
    policies = among.filter(current__isnull=False).exclude(project__archived=True)
    for policy in policies.select_related("project", "current"):
        if policy.current is not None and data_class in _words(policy.current.document):
            whose = f"project {policy.project.slug}" if policy.project else "the organisation"
            raise RecognizerInUse(
                f"The policy of {whose} names {data_class}. Change that policy first."
            )


def _words(document: object) -> Iterator[str]:
    if isinstance(document, str):
        yield document
    elif isinstance(document, dict):
        yield from _all_words(document.values())
    elif isinstance(document, list):
        yield from _all_words(document)


def _all_words(items: Iterable[object]) -> Iterator[str]:
    for item in items:
        yield from _words(item)
