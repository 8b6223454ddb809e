"""Steps for budgets, rate limits and prices."""

from collections.abc import Iterator

from gateway.accounts.models import APIKey, Project, User
from gateway.deployments.models import Deployment
from gateway.inference.limits import Rates
from gateway.usage.prices import PriceTerms
from gateway.usage.services.budgets import (
    budgets_of,
    remove_budget,
    set_budget,
    set_price,
    set_rates,
)
from policies.services.configuration.money import (
    RATES,
    SHIPPED,
    Budgets,
    BudgetWanted,
    spec_of_wanted,
)
from policies.services.configuration.steps import Authority, Run, Step, Verb, arrow


def plan_budgets(
    slug: str, before: Budgets, after: Budgets | None, *, prune: bool
) -> Iterator[Step]:
    """Steps for the budgets of a project, or of the organisation (`slug` empty)."""
    of = slug or "the organisation"
    for name, wanted in (after or {}).items():
        had = before.get(name)
        if had != wanted:
            yield Step(
                verb=Verb.CREATE if had is None else Verb.CHANGE,
                subject=f"budget {name} of {of}",
                lines=(_words(wanted),)
                if had is None
                else (arrow("is", _words(had), _words(wanted)),),
                run=_set_budget(slug, wanted),
            )
    if prune and after is not None:
        for name in before:
            if name not in after:
                yield Step(
                    verb=Verb.REMOVE,
                    subject=f"budget {name} of {of}",
                    run=_remove_budget(slug, name),
                )


def plan_rates(kind: str, name: str, before: Rates | None, after: Rates | None) -> Iterator[Step]:
    """The step that limits a project or a deployment."""
    had = before or Rates()
    if after is None or after == had:
        return
    yield Step(
        verb=Verb.CHANGE,
        subject=f"rate limits of {kind} {name}",
        lines=tuple(
            arrow(each, getattr(had, each) or "none", getattr(after, each) or "none")
            for each in RATES
            if getattr(had, each) != getattr(after, each)
        ),
        run=_set_rates(kind, name, after),
    )


def plan_price(
    name: str, before: PriceTerms | None, after: PriceTerms | str | None
) -> Iterator[Step]:
    """The step that says what a deployment costs."""
    if after is None:
        return
    terms = None if isinstance(after, str) else after
    if terms == before:
        return
    yield Step(
        verb=Verb.CHANGE,
        subject=f"price of {name}",
        lines=(arrow("price", _price_words(before), _price_words(terms)),),
        run=lambda authority: set_price(
            by=authority.by, deployment=Deployment.objects.get(name=name), terms=terms
        ),
    )


def _words(wanted: BudgetWanted) -> str:
    whose = (
        wanted.member
        or wanted.key
        or {"member": "each member", "key": "each key"}.get(
            wanted.scope.value, f"the {wanted.scope.value}"
        )
    )
    kind = f"hard, then {wanted.at_end}" if wanted.hard else "soft"
    return f"{wanted.amount_usd:f} USD, {wanted.period}, {whose}, {kind}"


def _price_words(terms: PriceTerms | None) -> str:
    if terms is None:
        return SHIPPED
    return ", ".join(f"{name} {value}" for name, value in terms.stored().items()) or "free"


def _project(slug: str) -> Project | None:
    return Project.objects.get(slug=slug) if slug else None


def _set_budget(slug: str, wanted: BudgetWanted) -> Run:
    def run(authority: Authority) -> None:
        person = User.objects.get(email=wanted.member) if wanted.member else None
        key = APIKey.objects.get(prefix=wanted.key) if wanted.key else None
        spec = spec_of_wanted(wanted, person=person, key=key)
        set_budget(by=authority.by, project=_project(slug), spec=spec)

    return run


def _remove_budget(slug: str, name: str) -> Run:
    return lambda authority: remove_budget(
        by=authority.by, budget=budgets_of(_project(slug)).get(name=name)
    )


def _set_rates(kind: str, name: str, rates: Rates) -> Run:
    def run(authority: Authority) -> None:
        if kind == "project":
            set_rates(by=authority.by, rates=rates, project=Project.objects.get(slug=name))
        else:
            set_rates(by=authority.by, rates=rates, deployment=Deployment.objects.get(name=name))

    return run
