"""Reading policies against every name that this installation has, and finding those in effect."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace

from gateway.accounts.models import Group, Project
from gateway.deployments.models import Deployment, Grant, ModelAlias
from policies.classification.model_recognizers import classes_of
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
from policies.models import (
    CustomRecognizer,
    ModelRecognizer,
    Policy,
    PolicyRevision,
    WordList,
)


def known_names() -> KnownNames:
    """Every name that a policy of this installation may use now. Six queries.

    A word list or recognizer of any project gives its data class: the organisation's rules may
    name it, too.
    """
    return KnownNames(
        deployments=frozenset(Deployment.objects.values_list("name", flat=True)),
        aliases=frozenset(ModelAlias.objects.values_list("name", flat=True)),
        groups=frozenset(Group.objects.values_list("slug", flat=True)),
        data_classes=DATA_CLASSES.keys()
        | {row.as_list().data_class for row in WordList.objects.all()}
        | {row.definition().data_class for row in CustomRecognizer.objects.all()}
        | classes_of(row.definition() for row in ModelRecognizer.objects.all()).keys(),
    )


def only_of_project(known: KnownNames, project: Project) -> KnownNames:
    """The names left when a project writes something new: no deployment that it is not granted,
    no word list or recognizer of another. Four queries.

    A policy already in effect is read with all names: a grant that was withdrawn leaves a rule
    without a target, and must not take the project's policy down.
    """
    own, others = set(DATA_CLASSES), set[str]()
    for words in WordList.objects.all():
        (own if words.project_id == project.pk else others).add(words.as_list().data_class)
    for row in CustomRecognizer.objects.all():
        common = row.project_id is None or row.project_id == project.pk
        (own if common else others).add(row.definition().data_class)
    for model in ModelRecognizer.objects.all():
        common = model.project_id is None or model.project_id == project.pk
        (own if common else others).update(classes_of([model.definition()]))
    return replace(
        known,
        deployments=frozenset(
            Grant.objects.filter(project=project).values_list("deployment__name", flat=True)
        ),
        data_classes=frozenset(known.data_classes or ()) - (others - own),
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
    known = only_of_project(names_for_projects(), project)
    return read_for_project(document, project.slug, known)


def names_for_projects() -> KnownNames:
    """The names a project's policy may use under the organisation's policy in effect."""
    known, current = known_names(), current_revision(None)
    organisation = read_for_organisation(current.document, known) if current else None
    return known_to_projects(known, organisation)


def document_hash(document: Mapping[str, object]) -> str:
    """SHA-256 (hex) of the canonical JSON of a document."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
