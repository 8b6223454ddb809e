"""What a deployment's form comes to: who could use it, what examples would become, what widens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from frontend.badges import Badge, badge_for
from frontend.deployments.state import clearance_sentence
from frontend.words import CATEGORIES, category_word, sensitivity_word
from gateway.accounts.models import Organisation, Project
from gateway.deployments.models import Deployment
from gateway.deployments.services.registry import planned_change
from gateway.deployments.spec import (
    DeploymentSpec,
    admits_more,
    default_clearance,
    evidence_lasts_longer,
    facts_of,
    spec_of,
)
from policies.engine.facts import Zone
from policies.engine.labels import Sensitivity
from policies.services.usability import Usable, examples_of, shared_with, usable_by
from policies.services.views import Shared

MOST_PROJECTS: Final = 30
# Texts that are decided, never sent. Their names are shown, and in their place the texts.
EXAMPLES: Final[Sequence[tuple[Promise, str]]] = (
    (gettext_lazy("A plain question"), "Name three uses of a canal lock."),
    (
        gettext_lazy("A function in Python"),
        "def level(gate):\n    import math\n    return math.floor(gate.height * 2)\n",
    ),
    (gettext_lazy("A note with an e-mail address"), "Please write to jane.roe@clinic.example."),
    (gettext_lazy("A bill with an account number"), "Pay to DE89 3704 0044 0532 0130 00, please."),
    (
        gettext_lazy("A discharge letter"),
        "Discharge letter. Medical record number: MRN 4471902. Seen on the ward on Monday.",
    ),
)
ZONES: Final[Sequence[tuple[Zone, Promise]]] = (
    (Zone.ON_PREM, gettext_lazy("Machines you run, in networks your operator listed.")),
    (Zone.PRIVATE_CLOUD, gettext_lazy("Rented machines that only you use, under your contract.")),
    (Zone.CLOUD, gettext_lazy("A vendor's service that others use too.")),
)
STATED: Final[Sequence[tuple[str, Promise]]] = (
    ("base_url", gettext_lazy("Address")),
    ("provider", gettext_lazy("Speaks")),
    ("upstream_model", gettext_lazy("Model")),
    ("vendor", gettext_lazy("Vendor")),
    ("region", gettext_lazy("Region")),
    ("retention_days", gettext_lazy("Keeps requests, days")),
    ("trains_on_data", gettext_lazy("Trains on them")),
)
LEVELS: Final[Sequence[tuple[Sensitivity, Promise]]] = (
    (Sensitivity.PUBLIC, gettext_lazy("Could stand on your website")),
    (Sensitivity.INTERNAL, gettext_lazy("Ordinary work, nobody is harmed")),
    (Sensitivity.CONFIDENTIAL, gettext_lazy("Harm if it came out")),
    (Sensitivity.RESTRICTED, gettext_lazy("Health, secrets, what must never leak")),
)


@dataclass(frozen=True, slots=True)
class Choice:
    """A card to choose. `least`: of a kind of data, the sensitivity it always has."""

    value: str
    word: str
    detail: str
    chosen: bool
    icon: str = ""
    least: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One example, as the page has it."""

    name: str
    badge: Badge
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """Everything beside the form. `widens`: how, in a sentence; empty: it does not. `given`: by
    which rules."""

    usable: Sequence[Usable]
    count: int
    of: int
    examples: Sequence[Shown]
    example_project: str  # in whose eyes; empty: of a project without rules
    widens: str
    given: Sequence[str]
    second_person: bool
    moved: bool
    clearance: str
    usual: bool  # False: on-prem, and cleared for less than such machines usually are


def meaning_of(spec: DeploymentSpec, row: Deployment | None, shared: Shared | None) -> Meaning:
    """What saving this spec would come to. Decides for real; sends and keeps nothing."""
    facts = facts_of(spec)
    shared = shared or shared_with(facts)
    projects = list(Project.objects.filter(archived=False).order_by("name")[:MOST_PROJECTS])
    usable = usable_by(facts, projects, shared=shared)
    seen_by = next((each.project for each in usable if each.usable), None)
    decided = examples_of(facts, [text for _n, text in EXAMPLES], project=seen_by, shared=shared)
    before = spec_of(row) if row is not None else None
    moved, widens = False, admits_more(spec.wanted_clearance(), default_clearance(spec.zone))
    given: Sequence[str] = ()
    if before is not None:
        change = planned_change(before, spec, restate_clearance=True)
        moved, widens, given = change.moved, change.widens, change.given
    return Meaning(
        usable=usable,
        count=sum(each.usable for each in usable),
        of=len(usable),
        examples=[
            Shown(
                name=str(name),
                badge=badge_for(item.zone, masked=item.masked) if item.zone else Badge.BLOCKED,
                detail=_masked_words(item.masked) if item.zone else item.reason,
            )
            for (name, _text), item in zip(EXAMPLES, decided, strict=True)
        ],
        example_project=seen_by.name if seen_by is not None else "",
        widens=_widening(before, spec, row) if widens else "",
        given=given,
        second_person=widens and Organisation.load().second_person_for_widening,
        moved=moved and row is not None and not row.proposed,
        clearance=clearance_sentence(facts),
        usual=spec.zone is not Zone.ON_PREM
        or spec.wanted_clearance() == default_clearance(spec.zone),
    )


def stated_otherwise(before: DeploymentSpec, after: DeploymentSpec) -> list[tuple[str, str, str]]:
    """What is stated of a deployment and changes: its name, and both values, in words."""
    return [
        (str(word), _stated(getattr(before, name)), _stated(getattr(after, name)))
        for name, word in STATED
        if getattr(before, name) != getattr(after, name)
    ]


def _stated(value: object) -> str:
    if value is None or value == "":
        return _("not known")
    return {True: _("yes"), False: _("no")}[value] if isinstance(value, bool) else str(value)


def zone_choices(chosen: str) -> list[Choice]:
    """The cards of "Where is it?"."""
    return [
        Choice(
            zone.value, str(badge_for(zone.value).word), str(said), zone.value == chosen, zone.value
        )
        for zone, said in ZONES
    ]


def level_choices(chosen: str) -> list[Choice]:
    """The cards of "How sensitive may it be?"."""
    return [
        Choice(level.word, sensitivity_word(level.word), str(said), level.word == chosen)
        for level, said in LEVELS
    ]


def kind_choices(
    minimums: Mapping[str, Sensitivity], chosen: Sequence[str], found: frozenset[str]
) -> list[Choice]:
    """The boxes of "Which kinds of data?", the shipped ones first."""
    names = [*CATEGORIES, *sorted(set(minimums) - set(CATEGORIES))]
    return [
        Choice(
            name,
            category_word(name),
            _("from %(level)s") % {"level": sensitivity_word(minimums[name].word)}
            if name in found
            else _("only declared, from %(level)s")
            % {"level": sensitivity_word(minimums[name].word)},
            name in chosen,
            least=minimums[name].word,
        )
        for name in names
        if name in minimums
    ]


def _masked_words(masked: int) -> str:
    return _("goes with %(count)d masked") % {"count": masked} if masked else _("goes as it is")


def _widening(before: DeploymentSpec | None, spec: DeploymentSpec, row: Deployment | None) -> str:
    after = clearance_sentence(facts_of(spec))
    if before is None or row is None or row.proposed:
        return _("It may receive data %(after)s.") % {"after": after}
    had = clearance_sentence(facts_of(before))
    words: dict[str, Any] = {"name": spec.name, "before": had, "after": after}
    if had == after and not evidence_lasts_longer(spec.evidence, before.evidence):
        return _("What is stated of %(name)s makes rules give it more than now.") % words
    if had == after:
        return _("This lets %(name)s have more than now, or for longer.") % words
    return _("This widens %(name)s from data %(before)s to data %(after)s.") % words
