"""The form of a budget."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from typing_extensions import override

from gateway.accounts.models import APIKey, Project, User
from gateway.inference.limits import AtEnd, Period, Scope
from gateway.usage.models import Budget
from gateway.usage.services.budgets import BudgetSpec, spec_of

PERIODS = [
    (Period.DAY.value, _("a day")),
    (Period.WEEK.value, _("a week")),
    (Period.MONTH.value, _("a month")),
    (Period.TOTAL.value, _("in all")),
]
ENDS = [
    ("warn", _("Only warn: requests go on")),
    (AtEnd.ON_PREM.value, _("Stay on-prem: what costs nothing goes on")),
    (AtEnd.REFUSE.value, _("Refuse until the next period")),
]


class BudgetForm(forms.Form):
    """An amount for a period. What happens at its end says whether it is hard."""

    name = forms.SlugField(label=_("Name"), max_length=63)
    amount = forms.DecimalField(
        label=_("US dollars"), max_digits=16, decimal_places=6, min_value=0, localize=False
    )
    period = forms.ChoiceField(label=_("for"), choices=PERIODS, initial=Period.MONTH.value)
    scope = forms.ChoiceField(label=_("It holds"), widget=forms.RadioSelect)
    person = forms.ModelChoiceField(
        queryset=User.objects.none(),
        label=_("Which member"),
        required=False,
        empty_label=_("each of them, the same amount"),
    )
    key = forms.ModelChoiceField(
        queryset=APIKey.objects.none(),
        label=_("Which API key"),
        required=False,
        empty_label=_("each of them, the same amount"),
    )
    end = forms.ChoiceField(label=_("When it is spent"), choices=ENDS, widget=forms.RadioSelect)
    emails = forms.CharField(
        label=_("Tell by mail"),
        required=False,
        max_length=2000,
        help_text=_("Addresses with commas between them, told at 50, 80 and 100 %."),
    )
    webhook = forms.CharField(label=_("Tell by webhook"), required=False, max_length=500)

    def __init__(
        self,
        data: Any,
        *,
        project: Project | None,
        budget: Budget | None,
        wished: Mapping[str, str] | None = None,
    ) -> None:
        """`wished` fills a new one in: `amount`, `scope` and `end` of an address."""
        super().__init__(data, initial=_initial(budget, project) | _wished(budget, wished or {}))
        whole = (
            (Scope.ORGANISATION.value, _("the organisation"))
            if project is None
            else (Scope.PROJECT.value, _("the whole project"))
        )
        scopes = [whole, (Scope.MEMBER.value, _("members")), (Scope.KEY.value, _("API keys"))]
        self.fields["scope"].choices = scopes  # type: ignore[attr-defined]
        people: QuerySet[User] = User.objects.filter(is_active=True)
        if project is not None:
            people = people.filter(memberships__project=project)
        self.fields["person"].queryset = people.distinct().order_by("email")  # type: ignore[attr-defined]
        keys = APIKey.objects.filter(project=project, revoked_at=None).order_by("name")
        self.fields["key"].queryset = keys  # type: ignore[attr-defined]
        if budget is not None:
            self.fields["name"].disabled = True  # a name is which budget it is

    @override
    def clean(self) -> dict[str, Any]:
        """One person or key only where the budget is for such."""
        given = super().clean() or {}
        for name, scope in (("person", Scope.MEMBER), ("key", Scope.KEY)):
            if given.get("scope") != scope.value:
                given[name] = None
        return given

    def spec(self) -> BudgetSpec:
        """What is wanted, of a form that is valid."""
        given = self.cleaned_data
        end = given["end"]
        return BudgetSpec(
            name=given["name"],
            amount_usd=given["amount"],
            period=Period(given["period"]),
            scope=Scope(given["scope"]),
            person=given["person"],
            key=given["key"],
            hard=end != "warn",
            at_end=AtEnd.REFUSE if end == "warn" else AtEnd(end),
            emails=tuple(each.strip() for each in given["emails"].split(",") if each.strip()),
            webhook=given["webhook"],
        )


def _initial(budget: Budget | None, project: Project | None) -> dict[str, Any]:
    if budget is None:
        scope = Scope.ORGANISATION if project is None else Scope.PROJECT
        return {"scope": scope.value, "end": "warn"}
    spec = spec_of(budget)
    return {
        "name": spec.name,
        "amount": format(spec.amount_usd.normalize(), "f"),
        "period": spec.period.value,
        "scope": spec.scope.value,
        "person": spec.person,
        "key": spec.key,
        "end": spec.at_end.value if spec.hard else "warn",
        "emails": ", ".join(spec.emails),
        "webhook": spec.webhook,
    }


_WISHED: Mapping[str, Callable[[str], object]] = {
    "amount": re.compile(r"[0-9]{1,10}").fullmatch,
    "scope": {Scope.MEMBER.value, Scope.KEY.value}.__contains__,
    "end": {"warn", *AtEnd}.__contains__,
}


def _wished(budget: Budget | None, given: Mapping[str, str]) -> dict[str, Any]:
    if budget is not None:
        return {}
    return {name: given[name] for name, fits in _WISHED.items() if fits(given.get(name, ""))}


class LimitsForm(forms.Form):
    """How much a project may ask for at once and in a minute; what is left open has no limit."""

    requests_per_minute = forms.IntegerField(
        label=_("Requests a minute"), required=False, min_value=1
    )
    tokens_per_minute = forms.IntegerField(label=_("Tokens a minute"), required=False, min_value=1)
    concurrency = forms.IntegerField(label=_("Requests at once"), required=False, min_value=1)
