"""A policy document as data: selectors, conditions, effects, rules.

Owns the meaning of a selector and nothing else; reading is `document`, deciding is `decide`.

INVARIANT: everything here is immutable and compares by value, so that a policy has one hash.
"""

from dataclasses import dataclass, field
from datetime import time
from enum import StrEnum

from policies.engine.facts import DeploymentFacts, Zone
from policies.engine.labels import Label, Sensitivity
from policies.engine.permit import MaskMode


@dataclass(frozen=True, slots=True)
class Selector:
    """Which deployments are meant. None means that the attribute does not matter.

    All attributes that are given must agree; of a set, any one value.
    """

    zones: frozenset[Zone] | None = None
    deployments: frozenset[str] | None = None
    vendors: frozenset[str] | None = None  # casefolded
    regions: frozenset[str] | None = None  # casefolded
    retention_days_at_least: int | None = None
    retention_days_at_most: int | None = None
    trains_on_data: bool | None = None

    def selects(self, deployment: DeploymentFacts, *, unknown: bool) -> bool:
        """Whether the deployment is meant; an attribute nobody stated counts as `unknown`.

        Pass False where being selected is good for the deployment (it stays, it is preferred)
        and True where it is bad (it is dropped, it is masked): unknown counts as worst.
        """
        if self.zones is not None and deployment.zone not in self.zones:
            return False
        if self.deployments is not None and deployment.name not in self.deployments:
            return False
        return (
            _among(deployment.vendor, self.vendors, unknown=unknown)
            and _among(deployment.region, self.regions, unknown=unknown)
            and self._retention_agrees(deployment.retention_days, unknown=unknown)
            and self._training_agrees(deployment.trains_on_data, unknown=unknown)
        )

    def _retention_agrees(self, days: int | None, *, unknown: bool) -> bool:
        if self.retention_days_at_least is None and self.retention_days_at_most is None:
            return True
        if days is None:
            return unknown
        at_least, at_most = self.retention_days_at_least, self.retention_days_at_most
        return (at_least is None or days >= at_least) and (at_most is None or days <= at_most)

    def _training_agrees(self, trains: bool | None, *, unknown: bool) -> bool:
        if self.trains_on_data is None:
            return True
        return unknown if trains is None else trains is self.trains_on_data


def _among(value: str | None, allowed: frozenset[str] | None, *, unknown: bool) -> bool:
    if allowed is None:
        return True
    return unknown if value is None else value.casefold() in allowed


EVERYWHERE = Selector()
ALL_BUT_ON_PREM = Selector(zones=frozenset({Zone.PRIVATE_CLOUD, Zone.CLOUD}))


@dataclass(frozen=True, slots=True)
class EndpointIs:
    """The endpoint is one of these."""

    any_of: frozenset[str]


@dataclass(frozen=True, slots=True)
class AliasIs:
    """The alias that the client asked for is one of these."""

    any_of: frozenset[str]


@dataclass(frozen=True, slots=True)
class SensitivityIs:
    """The sensitivity before masking lies in this closed range."""

    at_least: Sensitivity = Sensitivity.PUBLIC
    at_most: Sensitivity = Sensitivity.RESTRICTED


@dataclass(frozen=True, slots=True)
class CategoryIs:
    """The categories before masking contain any of `any_of` (if given) and all of `all_of`."""

    any_of: frozenset[str] = frozenset()
    all_of: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class DataClassIs:
    """Findings of any of `any_of` (if given; counted together) and of each of `all_of`.

    `at_least` is how many findings it takes.
    """

    any_of: frozenset[str] = frozenset()
    all_of: frozenset[str] = frozenset()
    at_least: int = 1


@dataclass(frozen=True, slots=True)
class GroupIs:
    """The principal is in one of these groups."""

    any_of: frozenset[str]


@dataclass(frozen=True, slots=True)
class KeyIs:
    """The API key has one of these visible prefixes."""

    any_of: frozenset[str]


@dataclass(frozen=True, slots=True)
class SizeIs:
    """The body's size in bytes lies in this closed range."""

    at_least: int = 0
    at_most: int | None = None


@dataclass(frozen=True, slots=True)
class ModalityIs:
    """The request contains one of these modalities."""

    any_of: frozenset[str]


@dataclass(frozen=True, slots=True)
class ToolsAre:
    """The request brings one of these tools; `any_of` None: whether it brings any at all."""

    any_of: frozenset[str] | None = None
    present: bool = True


@dataclass(frozen=True, slots=True)
class TimeIs:
    """The wall clock in `timezone` lies in [start, end) on one of these days (Monday is 0).

    Where `end` is not after `start` the window runs past midnight and belongs to the day on
    which it began. `end` None is midnight.
    """

    days: frozenset[int] = frozenset(range(7))
    start: time = time(0)
    end: time | None = None
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class BudgetIs:
    """The state of the budget is one of `ok`, `warned`, `exhausted`."""

    any_of: frozenset[str]


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every condition holds; none at all: always."""

    conditions: tuple["Condition", ...] = ()


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one condition holds."""

    conditions: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The condition does not hold."""

    condition: "Condition"


Condition = (
    EndpointIs
    | AliasIs
    | SensitivityIs
    | CategoryIs
    | DataClassIs
    | GroupIs
    | KeyIs
    | SizeIs
    | ModalityIs
    | ToolsAre
    | TimeIs
    | BudgetIs
    | AllOf
    | AnyOf
    | Not
)
ALWAYS = AllOf()


@dataclass(frozen=True, slots=True)
class Deny:
    """No candidate remains. `message` is shown to the caller."""

    message: str = ""


@dataclass(frozen=True, slots=True)
class AllowOnly:
    """Only the selected deployments remain."""

    selector: Selector


@dataclass(frozen=True, slots=True)
class RequireApproval:
    """The selected deployments drop until the request is approved."""

    selector: Selector = EVERYWHERE


@dataclass(frozen=True, slots=True)
class Mask:
    """Findings of these data classes and categories are replaced for the selected deployments."""

    names: frozenset[str]
    selector: Selector = ALL_BUT_ON_PREM
    mode: MaskMode = MaskMode.PLACEHOLDER


@dataclass(frozen=True, slots=True)
class Prefer:
    """A stable sort: the named deployments in this order, or else the selected ones, go first."""

    names: tuple[str, ...] = ()
    selector: Selector | None = None


Effect = Deny | AllowOnly | RequireApproval | Mask | Prefer

Answer = str | int | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """The sentence that something was built from: a recipe's id and what filled its blanks.

    INVARIANT: it says where something came from and never takes part in a decision, so neither
    comparisons nor the revision hash look at it.
    """

    id: str
    answers: tuple[tuple[str, Answer], ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """WHEN a condition THEN one effect. A shadow rule is recorded and has no effect."""

    id: str
    then: Effect
    when: Condition = ALWAYS
    shadow: bool = False
    recipe: Origin | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Never:
    """A statement to prove: bytes labelled like this, as they would be sent, never reach these.

    A label is meant when its sensitivity lies in the range and, if `categories` is not empty,
    it contains one of them.
    """

    sensitivity: SensitivityIs
    categories: frozenset[str]
    selector: Selector
    recipe: Origin | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a policy's own test expects; None does not matter.

    `deployment` is the first candidate. `rules` are the ids of every rule that matched.
    """

    denied: bool | None = None
    deployment: str | None = None
    zone: Zone | None = None
    masked: int | None = None
    rules: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class PolicyTest:
    """An example beside the policy: this text to this alias."""

    text: str
    alias: str
    expect: Expectation
    endpoint: str = "chat.completions"
    declare: str = ""
    groups: frozenset[str] = frozenset()
    budget: str = "ok"  # how the budgets stand: "ok", "warned", "exhausted"
    recipe: Origin | None = field(default=None, compare=False)


class Kind(StrEnum):
    """Whose policy a document is."""

    ORGANISATION = "organisation-policy"
    PROJECT = "project-policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyDocument:
    """One policy as written. `floor` None: nothing was said.

    `relax` and `reach_out` are recorded acts that allow what is refused otherwise.
    """

    kind: Kind
    project: str = ""
    floor: Label | None = None
    categories: tuple[tuple[str, Sensitivity], ...] = ()
    rules: tuple[Rule, ...] = ()
    never: tuple[Never, ...] = ()
    tests: tuple[PolicyTest, ...] = field(default=())
    relax: frozenset[str] = frozenset()
    reach_out: frozenset[str] = frozenset()
