"""From what the database has to a project as the request path sees it.

The snapshot builds every project's view from here; so do the checks of a policy that is not in
effect yet, which therefore judge it exactly as requests would meet it.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from gateway.accounts.masking_secrets import (
    MaskingSecretUnreadable,
    digest_key,
    masking_key,
    open_masking_secret,
)
from gateway.accounts.models import Project
from gateway.accounts.services import floor_of
from gateway.deployments.models import AliasTarget, Deployment, Grant, ModelAlias
from gateway.inference.contracts import Analyser, Asked, ModelCard, ProjectView
from policies.classification.custom_patterns import CustomRecognizer
from policies.classification.model_recognizers import ModelRecognizer
from policies.classification.word_lists import WordList
from policies.engine.decide import CompiledPolicy, compile_policy
from policies.engine.document import Kind, KnownNames, PolicyDocument
from policies.engine.facts import DeploymentFacts
from policies.engine.labels import Label
from policies.models import CustomRecognizer as RecognizerRow
from policies.models import ModelRecognizer as ModelRecognizerRow
from policies.models import Policy
from policies.models import WordList as WordListRow
from policies.services.reading import (
    known_names,
    known_to_projects,
    read_for_organisation,
    read_for_project,
)

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OwnClasses:
    """What a project's texts are searched for beside the shipped classes. The organisation's
    recognizers come last: of two for one class, theirs says the category. `asked` are models."""

    word_lists: tuple[WordList, ...] = ()
    custom: tuple[CustomRecognizer, ...] = ()
    asked: tuple[ModelRecognizer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What all projects are built from, read once."""

    facts: Mapping[str, DeploymentFacts]
    aliases: Mapping[str, Sequence[str]]  # in the order they were created
    created: Mapping[str, int]
    grants: Mapping[Any, frozenset[str]]
    organisation: PolicyDocument | None
    documents: Mapping[Any, object]
    word_lists: Mapping[Any, tuple[WordList, ...]]
    custom: Mapping[Any, tuple[CustomRecognizer, ...]]  # the organisation's under None
    asked: Mapping[Any, tuple[ModelRecognizer, ...]]  # likewise
    known: KnownNames

    def context(self) -> object:
        """What every project's view depends on."""
        return self.facts, self.aliases, self.created, self.organisation, self.known

    def own_classes(self, project: Project) -> OwnClasses:
        """What a project's analyser is made of, beside what is shipped."""
        return OwnClasses(
            self.word_lists.get(project.pk, ()),
            (*self.custom.get(project.pk, ()), *self.custom.get(None, ())),
            (*self.asked.get(project.pk, ()), *self.asked.get(None, ())),
        )

    def asked_in(self, project: Project) -> tuple[Asked, ...]:
        """The models that a project's requests are shown to. Its own may only be deployments that
        it is granted; the organisation's need no grant."""
        granted = self.grants.get(project.pk, frozenset())
        own = [
            Asked(item, self.facts.get(item.deployment) if item.deployment in granted else None)
            for item in self.asked.get(project.pk, ())
        ]
        common = [Asked(item, self.facts.get(item.deployment)) for item in self.asked.get(None, ())]
        return (*own, *common)


def compile_for(project: Project, shared: Shared, document: object | None) -> CompiledPolicy:
    """A project's policy with this document (None: without any) over what it is granted now.

    Raises ValueError (DocumentError among them) for a document that cannot be read. No query.
    """
    known = known_to_projects(shared.known, shared.organisation)
    read = (
        read_for_project(document, project.slug, known)
        if document is not None
        else PolicyDocument(kind=Kind.PROJECT, project=project.slug)
    )
    return compile_policy(
        organisation=shared.organisation,
        project=replace(read, floor=_joined(floor_of(project), read.floor)),
        project_slug=project.slug,
        deployments=shared.facts,
        aliases=shared.aliases,
        grants=shared.grants.get(project.pk, frozenset()),
    )


def compile_shadow(
    project: Project, shared: Shared, document: Mapping[str, object]
) -> CompiledPolicy:
    """What would decide if this document were in effect beside everything else that is.

    It stands in for the organisation's policy or for the project's, by its kind. Raises as
    `compile_for`. No query.
    """
    if document.get("kind") != Kind.ORGANISATION.value:
        return compile_for(project, shared, document)
    instead = replace(shared, organisation=read_for_organisation(document, shared.known))
    return compile_for(project, instead, shared.documents.get(project.pk))


def view_of(
    project: Project, shared: Shared, *, document: object | None, analyser: Analyser
) -> ProjectView:
    """Everything the path needs of a project under this document. Raises as `compile_for`."""
    policy = compile_for(project, shared, document)
    secret = _secret_of(project)
    view = ProjectView(
        slug=project.slug,
        policy=policy,
        analyser=analyser,
        models=_cards(policy.aliases, policy.deployments, shared.created),
        masking_keys=_masking_keys(secret, policy.deployments),
        asked=shared.asked_in(project),
    )
    return view if secret is None else replace(view, digest_key=digest_key(secret))


def read_shared(
    deployments: Sequence[Deployment], *, organisation: PolicyDocument | None = None
) -> Shared:
    """Read what all projects are built from. Nine queries.

    `organisation` stands in for the organisation's policy in effect. Raises ValueError when that
    is needed and cannot be read.
    """
    known = known_names()
    aliases: dict[str, list[str]] = {}
    created: dict[str, int] = {}
    for alias in ModelAlias.objects.order_by("pk"):
        aliases[alias.name] = []
        created[alias.name] = int(alias.created_at.timestamp())
    targets = AliasTarget.objects.order_by("alias_id", "position")
    for alias_name, name in targets.values_list("alias__name", "deployment__name"):
        aliases.setdefault(alias_name, []).append(name)
    grants: defaultdict[Any, set[str]] = defaultdict(set)
    for project, name in Grant.objects.values_list("project_id", "deployment__name"):
        grants[project].add(name)
    word_lists = _by_owner(
        (row.project_id, row.as_list())
        for row in WordListRow.objects.order_by("project_id", "name")
    )
    custom = _by_owner(_definitions(RecognizerRow))
    asked = _by_owner(_definitions(ModelRecognizerRow))
    documents: dict[Any, object] = {}
    instead = organisation is not None
    for policy in Policy.objects.filter(current__isnull=False).select_related("current"):
        if policy.current is None:
            continue
        if policy.project_id is None:
            if not instead:
                organisation = read_for_organisation(policy.current.document, known)
        else:
            documents[policy.project_id] = policy.current.document
    return Shared(
        facts=_facts(deployments),
        aliases=aliases,
        created=created,
        grants={project: frozenset(names) for project, names in grants.items()},
        organisation=organisation,
        documents=documents,
        word_lists=word_lists,
        custom=custom,
        asked=asked,
        known=known,
    )


def _definitions(kind: type[RecognizerRow] | type[ModelRecognizerRow]) -> Iterator[tuple[Any, Any]]:
    for row in kind.objects.order_by("project_id", "name"):
        yield row.project_id, row.definition()


def _by_owner(rows: Iterable[tuple[Any, T]]) -> dict[Any, tuple[T, ...]]:
    """By project; the organisation's under None."""
    found: defaultdict[Any, list[T]] = defaultdict(list)
    for owner, item in rows:
        found[owner].append(item)
    return {owner: tuple(items) for owner, items in found.items()}


def _facts(deployments: Sequence[Deployment]) -> dict[str, DeploymentFacts]:
    found: dict[str, DeploymentFacts] = {}
    for row in deployments:
        if row.proposed:
            continue
        try:
            found[row.name] = row.facts()
        except (ValueError, TypeError, AttributeError) as error:
            log.error(  # noqa: TRY400 -- one row, no defect of the reader
                "deployment %s cannot be read (%s) and serves nobody",
                row.name,
                type(error).__name__,
            )
    return found


def _secret_of(project: Project) -> bytes | None:
    try:
        return open_masking_secret(project.masking_secret)
    except MaskingSecretUnreadable as error:
        log.error(  # noqa: TRY400 -- a known condition, no defect
            "project %s cannot mask: its secret is %s", project.slug, error
        )
        return None


def _masking_keys(
    secret: bytes | None, deployments: Mapping[str, DeploymentFacts]
) -> dict[str, bytes]:
    """A key per vendor. None at all without a readable secret: what must be masked then denies."""
    if secret is None:
        return {}
    return {
        name: masking_key(secret, deployment=name, vendor=facts.vendor)
        for name, facts in deployments.items()
    }


def _joined(floor: Label, stated: Label | None) -> Label:
    """The project's floor, raised by what its policy says; compiling adds categories' minimums."""
    if stated is None:
        return floor
    return Label(max(floor.sensitivity, stated.sensitivity), floor.categories | stated.categories)


def _cards(
    aliases: Mapping[str, Sequence[str]],
    deployments: Mapping[str, DeploymentFacts],
    created: Mapping[str, int],
) -> dict[str, ModelCard]:
    """The aliases with at least one deployment that may serve."""
    cards: dict[str, ModelCard] = {}
    for alias, names in aliases.items():
        serving = [deployments[name] for name in names if deployments[name].enabled]
        if serving:
            cards[alias] = ModelCard(
                id=alias,
                created=created.get(alias, 0),
                zones=tuple(dict.fromkeys(facts.zone.value for facts in serving)),
                endpoints=frozenset[str]().union(*(facts.endpoints for facts in serving)),
            )
    return cards
