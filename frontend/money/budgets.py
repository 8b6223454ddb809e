"""`/budgets/`: what may be spent and asked for, how it stands, and changing it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from frontend.audit.rows import name_of, names_of
from frontend.money.amounts import dollars, money
from frontend.money.budget_form import PERIODS, BudgetForm, LimitsForm
from gateway.accounts.access import get_project_for, projects_of, require_admin
from gateway.accounts.models import APIKey, Project, User
from gateway.accounts.roles import Role
from gateway.inference.limits import AtEnd, Rates, Scope
from gateway.usage.models import Budget, RateLimit
from gateway.usage.services import budgets as service
from gateway.usage.services.alerts import Standing
from gateway.usage.services.reports import sees_everything
from gateway.usage.services.standing import Stands, budgets_seen, may_set

MOST_STANDINGS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingShown:
    """How one of those whom a budget is for stands."""

    who: str
    spent: str
    left: str
    percent: int
    bar: int
    state: str  # the meter's class: "", "late" from 80 %, "over" from 100 %


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetShown:
    """One budget in words."""

    name: str
    whose: str
    amount: str
    period: str
    end: str
    hard: bool
    tells: bool
    standings: Sequence[StandingShown]
    more: int
    address: str  # of its form; empty for those who may not change it


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The organisation or a project with its budgets and limits."""

    title: str
    slug: str
    budgets: Sequence[BudgetShown]
    limits: Rates
    add: str  # the address of a new budget's form; empty: may not
    limit: str  # the address of its limits' form


@require_safe
@never_cache
@login_required
def budgets_page(request: HttpRequest) -> HttpResponse:
    """The organisation's, for those who see everything, and those of every project of theirs."""
    user = cast("User", request.user)
    projects: list[Project | None] = [None] if sees_everything(user) else []
    projects += [*sorted(_projects(user), key=_by_name)]
    context = {
        "page": "budgets",
        "groups": [_group(user, each) for each in projects],
        "sees_all": sees_everything(user),
    }
    return render(request, "frontend/money/budgets.html", context)


def _by_name(project: Project) -> str:
    return project.name.casefold()


def _projects(user: User) -> set[Project]:
    if sees_everything(user):
        return set(Project.objects.filter(archived=False))
    return {*projects_of(user, Role.MEMBER), *projects_of(user, Role.AUDITOR)}


def _group(user: User, project: Project | None) -> Group:
    seen = budgets_seen(user, project)
    names = _subjects(seen)
    may = may_set(user, project)
    slug = project.slug if project is not None else ""
    row = RateLimit.objects.filter(project=project).first() if project is not None else None
    return Group(
        title=project.name if project is not None else _("Organisation"),
        slug=slug,
        budgets=[
            _shown(one, names, _form(slug, one.budget.name) if _may(may, one.budget) else "")
            for one in seen
        ],
        limits=service.rates_of(row),
        add=_form(slug) if may["any"] else "",
        limit=f"{reverse('limits')}?{urlencode({'project': slug})}"
        if project is not None and user.is_admin
        else "",
    )


def _may(may: Any, budget: Budget) -> bool:
    strict = budget.hard and budget.scope == Scope.PROJECT
    return bool(may["strict"] if strict else may["any"])


def _form(slug: str, name: str = "") -> str:
    query = {key: value for key, value in (("project", slug), ("name", name)) if value}
    return reverse("budget") + (f"?{urlencode(query)}" if query else "")


def _subjects(seen: Sequence[Stands]) -> dict[str, str]:
    """Whom standings are about, in words. Three queries at most."""
    subjects = {each.subject for one in seen for each in one.standings}
    names = names_of(subjects)
    numbers = [subject for subject in subjects if subject.isdecimal()]
    keys = APIKey.objects.filter(pk__in=numbers) if numbers else APIKey.objects.none()
    return names | {str(key.pk): f"{key.name} ({key.prefix}…)" for key in keys}


def _shown(one: Stands, names: dict[str, str], address: str) -> BudgetShown:
    budget = one.budget
    # Nobody spent anything yet: whom it is for stands at nothing.
    ordered = sorted(one.standings, key=lambda each: -each.spent_nano)
    return BudgetShown(
        name=budget.name,
        whose=_whose(budget),
        amount=dollars(budget.amount_usd),
        period=str(dict(PERIODS)[budget.period]),
        end=_end(budget),
        hard=budget.hard,
        tells=bool(budget.emails or budget.webhook),
        standings=[_standing(each, names) for each in ordered[:MOST_STANDINGS]],
        more=max(0, len(ordered) - MOST_STANDINGS),
        address=address,
    )


def _whose(budget: Budget) -> str:
    if budget.person is not None:
        return str(budget.person)
    if budget.key is not None:
        return f"{budget.key.name} ({budget.key.prefix}…)"
    return {
        Scope.ORGANISATION.value: _("the organisation"),
        Scope.PROJECT.value: _("the whole project"),
        Scope.MEMBER.value: _("each member"),
        Scope.KEY.value: _("each API key"),
    }[budget.scope]


def _end(budget: Budget) -> str:
    if not budget.hard:
        return _("warns, and requests go on")
    if budget.at_end == AtEnd.ON_PREM:
        return _("then only on-prem")
    return _("then refuses")


def _standing(standing: Standing, names: dict[str, str]) -> StandingShown:
    left = standing.budget.amount_nano - standing.spent_nano
    subject = standing.subject
    whole = subject in {Scope.ORGANISATION.value, Scope.PROJECT.value}
    return StandingShown(
        who="" if whole else names.get(subject) or name_of(subject, names),
        spent=money(standing.spent_nano),
        left=money(max(0, left)),
        percent=standing.percent,
        bar=min(100, standing.percent),
        state="over" if standing.percent >= 100 else "late" if standing.percent >= 80 else "",
    )


def _project(user: User, slug: str, *, least: Role) -> Project | None:
    if not slug:
        require_admin(user)
        return None
    return get_project_for(user, slug, least)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def budget_page(request: HttpRequest) -> HttpResponse:
    """Make a budget of `?project=`, or change the one of `&name=`; remove it."""
    user = cast("User", request.user)
    project = _project(user, request.GET.get("project", ""), least=Role.OWNER)
    name = request.GET.get("name", "")
    budget = service.budgets_of(project).filter(name=name).first() if name else None
    if name and budget is None:
        raise Http404
    form = BudgetForm(
        request.POST or None, project=project, budget=budget, wished=request.GET.dict()
    )
    problem = ""
    if request.method == "POST":
        try:
            if request.POST.get("act") == "remove" and budget is not None:
                service.remove_budget(by=user, budget=budget)
                messages.success(request, _("The budget %(name)s is gone.") % {"name": name})
                return HttpResponseRedirect(reverse("budgets"))
            if form.is_valid() and _is_free(form, project, budget):
                made = service.set_budget(by=user, project=project, spec=form.spec())
                messages.success(request, _("The budget %(name)s holds.") % {"name": made.name})
                return HttpResponseRedirect(reverse("budgets"))
        except ValidationError as error:
            _tell(form, error)
        except PermissionDenied:
            if not may_set(user, project)["any"]:
                raise
            problem = _(
                "A hard budget of a whole project is set by an admin: whom it holds must not be "
                "who lifts it."
            )
    context = {
        "page": "budgets",
        "project": project,
        "budget": budget,
        "form": form,
        "problem": problem,
    }
    status = 403 if problem else 400 if form.errors else 200
    return render(request, "frontend/money/budget.html", context, status=status)


def _is_free(form: BudgetForm, project: Project | None, budget: Budget | None) -> bool:
    """A new budget has a name of its own: nobody changes another by making one."""
    taken = service.budgets_of(project).filter(name=form.cleaned_data["name"]).exists()
    if budget is None and taken:
        form.add_error("name", _("There is a budget of this name."))
        return False
    return True


def _tell(form: Any, error: ValidationError) -> None:
    fields = {"amount_usd": "amount", "at_end": "end"}
    for name, sentences in error.message_dict.items():
        field = fields.get(name, name)
        for sentence in sentences:
            form.add_error(field if field in form.fields else None, sentence)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def limits_page(request: HttpRequest) -> HttpResponse:
    """How much the project of `?project=` may ask for. Admins."""
    user = cast("User", request.user)
    require_admin(user)
    project = get_project_for(user, request.GET.get("project", ""), Role.OWNER)
    rates = service.rates_of(RateLimit.objects.filter(project=project).first())
    initial = {
        "requests_per_minute": rates.requests_per_minute,
        "tokens_per_minute": rates.tokens_per_minute,
        "concurrency": rates.concurrency,
    }
    form = LimitsForm(request.POST or None, initial=initial)
    # A form with every field empty is one that takes all limits away.
    if request.method == "POST":
        form = LimitsForm(request.POST)
        if form.is_valid():
            try:
                wanted = Rates(**form.cleaned_data)
                service.set_rates(by=user, rates=wanted, project=project)
            except ValidationError as error:
                _tell(form, error)
            else:
                messages.success(
                    request, _("The limits of %(name)s hold.") % {"name": project.name}
                )
                return HttpResponseRedirect(reverse("budgets"))
    context = {"page": "budgets", "project": project, "form": form}
    return render(
        request, "frontend/money/limits.html", context, status=400 if form.errors else 200
    )
