"""Budgets, rate limits and prices of a configuration: reading, comparing, exporting."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from django.core.exceptions import ValidationError

from gateway.accounts.models import APIKey, Project, User
from gateway.inference.limits import AtEnd, Period, Rates, Scope
from gateway.usage.models import Budget, DeploymentPrice, RateLimit
from gateway.usage.prices import PriceTerms
from gateway.usage.services.budgets import (
    LARGEST_USD,
    BudgetSpec,
    check,
    check_rates,
    rates_of,
)
from policies.engine.problems import Place

SHIPPED: Final = "shipped"
BUDGET: Final = (*("name", "amount_usd", "period", "for", "hard", "at_end", "emails", "webhook"),)
RATES: Final = ("requests_per_minute", "tokens_per_minute", "concurrency")
PRICE: Final = ("input", "output", "cached_input", "gpu_hour", "gpus", "shared_by")
_EACH: Final = {"each_member": Scope.MEMBER, "each_key": Scope.KEY}


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetWanted:
    """A budget as plain data. `member` and `key` empty, in their scopes: each of them."""

    name: str
    amount_usd: Decimal
    period: Period
    scope: Scope
    member: str = ""  # e-mail address
    key: str = ""  # prefix
    hard: bool = False
    at_end: AtEnd = AtEnd.REFUSE
    emails: tuple[str, ...] = ()
    webhook: str = ""


Budgets = Mapping[str, BudgetWanted]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subjects:
    """Whom a project's budgets may name."""

    members: Collection[str] = ()
    keys: Collection[str] = ()


# --- reading ----------------------------------------------------------------------------------


def read_budgets(place: Place, *, own: Scope, subjects: Subjects) -> Budgets:
    """The budgets of the organisation or of a project (`own`), by name."""
    found: dict[str, BudgetWanted] = {}
    for entry in place.items():
        read = _read_budget(entry, own=own, subjects=subjects)
        if read is not None and read.name in found:
            entry.refuse(f"The budget {read.name!r} stands here twice.", "Keep one of them.")
        elif read is not None:
            found[read.name] = read
    return found


def _read_budget(place: Place, *, own: Scope, subjects: Subjects) -> BudgetWanted | None:
    noted = len(place.problems)
    fields = place.fields(BUDGET, required=("name", "amount_usd", "period"))
    scope, member, key = own, "", ""
    if "for" in fields:
        scope, member, key = _read_for(fields["for"], own, subjects)
    period = fields["period"].word([*Period], "period") if "period" in fields else None
    at_end = fields["at_end"].word([*AtEnd], "way to end") if "at_end" in fields else AtEnd.REFUSE
    wanted = BudgetWanted(
        name=(fields["name"].text(what="a name") if "name" in fields else None) or "",
        amount_usd=(_decimal(fields["amount_usd"]) if "amount_usd" in fields else None)
        or Decimal(0),
        period=Period(period) if period else Period.MONTH,
        scope=scope,
        member=member,
        key=key,
        hard=bool(fields["hard"].boolean()) if "hard" in fields else False,
        at_end=AtEnd(at_end or AtEnd.REFUSE),
        emails=fields["emails"].words(None, "e-mail address") if "emails" in fields else (),
        webhook=(fields["webhook"].text(what="a URL") if "webhook" in fields else None) or "",
    )
    if len(place.problems) > noted:
        return None
    try:
        check(spec_of_wanted(wanted), Project() if own is Scope.PROJECT else None)
    except ValidationError as error:
        for name, messages in error.message_dict.items():
            fields.get(name, place).refuse(messages[0], "")
        return None
    return wanted


def _read_for(place: Place, own: Scope, subjects: Subjects) -> tuple[Scope, str, str]:
    if isinstance(place.value, str):
        word = place.word([own.value, *_EACH], "subject")
        return (_EACH.get(word or "", own)), "", ""
    fields = place.fields(("member", "key") if own is Scope.PROJECT else ("member",))
    if len(fields) != 1 and isinstance(place.value, Mapping):
        place.refuse("This is not one subject.", "Write a member's address, or a key's prefix.")
    member = fields["member"].word(subjects.members, "member") if "member" in fields else None
    key = fields["key"].word(subjects.keys, "key") if "key" in fields else None
    return (Scope.KEY if "key" in fields else Scope.MEMBER), member or "", key or ""


def read_rates(place: Place) -> Rates:
    """Limits of a project or a deployment."""
    found: dict[str, int] = {}
    for name, at in place.fields(RATES).items():
        number = at.integer(at_least=1)
        if number is not None:
            found[name] = number
            _note(at, lambda name=name, number=number: check_rates(Rates(**{name: number})))
    return Rates(**found)


def read_price(place: Place) -> PriceTerms | str | None:
    """A deployment's price, or the word for the price map's."""
    if isinstance(place.value, str):
        return place.word([SHIPPED], "price")
    found: dict[str, Any] = {}
    for name, at in place.fields(PRICE).items():
        value = at.integer(at_least=1) if name in {"gpus", "shared_by"} else _decimal(at)
        if value is not None:
            found[name] = value
            _note(at, lambda name=name, value=value: PriceTerms(**{name: value}).check())
    return PriceTerms(**found)


def _note(place: Place, checking: Any) -> None:
    try:
        checking()
    except ValidationError as error:
        place.refuse(error.messages[0], "")


def _decimal(place: Place) -> Decimal | None:
    """An amount: what YAML reads as a float is taken as it was written."""
    value = place.value
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        place.refuse("This is not a number.", "Write an amount in US dollars, such as 2.50.")
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or not 0 <= number <= LARGEST_USD:
        place.refuse("This is not an amount.", f"Write US dollars, from 0 to {LARGEST_USD}.")
        return None
    return number


def spec_of_wanted(
    wanted: BudgetWanted, *, person: User | None = None, key: APIKey | None = None
) -> BudgetSpec:
    """The service's form of a budget, with whom it is for looked up."""
    return BudgetSpec(
        name=wanted.name,
        amount_usd=wanted.amount_usd,
        period=wanted.period,
        scope=wanted.scope,
        person=person,
        key=key,
        hard=wanted.hard,
        at_end=wanted.at_end,
        emails=wanted.emails,
        webhook=wanted.webhook,
    )


# --- what the database has --------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """All budgets, limits and prices. Budgets by project; the organisation's under None."""

    budgets: Mapping[Any, Budgets]
    projects: Mapping[Any, Rates]
    deployments: Mapping[Any, Rates]
    prices: Mapping[Any, PriceTerms]


def present_money() -> Present:
    """Read the database. Three queries."""
    budgets: dict[Any, dict[str, BudgetWanted]] = {}
    for row in Budget.objects.select_related("person", "key").order_by("name"):
        budgets.setdefault(row.project_id, {})[row.name] = BudgetWanted(
            name=row.name,
            amount_usd=row.amount_usd,
            period=Period(row.period),
            scope=Scope(row.scope),
            member=row.person.email if row.person is not None else "",
            key=row.key.prefix if row.key is not None else "",
            hard=row.hard,
            at_end=AtEnd(row.at_end),
            emails=tuple(row.emails),
            webhook=row.webhook,
        )
    limits = list(RateLimit.objects.filter(key=None))
    return Present(
        budgets=budgets,
        projects={row.project_id: rates_of(row) for row in limits if row.project_id is not None},
        deployments={
            row.deployment_id: rates_of(row) for row in limits if row.deployment_id is not None
        },
        prices={
            row.deployment_id: PriceTerms.read(row.terms) for row in DeploymentPrice.objects.all()
        },
    )


# --- exporting --------------------------------------------------------------------------------


def budgets_as_data(budgets: Budgets | None) -> list[dict[str, Any]] | None:
    """As the file has them; None without any."""
    return [_budget_as_data(each) for each in budgets.values()] if budgets else None


def _budget_as_data(wanted: BudgetWanted) -> dict[str, Any]:
    data: dict[str, Any] = {
        "name": wanted.name,
        "amount_usd": amount(wanted.amount_usd),
        "period": wanted.period.value,
    }
    if wanted.member:
        data["for"] = {"member": wanted.member}
    elif wanted.key:
        data["for"] = {"key": wanted.key}
    elif wanted.scope in _EACH.values():
        data["for"] = f"each_{wanted.scope.value}"
    data |= {"hard": wanted.hard, "at_end": wanted.at_end.value}
    if wanted.emails:
        data["emails"] = list(wanted.emails)
    if wanted.webhook:
        data["webhook"] = wanted.webhook
    return data


def rates_as_data(rates: Rates | None) -> dict[str, int] | None:
    """As the file has them; None without any."""
    if rates is None:
        return None
    said = {name: getattr(rates, name) for name in RATES}
    return {name: value for name, value in said.items() if value is not None} or None


def price_as_data(terms: PriceTerms | str | None) -> dict[str, Any] | None:
    """As the file has it; None where the price map's holds."""
    if terms is None or isinstance(terms, str):
        return None
    stored = terms.stored() or {"input": "0"}
    return {
        name: int(value) if name in {"gpus", "shared_by"} else amount(Decimal(value))
        for name, value in stored.items()
    }


def amount(value: Decimal) -> int | float | str:
    """A number in YAML, where it reads back as the same; else text."""
    if value == value.to_integral_value():
        return int(value)
    plain = format(value.normalize(), "f")
    return float(plain) if format(Decimal(str(float(plain))), "f") == plain else plain
