"""A configuration as data: what the file asks for, or what the database has. One shape for both.

None in a field of `OrganisationWanted`, and for members, grants, word lists, recognizers, limits
and policies, means that nothing was said: it stays as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.accounts.limits import Limits
from gateway.accounts.roles import Role
from gateway.deployments.spec import DeploymentSpec
from gateway.inference.limits import Rates
from gateway.usage.prices import PriceTerms
from policies.classification.custom_patterns import CustomRecognizer
from policies.classification.model_recognizers import ModelRecognizer
from policies.engine.labels import Label, Sensitivity
from policies.services.configuration.money import Budgets
from policies.services.configuration.suspensions import Exceptions

Document = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganisationWanted:
    """The organisation's settings and policy."""

    name: str | None = None
    egress_stopped: bool | None = None
    second_person_for_widening: bool | None = None
    second_person_for_organisation_policy: bool | None = None
    second_person_for_project_policies: bool | None = None
    recognizers: Mapping[str, CustomRecognizer] | None = None  # by name
    model_recognizers: Mapping[str, ModelRecognizer] | None = None  # by name
    budgets: Budgets | None = None
    policy: Document | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WordListWanted:
    """Words that are findings of a category."""

    category: str
    words: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectWanted:
    """A project with all that belongs to it."""

    slug: str
    name: str
    floor: Label = Label(Sensitivity.INTERNAL)  # noqa: RUF009 -- immutable
    members: Mapping[str, Role] | None = None  # by e-mail address
    word_lists: Mapping[str, WordListWanted] | None = None
    recognizers: Mapping[str, CustomRecognizer] | None = None
    model_recognizers: Mapping[str, ModelRecognizer] | None = None
    grants: tuple[str, ...] | None = None
    limits: Limits | None = None
    exceptions: Exceptions | None = None  # by name
    shadow: Document | None = None
    rate_limits: Rates | None = None
    budgets: Budgets | None = None
    policy: Document | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentWanted:
    """A deployment. `credential_source` is `env:NAME`, `file:PATH` or empty: nothing was said."""

    spec: DeploymentSpec
    credential_source: str = ""
    credential: str = field(default="", repr=False)
    price: PriceTerms | str | None = None  # a word: the price map's
    rate_limits: Rates | None = None

    @property
    def name(self) -> str:
        """The deployment's name."""
        return self.spec.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A whole configuration, in the file's order."""

    organisation: OrganisationWanted = OrganisationWanted()
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # slug -> e-mail addresses
    deployments: tuple[DeploymentWanted, ...] = ()
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    projects: tuple[ProjectWanted, ...] = ()
    sections: frozenset[str] = frozenset()  # which of them the file has
