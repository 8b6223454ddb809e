"""`/api/budgets`, `/api/limits`, `/api/prices`: what may be spent and used, and what it costs.

Who may change what is decided by `gateway.usage.services.budgets`; a key reaches its own project
alone.
"""

from typing import Any

from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from gateway.accounts.access import NoSuchProject, get_project_for, require_admin
from gateway.accounts.models import APIKey, Project, User
from gateway.accounts.roles import Role
from gateway.admin_api.usage_views import amount, only_project
from gateway.admin_api.views import person_of
from gateway.deployments.models import Deployment
from gateway.inference.limits import AtEnd, Period, Rates, Scope
from gateway.inference.prices import usd
from gateway.usage.models import Budget, RateLimit
from gateway.usage.prices import PriceTerms, prices_of
from gateway.usage.services import budgets as service
from gateway.usage.services.reports import sees_everything
from gateway.usage.services.standing import budgets_seen


class BudgetInput(serializers.Serializer[Any]):
    """What `PUT /api/budgets/{name}` takes."""

    project = serializers.CharField(required=False, default="", max_length=63)
    amount_usd = serializers.DecimalField(max_digits=16, decimal_places=6)
    period = serializers.ChoiceField(choices=[each.value for each in Period])
    scope = serializers.ChoiceField(choices=[each.value for each in Scope])
    member = serializers.EmailField(required=False, default="", allow_blank=True)
    key = serializers.CharField(required=False, default="", max_length=24, allow_blank=True)
    hard = serializers.BooleanField(default=False)
    at_end = serializers.ChoiceField(
        choices=[each.value for each in AtEnd], default=AtEnd.REFUSE.value
    )
    emails = serializers.ListField(child=serializers.EmailField(), required=False, default=list)
    webhook = serializers.CharField(required=False, default="", max_length=500, allow_blank=True)


class Budgets(APIView):
    """`GET /api/budgets`: the budgets that concern me, and how they stand."""

    @extend_schema(parameters=[OpenApiParameter("project", str)], responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """Of one project (`project`), or the organisation's for whoever may see them."""
        user = person_of(request)
        slug = only_project(request, request.query_params.get("project", ""))
        if slug:
            project: Project | None = get_project_for(user, slug, _least(user))
        else:
            project = None
            if not sees_everything(user):
                raise NoSuchProject("No such project.")
        shown = [
            _budget(
                one.budget,
                [
                    {
                        "subject": standing.subject,
                        "window": standing.window,
                        "spent_usd": amount(usd(standing.spent_nano)),
                        "percent": standing.percent,
                    }
                    for standing in one.standings
                ],
            )
            for one in budgets_seen(user, project)
        ]
        return Response({"budgets": shown})


def _least(user: User) -> Role:
    return Role.AUDITOR if sees_everything(user) else Role.MEMBER


def _budget(row: Budget, standing: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": row.name,
        "project": row.project.slug if row.project is not None else None,
        "amount_usd": amount(row.amount_usd),
        "period": row.period,
        "scope": row.scope,
        "member": row.person.email if row.person is not None else None,
        "key": row.key.prefix if row.key is not None else None,
        "hard": row.hard,
        "at_end": row.at_end,
        "emails": row.emails,
        "standing": standing,
    }


class OneBudget(APIView):
    """`PUT` and `DELETE /api/budgets/{name}`."""

    @extend_schema(request=BudgetInput, responses=OpenApiTypes.OBJECT)
    def put(self, request: Request, name: str) -> Response:
        """Make a budget, or change the one of that name."""
        asked = BudgetInput(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        user = person_of(request)
        project = _project(request, user, given["project"])
        row = service.set_budget(
            by=user,
            project=project,
            spec=service.BudgetSpec(
                name=name,
                amount_usd=given["amount_usd"],
                period=Period(given["period"]),
                scope=Scope(given["scope"]),
                person=_member(project, given["member"]),
                key=_key(project, given["key"]),
                hard=given["hard"],
                at_end=AtEnd(given["at_end"]),
                emails=tuple(given["emails"]),
                webhook=given["webhook"],
            ),
        )
        return Response(_budget(row, []))

    @extend_schema(parameters=[OpenApiParameter("project", str)], responses={204: None})
    def delete(self, request: Request, name: str) -> Response:
        """Take it away; what was spent stays on record."""
        user = person_of(request)
        project = _project(request, user, request.query_params.get("project", ""))
        row = service.budgets_of(project).filter(name=name).first()
        if row is None:
            raise Http404
        service.remove_budget(by=user, budget=row)
        return Response(status=204)


def _project(request: Request, user: User, slug: str) -> Project | None:
    slug = only_project(request, slug)
    if not slug:
        require_admin(user)
        return None
    return get_project_for(user, slug, Role.EDITOR)


def _member(project: Project | None, email: str) -> User | None:
    if not email:
        return None
    people = User.objects.filter(email=email.lower())
    if project is not None:
        people = people.filter(memberships__project=project)
    found = people.first()
    if found is None:
        raise serializers.ValidationError({"member": "The project has no such member."})
    return found


def _key(project: Project | None, prefix: str) -> APIKey | None:
    if not prefix:
        return None
    found = APIKey.objects.filter(prefix=prefix, project=project).first()
    if found is None:
        raise serializers.ValidationError({"key": "The project has no such key."})
    return found


class RatesInput(serializers.Serializer[Any]):
    """What `PUT /api/limits/{kind}/{name}` takes; what is left out has no limit."""

    requests_per_minute = serializers.IntegerField(required=False, allow_null=True, default=None)
    tokens_per_minute = serializers.IntegerField(required=False, allow_null=True, default=None)
    concurrency = serializers.IntegerField(required=False, allow_null=True, default=None)


class Limits(APIView):
    """`GET` and `PUT /api/limits/{kind}/{name}`: of a `project`, `key` (prefix) or `deployment`."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, kind: str, name: str) -> Response:
        """The limits; all null where there are none."""
        subject = _subject(request, kind, name)
        return Response(_rates(RateLimit.objects.filter(**subject).first()))

    @extend_schema(request=RatesInput, responses=OpenApiTypes.OBJECT)
    def put(self, request: Request, kind: str, name: str) -> Response:
        """State them anew."""
        asked = RatesInput(data=request.data)
        asked.is_valid(raise_exception=True)
        subject = _subject(request, kind, name)
        service.set_rates(by=person_of(request), rates=Rates(**asked.validated_data), **subject)
        return Response(_rates(RateLimit.objects.filter(**subject).first()))


def _rates(row: RateLimit | None) -> dict[str, int | None]:
    rates = service.rates_of(row)
    return {
        "requests_per_minute": rates.requests_per_minute,
        "tokens_per_minute": rates.tokens_per_minute,
        "concurrency": rates.concurrency,
    }


def _subject(request: Request, kind: str, name: str) -> dict[str, Any]:
    """Whose limits they are, if the person may see them."""
    user = person_of(request)
    if kind == "project":
        return {"project": get_project_for(user, only_project(request, name), _least(user))}
    if kind == "key":
        key = APIKey.objects.filter(prefix=name).select_related("project").first()
        if key is None:
            raise Http404
        only_project(request, key.project.slug)
        if key.user_id != user.pk:
            get_project_for(user, key.project.slug, Role.EDITOR)
        return {"key": key}
    if kind == "deployment" and sees_everything(user) and not isinstance(request.auth, APIKey):
        found = Deployment.objects.filter(name=name).first()
        if found is not None:
            return {"deployment": found}
    raise Http404


class PriceInput(serializers.Serializer[Any]):
    """What `PUT /api/prices/{deployment}` takes, in USD; `{}` takes a stated price away."""

    input = serializers.DecimalField(16, 6, required=False)
    output = serializers.DecimalField(16, 6, required=False)
    cached_input = serializers.DecimalField(16, 6, required=False)
    gpu_hour = serializers.DecimalField(16, 6, required=False)
    gpus = serializers.IntegerField(required=False)
    shared_by = serializers.IntegerField(required=False)


class Prices(APIView):
    """`GET` and `PUT /api/prices/{deployment}`: admins; auditors read."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, deployment: str) -> Response:
        """The price that requests are counted at now; null where none is known."""
        return Response(_price(_deployment(request, deployment)))

    @extend_schema(request=PriceInput, responses=OpenApiTypes.OBJECT)
    def put(self, request: Request, deployment: str) -> Response:
        """State it anew."""
        asked = PriceInput(data=request.data)
        asked.is_valid(raise_exception=True)
        row = _deployment(request, deployment)
        given = asked.validated_data
        terms = PriceTerms(**given) if given else None
        service.set_price(by=person_of(request), deployment=row, terms=terms)
        return Response(_price(row))


def _deployment(request: Request, name: str) -> Deployment:
    user = person_of(request)
    found = Deployment.objects.filter(name=name).first()
    if found is None or isinstance(request.auth, APIKey) or not sees_everything(user):
        raise Http404
    return found


def _price(row: Deployment) -> dict[str, Any]:
    price = prices_of([row]).get(row.name)
    if price is None:
        return {"deployment": row.name, "price": None}
    return {
        "deployment": row.name,
        "price": {
            "input": amount(price.input),
            "output": amount(price.output),
            "cached_input": amount(price.cached_input),
            "per_hour": amount(price.per_hour),
            "source": price.source,
        },
    }
