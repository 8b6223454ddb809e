"""Data classes of a project's own, or of the organisation: recognizers and word lists.

The words of a list may be what a team hides: lists without them for whoever may read the policy,
with them for editors alone.
"""

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from gateway.admin_api.policies import answers, shapes
from gateway.admin_api.policies.access import Access, owner_for, person_of, project_for
from gateway.admin_api.policies.reading import PolicyView, RecognizerBody, WordListBody, read
from policies.classification.custom_patterns import DEFAULT_SCORE, CustomRecognizer
from policies.models import WordList
from policies.services.recognizers import recognizers_of, remove_recognizer, set_recognizer
from policies.services.word_lists import check_word_list, remove_word_list, set_word_list

_LISTS = ("patterns", "context", "must_match", "must_not_match")


class RecognizerList(PolicyView):
    """Recognizers that an owner defined."""

    @extend_schema(responses=answers.RecognizerAnswer(many=True))
    def get(self, request: Request, slug: str | None = None) -> Response:
        """All of them. Examples may be real values, so they are for editors."""
        owner = owner_for(request, slug, Access.EDIT)
        return Response([shapes.recognizer(item) for item in recognizers_of(owner)])


class OneRecognizer(PolicyView):
    """One recognizer, by its name."""

    @extend_schema(responses=answers.RecognizerAnswer)
    def get(self, request: Request, name: str, slug: str | None = None) -> Response:
        """All that it is made of."""
        owner = owner_for(request, slug, Access.EDIT)
        found = next((item for item in recognizers_of(owner) if item.name == name), None)
        if found is None:
            raise Http404("No such recognizer.")
        return Response(shapes.recognizer(found))

    @extend_schema(request=RecognizerBody, responses=answers.RecognizerAnswer)
    def put(self, request: Request, name: str, slug: str | None = None) -> Response:
        """Define it, or replace it. Patterns run in linear time and are tried on the examples."""
        owner = owner_for(request, slug, Access.EDIT)
        given = read(request, RecognizerBody)
        item = CustomRecognizer(
            name=name,
            category=given["category"],
            checksum=given["checksum"],
            ignore_case=given["ignore_case"],
            score=given.get("score", DEFAULT_SCORE),
            **{field: tuple(given[field]) for field in _LISTS},
        )
        set_recognizer(by=person_of(request), project=owner, recognizer=item)
        return Response(shapes.recognizer(item))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, name: str, slug: str | None = None) -> Response:
        """Take it away; 409 while a policy names its class."""
        owner = owner_for(request, slug, Access.EDIT)
        remove_recognizer(by=person_of(request), project=owner, name=name)
        return Response(status=status.HTTP_204_NO_CONTENT)


class WordLists(PolicyView):
    """A project's word lists."""

    @extend_schema(responses=answers.WordListAnswer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """Names, classes and how many words; never the words."""
        project = project_for(request, slug, Access.READ)
        return Response(
            [_shaped(row) for row in WordList.objects.filter(project=project).order_by("name")]
        )


class OneWordList(PolicyView):
    """One word list, by its name."""

    @extend_schema(responses=answers.WordListWithWords)
    def get(self, request: Request, slug: str, name: str) -> Response:
        """With its words."""
        project = project_for(request, slug, Access.EDIT)
        row = WordList.objects.filter(project=project, name=name).first()
        if row is None:
            raise Http404("No such word list.")
        return Response({**_shaped(row), "words": row.words})

    @extend_schema(request=WordListBody, responses=answers.WordListAnswer)
    def put(self, request: Request, slug: str, name: str) -> Response:
        """Define it, or replace it."""
        project = project_for(request, slug, Access.EDIT)
        given = read(request, WordListBody)
        words = list(dict.fromkeys(word.strip() for word in given["words"] if word.strip()))
        check_word_list(project=project, name=name, category=given["category"], words=words)
        set_word_list(
            by=person_of(request),
            project=project,
            name=name,
            category=given["category"],
            words=words,
        )
        return Response(_shaped(WordList.objects.get(project=project, name=name)))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str, name: str) -> Response:
        """Take it away; its words are found no more."""
        project = project_for(request, slug, Access.EDIT)
        remove_word_list(by=person_of(request), project=project, name=name)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _shaped(row: WordList) -> shapes.Data:
    return {
        "name": row.name,
        "data_class": row.as_list().data_class,
        "category": row.category,
        "count": len(row.words),
    }
