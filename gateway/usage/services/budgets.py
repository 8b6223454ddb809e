"""Budgets, limits and prices: looking at them and changing them, on the record.

The organisation's budgets are its admins'; a project's are those of whoever owns it, but for the
project's own total: whom a budget holds must not be who lifts it, so only admins change a hard
budget of a whole project. Prices and a deployment's limits are the admins'.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator, validate_email, validate_slug
from django.db.models import QuerySet

from gateway.accounts.access import require, require_admin
from gateway.accounts.acting import Acting
from gateway.accounts.changes import changing, record_change
from gateway.accounts.models import APIKey, Project, User
from gateway.accounts.roles import Role
from gateway.audit.event_types import EventType
from gateway.deployments.models import Deployment
from gateway.inference.limits import AtEnd, Period, Rates, Scope
from gateway.inference.prices import nano_of
from gateway.usage.models import Budget, DeploymentPrice, RateLimit
from gateway.usage.prices import PriceTerms

# Lua in the store counts exactly up to 2^53 nano-dollars, nine million dollars.
LARGEST_USD: Final = Decimal(5_000_000)
LARGEST_RATE: Final = 1_000_000_000
_MOST_ADDRESSES: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetSpec:
    """A budget as somebody wants it. `person` and `key` None, in their scopes: each of them."""

    name: str
    amount_usd: Decimal
    period: Period
    scope: Scope
    person: User | None = None
    key: APIKey | None = None
    hard: bool = False
    at_end: AtEnd = AtEnd.REFUSE
    emails: tuple[str, ...] = ()
    webhook: str = ""


def check(spec: BudgetSpec, project: Project | None) -> None:
    """Raises ValidationError with a message per field (`error.message_dict`)."""
    problems: dict[str, str] = {}
    try:
        validate_slug(spec.name)
    except ValidationError:
        problems["name"] = "A name has letters, digits, - and _ only."
    if not Decimal("0.000001") <= spec.amount_usd <= LARGEST_USD:
        problems["amount_usd"] = f"US dollars, above 0 and at most {LARGEST_USD}."
    problems |= _check_subject(spec, project)
    for email in spec.emails:
        try:
            validate_email(email)
        except ValidationError:
            problems["emails"] = "This is not an e-mail address."
    if len(spec.emails) > _MOST_ADDRESSES:
        problems["emails"] = f"At most {_MOST_ADDRESSES} addresses."
    if spec.webhook:
        try:
            URLValidator(schemes=["https", "http"])(spec.webhook)
        except ValidationError:
            problems["webhook"] = "Write a URL that begins with https://."
    if problems:
        raise ValidationError(problems)


def _check_subject(spec: BudgetSpec, project: Project | None) -> dict[str, str]:
    if spec.scope is Scope.ORGANISATION and project is not None:
        return {"scope": "A project's budget is for the project, its members or its keys."}
    if spec.scope is Scope.PROJECT and project is None:
        return {"scope": "The organisation's budget is for itself, its members or their keys."}
    if spec.person is not None and spec.scope is not Scope.MEMBER:
        return {"person": "Only a budget for members is one person's."}
    if spec.key is not None and spec.scope is not Scope.KEY:
        return {"key": "Only a budget for keys is one key's."}
    if spec.key is not None and (project is None or spec.key.project_id != project.pk):
        return {"key": "The project has no such key."}
    return {}


def set_budget(*, by: Acting, project: Project | None, spec: BudgetSpec) -> Budget:
    """Make a budget, or change the one of that name. What was spent in its period counts.

    Raises PermissionDenied, ValidationError.
    """
    with changing():
        before = budgets_of(project).filter(name=spec.name).first()
        _require(by, project, strict=_binds_the_project(spec) or _binds_the_project(before))
        check(spec, project)
        budget, _ = Budget.objects.update_or_create(
            project=project, name=spec.name, defaults=_fields(spec)
        )
        if before is not None and before.period != budget.period:
            # Windows are named by their first day, which two periods may share.
            budget.alerts.all().delete()
            budget.spends.all().delete()
        record_change(
            by,
            EventType.BUDGET_CHANGED,
            "budget",
            budget.pk,
            project=project.slug if project is not None else "",
            name=budget.name,
            scope=budget.scope,
            amount_usd=format(budget.amount_usd, "f"),
            period=budget.period,
            hard=budget.hard,
            at_end=budget.at_end,
            before_usd=format(before.amount_usd, "f") if before is not None else None,
        )
    return budget


def remove_budget(*, by: Acting, budget: Budget) -> None:
    """Take a budget away. What was spent stays on record. Raises PermissionDenied."""
    project = budget.project
    with changing():
        _require(by, project, strict=_binds_the_project(budget))
        key = budget.pk
        budget.delete()
        record_change(
            by,
            EventType.BUDGET_REMOVED,
            "budget",
            key,
            project=project.slug if project is not None else "",
            name=budget.name,
            amount_usd=format(budget.amount_usd, "f"),
        )


def budgets_of(project: Project | None) -> QuerySet[Budget]:
    """The budgets of a project, or of the organisation."""
    return Budget.objects.filter(project=project).select_related("project", "person", "key")


def spec_of(budget: Budget) -> BudgetSpec:
    """The spec that a row fulfils."""
    return BudgetSpec(
        name=budget.name,
        amount_usd=budget.amount_usd,
        period=Period(budget.period),
        scope=Scope(budget.scope),
        person=budget.person,
        key=budget.key,
        hard=budget.hard,
        at_end=AtEnd(budget.at_end),
        emails=tuple(budget.emails),
        webhook=budget.webhook,
    )


def _fields(spec: BudgetSpec) -> dict[str, object]:
    return {
        "scope": spec.scope.value,
        "person": spec.person,
        "key": spec.key,
        "amount_nano": nano_of(spec.amount_usd),
        "period": spec.period.value,
        "hard": spec.hard,
        "at_end": spec.at_end.value,
        "emails": list(spec.emails),
        "webhook": spec.webhook,
    }


def _binds_the_project(budget: BudgetSpec | Budget | None) -> bool:
    return budget is not None and budget.hard and budget.scope == Scope.PROJECT


def _require(by: Acting, project: Project | None, *, strict: bool) -> None:
    if project is None or strict:
        require_admin(by)
    else:
        require(by, project, Role.OWNER)


def set_rates(
    *,
    by: Acting,
    rates: Rates | None,
    project: Project | None = None,
    key: APIKey | None = None,
    deployment: Deployment | None = None,
) -> None:
    """Limit one project, key or deployment; None takes its limits away.

    Projects and deployments: admins. Keys: whoever owns the project. Raises PermissionDenied,
    ValidationError.
    """
    if key is not None:
        require(by, key.project, Role.OWNER)
    else:
        require_admin(by)
    rates = rates or Rates()
    check_rates(rates)
    stated = {
        "requests_per_minute": rates.requests_per_minute,
        "tokens_per_minute": rates.tokens_per_minute,
        "concurrency": rates.concurrency,
    }
    subject = {"project": project, "key": key, "deployment": deployment}
    named: dict[str, Any] = {name: row for name, row in subject.items() if row is not None}
    with changing():
        if rates == Rates():
            RateLimit.objects.filter(**named).delete()
        else:
            RateLimit.objects.update_or_create(**named, defaults=stated)
        ((kind, row),) = named.items()
        record_change(
            by,
            EventType.LIMIT_CHANGED,
            kind,
            row.pk,
            project=project.slug if project else key.project.slug if key else "",
            name=str(row),
            **stated,
        )


def check_rates(rates: Rates) -> None:
    """Raises ValidationError with a message per field."""
    problems = {
        name: f"A whole number from 1 to {LARGEST_RATE}."
        for name in ("requests_per_minute", "tokens_per_minute", "concurrency")
        if (value := getattr(rates, name)) is not None and not 1 <= value <= LARGEST_RATE
    }
    if problems:
        raise ValidationError(problems)


def rates_of(row: RateLimit | None) -> Rates:
    """A row as plain data; no limits without one."""
    if row is None:
        return Rates()
    return Rates(
        requests_per_minute=row.requests_per_minute,
        tokens_per_minute=row.tokens_per_minute,
        concurrency=row.concurrency,
    )


def set_price(*, by: Acting, deployment: Deployment, terms: PriceTerms | None) -> None:
    """Say what a deployment costs; None: what the price map says again.

    Requests that are priced already keep their cost. Raises PermissionDenied, ValidationError.
    """
    require_admin(by)
    if terms is not None:
        terms.check()
    with changing():
        if terms is None:
            DeploymentPrice.objects.filter(deployment=deployment).delete()
        else:
            DeploymentPrice.objects.update_or_create(
                deployment=deployment, defaults={"terms": terms.stored()}
            )
        record_change(
            by,
            EventType.PRICE_CHANGED,
            "deployment",
            deployment.pk,
            name=deployment.name,
            terms=[f"{name} {value}" for name, value in (terms.stored() if terms else {}).items()],
        )
