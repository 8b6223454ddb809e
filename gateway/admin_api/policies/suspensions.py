"""Exceptions of a project, and the policy that it decides in shadow."""

import uuid

from django.core.exceptions import ValidationError
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from gateway.accounts.models import Project, User, normalise_email
from gateway.admin_api.policies import answers, shapes
from gateway.admin_api.policies.access import (
    Access,
    person_of,
    project_for,
    require_in_organisation,
)
from gateway.admin_api.policies.reading import ExceptionBody, PolicyView, ShadowBody, read
from policies.models import RuleException
from policies.services.comparing import compare, compare_organisation_rules
from policies.services.drafts import require_draft
from policies.services.exceptions import (
    ExceptionWanted,
    end_exception,
    exceptions_of,
)
from policies.services.publishing import revision_of
from policies.services.shadows import end_shadow, shadow_of, start_shadow
from policies.services.waiting_exceptions import create_or_ask


class Exceptions(PolicyView):
    """What suspends rules in a project."""

    @extend_schema(responses=answers.ExceptionAnswer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """Every exception, ended ones too."""
        project = project_for(request, slug, Access.READ)
        return Response([shapes.exception(row) for row in exceptions_of(project)])

    @extend_schema(
        request=ExceptionBody,
        responses={201: answers.ExceptionAnswer, 202: answers.WaitingExceptionAnswer},
    )
    def post(self, request: Request, slug: str) -> Response:
        """Suspend rules until a date: editors their project's, admins the organisation's. 202: it
        waits for a second person."""
        project = project_for(request, slug, Access.EDIT)
        given = read(request, ExceptionBody)
        owner = _owner(given.pop("owner"))
        wanted = ExceptionWanted(
            name=given["name"],
            reason=given["reason"],
            ends_at=given["ends_at"],
            **{name: tuple(given[name]) for name in ("rules", "groups", "keys", "aliases")},
        )
        done = create_or_ask(by=person_of(request), project=project, wanted=wanted, owner=owner)
        if done.exception is not None:
            return Response(shapes.exception(done.exception), status=status.HTTP_201_CREATED)
        assert done.waiting is not None  # noqa: S101 -- one of the two
        told = shapes.waiting_exception(done.waiting, may_agree=False)
        return Response(told, status=status.HTTP_202_ACCEPTED)


class OneException(PolicyView):
    """One exception."""

    @extend_schema(responses=answers.ExceptionAnswer)
    def get(self, request: Request, slug: str, key: uuid.UUID) -> Response:
        """What it suspends, where, until when, and who answers for it."""
        project = project_for(request, slug, Access.READ)
        return Response(shapes.exception(_exception(project, key)))

    @extend_schema(
        parameters=[OpenApiParameter("reason", str)],
        responses={200: answers.ExceptionAnswer},
    )
    def delete(self, request: Request, slug: str, key: uuid.UUID) -> Response:
        """Let the rules hold again at once."""
        project = project_for(request, slug, Access.EDIT)
        row = _exception(project, key)
        reason = request.query_params.get("reason", "")
        end_exception(by=person_of(request), exception=row, reason=reason)
        return Response(shapes.exception(row))


class InShadow(PolicyView):
    """The policy that is decided beside the one in effect."""

    @extend_schema(responses=answers.ShadowAnswer)
    def get(self, request: Request, slug: str) -> Response:
        """What is in shadow."""
        project = project_for(request, slug, Access.READ)
        row = shadow_of(project)
        if row is None:
            raise Http404("This project has no policy in shadow.")
        return Response(shapes.shadow(row))

    @extend_schema(request=ShadowBody, responses=answers.ShadowAnswer)
    def put(self, request: Request, slug: str) -> Response:
        """Decide this beside, from now on. The organisation's policy takes an admin."""
        project = project_for(request, slug, Access.EDIT)
        given = read(request, ShadowBody)
        document, source = given["document"], "document"
        if given["version"] is not None:
            document = require_draft(project, given["version"]).document
            source = f"draft {given['version']}"
        if given["revision"] is not None:
            document = revision_of(project, given["revision"]).document
            source = f"revision {given['revision']}"
        row = start_shadow(by=person_of(request), project=project, document=document, source=source)
        return Response(shapes.shadow(row))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str) -> Response:
        """Decide nothing beside any more."""
        project = project_for(request, slug, Access.EDIT)
        end_shadow(by=person_of(request), project=project)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ShadowResults(PolicyView):
    """What is in shadow in a project, against what was decided."""

    @extend_schema(responses=answers.ComparisonAnswer)
    def get(self, request: Request, slug: str) -> Response:
        """How many requests would have moved or been masked otherwise, with decision ids: with
        the policy in shadow, and with each shadow rule of the policies in effect."""
        project = project_for(request, slug, Access.REPORT)
        return Response(shapes.comparison(compare(project)))


class OrganisationShadowResults(PolicyView):
    """The organisation's shadow rules, against what was decided in all projects."""

    @extend_schema(responses=answers.RuleInShadowAnswer(many=True))
    def get(self, request: Request) -> Response:
        """What each would have changed, alone in effect."""
        require_in_organisation(request, Access.REPORT)
        return Response([shapes.rule_in_shadow(each) for each in compare_organisation_rules()])


def _owner(email: str) -> User:
    found = User.objects.filter(email=normalise_email(email), is_active=True).first()
    if found is None:
        raise ValidationError({"owner": "Nobody active has this e-mail address."})
    return found


def _exception(project: Project, key: uuid.UUID) -> RuleException:
    rows = RuleException.objects.select_related("project", "owner")
    row = rows.filter(project=project, pk=key).first()
    if row is None:
        raise Http404("No such exception.")
    return row
