"""Recipes of `/api`: sentences with blanks, and what a filled one would add to a policy."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from gateway.accounts.models import Project
from gateway.admin_api.policies.access import Access, owner_for, person_of
from policies.engine.blanks import WrongAnswer
from policies.services.recipes import cook, offered


class Filling(serializers.Serializer[Any]):
    """What `POST /api/policies/recipes` takes."""

    project = serializers.CharField(
        max_length=63,
        required=False,
        default="",
        allow_blank=True,
        help_text="Empty: the organisation's.",
    )
    recipe = serializers.CharField(max_length=64)
    answers = serializers.DictField(required=False, default=dict)


class Recipes(APIView):
    """`/api/policies/recipes`: what a policy's editors can say in one sentence."""

    @extend_schema(
        parameters=[OpenApiParameter("project", str, description="Empty: the organisation's.")],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request) -> Response:
        """Every recipe with its blanks and what each may hold in `?project=` or, without, in the
        organisation's policy."""
        project = _project(request, request.query_params.get("project", ""))
        return Response({"recipes": offered(by=person_of(request), project=project)})

    @extend_schema(request=Filling, responses=OpenApiTypes.OBJECT)
    def post(self, request: Request) -> Response:
        """The parts of a filled recipe, the document with them, and what is wrong with it.
        Nothing is saved."""
        asked = Filling(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        project = _project(request, given["project"])
        try:
            cooked = cook(
                by=person_of(request),
                project=project,
                recipe=given["recipe"],
                answers=given["answers"],
            )
        except WrongAnswer as wrong:
            raise serializers.ValidationError({"answers": {wrong.blank: [str(wrong)]}}) from wrong
        if cooked is None:
            raise serializers.ValidationError({"recipe": ["There is no such recipe."]})
        built = cooked.built
        return Response(
            {
                "sentence": built.sentence,
                "rules": built.rules,
                "never": built.never,
                "tests": built.tests,
                "needs": built.needs,
                "surprises": built.surprises,
                "forms": built.forms,
                "budgets": built.budgets,
                "document": cooked.document,
                "problems": [
                    {"pointer": one.pointer, "sentence": one.sentence, "advice": one.advice}
                    for one in cooked.problems
                ],
            },
            status=status.HTTP_200_OK,
        )


def _project(request: Request, slug: str) -> Project | None:
    return owner_for(request, slug or None, Access.EDIT)
