"""Model recognizers of a project or of the organisation: models that are shown what is sent."""

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from gateway.admin_api.policies import answers, shapes
from gateway.admin_api.policies.access import Access, owner_for, person_of
from gateway.admin_api.policies.reading import ModelRecognizerBody, PolicyView, read
from policies.classification.model_recognizers import Asks, Finds, ModelRecognizer
from policies.services.model_recognizers import (
    model_recognizers_of,
    remove_model_recognizer,
    set_model_recognizer,
)


class ModelRecognizerList(PolicyView):
    """Models that an owner asks."""

    @extend_schema(responses=answers.ModelRecognizerAnswer(many=True))
    def get(self, request: Request, slug: str | None = None) -> Response:
        """All of them, for whoever may read the policy."""
        owner = owner_for(request, slug, Access.READ)
        return Response([shapes.model_recognizer(item) for item in model_recognizers_of(owner)])


class OneModelRecognizer(PolicyView):
    """One of them, by its name."""

    @extend_schema(responses=answers.ModelRecognizerAnswer)
    def get(self, request: Request, name: str, slug: str | None = None) -> Response:
        """All that it is made of."""
        owner = owner_for(request, slug, Access.READ)
        found = next((item for item in model_recognizers_of(owner) if item.name == name), None)
        if found is None:
            raise Http404("No such model recognizer.")
        return Response(shapes.model_recognizer(found))

    @extend_schema(request=ModelRecognizerBody, responses=answers.ModelRecognizerAnswer)
    def put(self, request: Request, name: str, slug: str | None = None) -> Response:
        """Define it, or replace it. Its deployment must be on_prem, enabled and cleared for all."""
        owner = owner_for(request, slug, Access.EDIT)
        given = read(request, ModelRecognizerBody)
        item = ModelRecognizer(
            name=name,
            deployment=given["deployment"],
            asks=Asks(given["asks"]),
            labels=tuple(given["labels"]),
            finds=tuple(
                Finds(**{**each, "labels": tuple(each["labels"])}) for each in given["finds"]
            ),
            window=given["window"],
            overlap=given["overlap"],
            timeout_s=given["timeout_s"],
        )
        set_model_recognizer(by=person_of(request), project=owner, recognizer=item)
        return Response(shapes.model_recognizer(item))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, name: str, slug: str | None = None) -> Response:
        """Take it away; 409 while a policy names one of its classes."""
        owner = owner_for(request, slug, Access.EDIT)
        remove_model_recognizer(by=person_of(request), project=owner, name=name)
        return Response(status=status.HTTP_204_NO_CONTENT)
