"""Reading a whole configuration file against the names that will exist once it is applied.

Names are collected first, so that a rule may name what is declared further down.
"""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from gateway.inference.limits import Scope
from policies.classification.model_recognizers import classes_of
from policies.classification.recognizers import DATA_CLASSES
from policies.classification.word_lists import WordList
from policies.engine.document import DocumentError, Kind, KnownNames, PolicyDocument
from policies.engine.labels import DEFAULT_MINIMUMS, Label, Sensitivity
from policies.engine.problems import Place, Problem
from policies.services.configuration.existing import Existing
from policies.services.configuration.model_recognizers import (
    Models,
    askable_then,
    classes_in,
    read_model_recognizers,
)
from policies.services.configuration.money import (
    Budgets,
    Subjects,
    read_budgets,
    read_rates,
)
from policies.services.configuration.problems import ConfigurationError
from policies.services.configuration.read_deployments import (
    SLUG,
    read_alias,
    read_deployment,
    unique_words,
)
from policies.services.configuration.read_policies import (
    flag,
    note,
    quietly,
    read_document,
    require_granted,
)
from policies.services.configuration.read_projects import (
    addresses_in,
    is_new,
    read_email,
    read_floor,
    read_limits,
    read_members,
)
from policies.services.configuration.recognizers import class_of, names_in, read_recognizers
from policies.services.configuration.suspensions import read_exceptions
from policies.services.configuration.wanted import (
    DeploymentWanted,
    Document,
    OrganisationWanted,
    ProjectWanted,
    Wanted,
)
from policies.services.configuration.word_lists import read_word_lists
from policies.services.configuration.yaml_reader import read_yaml
from policies.services.publishing import (
    known_to_projects,
    read_for_organisation,
    read_for_project,
)

SECTIONS = ("organisation", "projects", "deployments", "aliases", "groups")
SWITCHES = (
    "second_person_for_widening",
    "second_person_for_organisation_policy",
    "second_person_for_project_policies",
)
ORGANISATION = (
    "name",
    "egress_stopped",
    *SWITCHES,
    "recognizers",
    "model_recognizers",
    "budgets",
    "policy",
)
PROJECT = (
    *("slug", "name", "floor", "members", "word_lists", "recognizers", "grants", "limits"),
    *("exceptions", "shadow", "rate_limits", "budgets", "model_recognizers"),
    "policy",
)
CATEGORY = r"[a-z][a-z0-9_]{0,63}"


def read_configuration(text: str, *, file: str, folder: Path, existing: Existing) -> Wanted:
    """The file as a configuration. Raises ConfigurationError with everything that is wrong.

    Reads credentials from the environment and from files; otherwise no I/O.
    """
    source = read_yaml(text, file=file)
    problems: list[Problem] = []
    wanted = _Reader(source.data, problems, folder, existing).read()
    found = source.problems + [source.located(problem) for problem in problems]
    if found:
        raise ConfigurationError(found, file=file)
    return wanted


class _Reader:
    """One pass over one file."""

    def __init__(
        self, data: object, problems: list[Problem], folder: Path, existing: Existing
    ) -> None:
        self.root = Place(data if data is not None else {}, "", problems)
        self.folder = folder
        self.existing = existing
        self.sections = self.root.fields(SECTIONS)
        self.categories = existing.categories | self._categories()
        self.known = self._known_names()
        self.askable = existing.askable

    def read(self) -> Wanted:
        """Everything, in the file's order."""
        deployments = self._deployments()
        self.askable = {
            **self.existing.askable,
            **askable_then(deployment.spec for deployment in deployments),
        }
        organisation, document = self._organisation()
        projects = self._projects(known_to_projects(self.known, document))
        return Wanted(
            organisation=organisation,
            groups=self._groups(),
            deployments=deployments,
            aliases=self._aliases(),
            projects=projects,
            sections=frozenset(self.sections),
        )

    # --- names ---------------------------------------------------------------------------

    def _entries(self, section: str) -> list[Place]:
        return self.sections[section].items() if section in self.sections else []

    def _names(self, section: str, field: str = "name") -> frozenset[str]:
        return frozenset(
            entry.value[field]
            for entry in quietly(self.sections.get(section))
            if isinstance(entry.value, dict) and isinstance(entry.value.get(field), str)
        )

    def _policies(self) -> list[object]:
        entries = [self.sections["organisation"]] if "organisation" in self.sections else []
        entries += quietly(self.sections.get("projects"))
        return [entry.value.get("policy") for entry in entries if isinstance(entry.value, dict)]

    def _categories(self) -> frozenset[str]:
        found = set(DEFAULT_MINIMUMS)
        for policy in self._policies():
            if isinstance(policy, dict) and isinstance(policy.get("categories"), dict):
                found.update(name for name in policy["categories"] if isinstance(name, str))
        return frozenset(found)

    def _known_names(self) -> KnownNames:
        lists = {name for names in (self.existing.word_lists or {}).values() for name in names}
        for entry in quietly(self.sections.get("projects")):
            if isinstance(entry.value, dict) and isinstance(entry.value.get("word_lists"), dict):
                lists.update(name for name in entry.value["word_lists"] if isinstance(name, str))
        classes = {WordList(name=name, category="", words=()).data_class for name in lists}
        for names in (self.existing.recognizers or {}).values():
            classes.update(class_of(name) for name in names)
        for entry in [*quietly(self.sections.get("projects")), self._organisation_entry()]:
            classes.update(class_of(name) for name in names_in(entry.value))
            classes |= classes_in(entry.value)
        for models in self.existing.model_recognizers.values():
            classes.update(classes_of(models.values()))
        return KnownNames(
            deployments=self.existing.deployments | self._names("deployments"),
            aliases=self.existing.aliases | self._names("aliases"),
            groups=self.existing.groups | self._names("groups"),
            data_classes=DATA_CLASSES.keys() | classes,
        )

    def _organisation_entry(self) -> Place:
        return self.sections.get("organisation", Place({}))

    def _common_classes(self) -> set[str]:
        """The classes of the organisation's recognizers."""
        entry = self._organisation_entry().value
        said = isinstance(entry, dict) and "recognizers" in entry
        had = (self.existing.recognizers or {}).get("", ())
        return {class_of(name) for name in (names_in(entry) if said else had)}

    def _common_models(self) -> set[str]:
        """The classes of the organisation's model recognizers."""
        entry = self._organisation_entry().value
        if isinstance(entry, dict) and "model_recognizers" in entry:
            return classes_in(entry)
        return set(classes_of(self.existing.model_recognizers.get("", {}).values()))

    def _models(
        self,
        fields: dict[str, Place],
        categories: Collection[str],
        taken: Collection[str],
        *,
        granted: Collection[str] | None,
    ) -> Models | None:
        if "model_recognizers" not in fields:
            return None
        return read_model_recognizers(
            fields["model_recognizers"],
            categories=categories,
            taken=taken,
            askable=self.askable,
            granted=granted,
        )

    # --- sections ------------------------------------------------------------------------

    def _organisation(self) -> tuple[OrganisationWanted, PolicyDocument | None]:
        fields: dict[str, Place] = {}
        if "organisation" in self.sections:
            fields = self.sections["organisation"].fields(ORGANISATION)
        policy, document = None, None
        if "policy" in fields:
            policy = read_document(fields["policy"])
            document = self._organisation_document(policy, fields["policy"])
        elif self.existing.organisation is not None:
            document = self._organisation_document(self.existing.organisation, self.root)
        wanted = OrganisationWanted(
            name=fields["name"].text() if "name" in fields else None,
            egress_stopped=flag(fields, "egress_stopped"),
            **{switch: flag(fields, switch) for switch in SWITCHES},
            recognizers=read_recognizers(
                fields["recognizers"],
                DEFAULT_MINIMUMS.keys() | {name for name, _ in document.categories}
                if document is not None
                else DEFAULT_MINIMUMS.keys(),
                (),
            )
            if "recognizers" in fields
            else None,
            model_recognizers=self._models(
                fields,
                DEFAULT_MINIMUMS.keys() | {name for name, _ in document.categories}
                if document is not None
                else DEFAULT_MINIMUMS.keys(),
                self._common_classes(),
                granted=None,
            ),
            budgets=self._budgets(fields, Scope.ORGANISATION, "", {}),
            policy=policy,
        )
        return wanted, document

    def _organisation_document(
        self, policy: Document | None, place: Place
    ) -> PolicyDocument | None:
        if policy is None:
            return None
        try:
            return read_for_organisation(policy, self.known)
        except DocumentError as error:
            note(place, error, under=place is not self.root)
            return None

    def _groups(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for entry in self._entries("groups"):
            fields = entry.fields(("name", "members"), required=("name",))
            name = fields["name"].text(pattern=SLUG, what="a group") if "name" in fields else None
            members = (
                [read_email(item) for item in fields["members"].items()]
                if "members" in fields
                else []
            )
            if name is not None and is_new(fields["name"], name, found, "group"):
                found[name] = tuple(dict.fromkeys(email for email in members if email))
        return found

    def _deployments(self) -> tuple[DeploymentWanted, ...]:
        found: dict[str, DeploymentWanted] = {}
        for entry in self._entries("deployments"):
            read = read_deployment(entry, categories=self.categories, folder=self.folder)
            if read is not None and is_new(entry, read.name, found, "deployment"):
                found[read.name] = read
        return tuple(found.values())

    def _aliases(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for entry in self._entries("aliases"):
            read = read_alias(entry, deployments=self.known.deployments)
            if read is not None and is_new(entry, read[0], found, "alias"):
                found[read[0]] = read[1]
        return found

    def _projects(self, known: KnownNames) -> tuple[ProjectWanted, ...]:
        found: dict[str, ProjectWanted] = {}
        for entry in self._entries("projects"):
            fields = entry.fields(PROJECT, required=("slug",))
            slug = fields["slug"].text(pattern=SLUG, what="a slug") if "slug" in fields else None
            if slug is None or not is_new(fields["slug"], slug, found, "project"):
                continue
            policy, categories = None, frozenset(known.categories)
            grants = (
                unique_words(fields["grants"], known.deployments, "deployment")
                if "grants" in fields
                else None
            )
            if "policy" in fields:
                policy, categories = self._project_policy(fields["policy"], slug, known)
                had = (self.existing.grants or {}).get(slug, ())
                names = replace(known, deployments=grants if grants is not None else had)
                require_granted(fields["policy"], policy, slug, names)
            word_lists = (
                read_word_lists(fields["word_lists"], categories)
                if "word_lists" in fields
                else None
            )
            members = read_members(fields["members"]) if "members" in fields else None
            found[slug] = ProjectWanted(
                slug=slug,
                name=(fields["name"].text() or "") if "name" in fields else slug,
                floor=read_floor(fields["floor"], categories)
                if "floor" in fields
                else Label(Sensitivity.INTERNAL),
                members=members,
                word_lists=word_lists,
                recognizers=read_recognizers(
                    fields["recognizers"],
                    categories,
                    self._common_classes() | {class_of(name) for name in word_lists or ()},
                )
                if "recognizers" in fields
                else None,
                model_recognizers=self._models(
                    fields,
                    categories,
                    {
                        *self._common_classes(),
                        *self._common_models(),
                        *(class_of(name) for name in (*names_in(entry.value), *(word_lists or ()))),
                    },
                    granted=grants
                    if grants is not None
                    else (self.existing.grants or {}).get(slug, ()),
                ),
                grants=grants,
                exceptions=read_exceptions(fields["exceptions"])
                if "exceptions" in fields
                else None,
                shadow=self._shadow(fields["shadow"], slug, known) if "shadow" in fields else None,
                limits=read_limits(fields["limits"]) if "limits" in fields else None,
                rate_limits=read_rates(fields["rate_limits"]) if "rate_limits" in fields else None,
                budgets=self._budgets(fields, Scope.PROJECT, slug, members or {}),
                policy=policy,
            )
        return tuple(found.values())

    def _shadow(self, place: Place, slug: str, known: KnownNames) -> Document | None:
        """A document in shadow: the project's, or by its kind the organisation's."""
        if not isinstance(place.value, dict) or place.value.get("kind") != Kind.ORGANISATION:
            return self._project_policy(place, slug, known)[0]
        document = read_document(place)
        return document if self._organisation_document(document, place) is not None else None

    def _budgets(
        self, fields: dict[str, Place], own: Scope, slug: str, members: Collection[str]
    ) -> Budgets | None:
        """The budgets of the organisation, or of a project whose file has these members."""
        if "budgets" not in fields:
            return None
        had = (self.existing.subjects or {}).get(slug, Subjects())
        named = self._everybody() if own is Scope.ORGANISATION else set(members)
        subjects = Subjects(members=named | set(had.members), keys=had.keys)
        return read_budgets(fields["budgets"], own=own, subjects=subjects)

    def _everybody(self) -> set[str]:
        sections = ("groups", "projects")
        return addresses_in(e for name in sections for e in quietly(self.sections.get(name)))

    def _project_policy(
        self, place: Place, slug: str, known: KnownNames
    ) -> tuple[Document | None, frozenset[str]]:
        """The policy, and the categories that hold in this project."""
        policy = read_document(place)
        if policy is None:
            return None, frozenset(known.categories)
        policy = {**policy, "project": policy.get("project", slug)}
        try:
            read = read_for_project(policy, slug, known)
        except DocumentError as error:
            note(place, error, under=True)
            return None, self.categories
        return policy, frozenset(known.categories) | {name for name, _ in read.categories}
