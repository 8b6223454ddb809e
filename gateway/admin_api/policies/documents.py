"""What is in effect, what was, the draft, and what publishing one would mean."""

from typing import Any

from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from gateway.accounts.models import Project
from gateway.admin_api.policies import answers, shapes
from gateway.admin_api.policies.access import Access, owner_for, person_of
from gateway.admin_api.policies.reading import (
    DraftBody,
    JudgedBody,
    PolicyView,
    PublishBody,
    QuestionBody,
    RollbackBody,
    read,
)
from policies.engine.document import DocumentError
from policies.engine.problems import Problem
from policies.models import PolicyDraft
from policies.services.differences import difference
from policies.services.drafts import discard_draft, draft_of, save_draft
from policies.services.judging import judge, proofs_of, tests_of
from policies.services.lint import lint
from policies.services.overview import named_document, overview, revisions_of
from policies.services.publications import (
    Published,
    publish_draft,
    publish_or_ask,
    roll_back_or_ask,
)
from policies.services.publishing import current_revision, revision_of, validate
from policies.services.reading import known_names, names_for_projects


class Policy(PolicyView):
    """A policy as it is in effect."""

    @extend_schema(responses=answers.OverviewAnswer)
    def get(self, request: Request, slug: str | None = None) -> Response:
        """In sentences and as a document, with every exception that bears on it."""
        project = owner_for(request, slug, Access.READ)
        return Response(shapes.overview(overview(project)))


class Revisions(PolicyView):
    """Every revision."""

    @extend_schema(responses=answers.RevisionAnswer(many=True))
    def get(self, request: Request, slug: str | None = None) -> Response:
        """The newest first, without documents."""
        project = owner_for(request, slug, Access.READ)
        current = current_revision(project)
        return Response([shapes.revision(row, current=current) for row in revisions_of(project)])


class Revision(PolicyView):
    """One revision."""

    @extend_schema(responses=answers.RevisionWithDocument)
    def get(self, request: Request, number: int, slug: str | None = None) -> Response:
        """Its document, and how it differs from the one before it."""
        project = owner_for(request, slug, Access.READ)
        document = _named(project, str(number))
        row = revision_of(project, number)
        before = named_document(project, str(number - 1))
        return Response(
            {
                **shapes.revision(row, current=current_revision(project)),
                "document": document,
                "difference": shapes.difference(difference(before, document, _known(project))),
            }
        )


class Diff(PolicyView):
    """How two documents of one policy differ."""

    @extend_schema(
        parameters=[
            OpenApiParameter("before", str, description="A number, `current` or `draft`."),
            OpenApiParameter("after", str, description="Likewise; without: `current`."),
        ],
        responses=answers.DifferenceAnswer,
    )
    def get(self, request: Request, slug: str | None = None) -> Response:
        """In sentences and as data. A draft is for its editors."""
        names = [
            request.query_params.get("before", ""),
            request.query_params.get("after", "current"),
        ]
        access = Access.EDIT if "draft" in names else Access.READ
        project = owner_for(request, slug, access)
        before, after = (_named(project, name) for name in names)
        return Response(shapes.difference(difference(before, after, _known(project))))


class Draft(PolicyView):
    """The working copy."""

    @extend_schema(responses=answers.DraftAnswer)
    def get(self, request: Request, slug: str | None = None) -> Response:
        """The draft, with what keeps it from being read."""
        project = owner_for(request, slug, Access.EDIT)
        row = draft_of(project)
        if row is None:
            raise Http404("This policy has no draft.")
        return Response(_shaped_draft(project, row))

    @extend_schema(request=DraftBody, responses=answers.DraftAnswer)
    def put(self, request: Request, slug: str | None = None) -> Response:
        """Save it over the version that was edited; another one is 409."""
        project = owner_for(request, slug, Access.EDIT)
        given = read(request, DraftBody)
        row = save_draft(by=person_of(request), project=project, **given)
        return Response(_shaped_draft(project, row))

    @extend_schema(
        parameters=[OpenApiParameter("version", int, required=True)],
        responses={204: None},
    )
    def delete(self, request: Request, slug: str | None = None) -> Response:
        """Throw the draft of this version away."""
        project = owner_for(request, slug, Access.EDIT)
        version = request.query_params.get("version", "")
        discard_draft(
            by=person_of(request),
            project=project,
            version=int(version) if version.isdecimal() and len(version) < 10 else -1,
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


class Check(PolicyView):
    """What publishing a document would come to."""

    @extend_schema(request=JudgedBody, responses=answers.CheckAnswer)
    def post(self, request: Request, slug: str | None = None) -> Response:
        """Tests, proofs, consequences for projects, and the difference. Changes nothing."""
        project, document = _judged(request, slug)
        before = named_document(project, "current")
        return Response(
            {
                **shapes.verdict(judge(document, project=project)),
                "difference": shapes.difference(difference(before, document, _known(project))),
            }
        )


class Tests(PolicyView):
    """A policy's own tests."""

    @extend_schema(request=JudgedBody, responses=answers.TestAnswer(many=True))
    def post(self, request: Request, slug: str | None = None) -> Response:
        """Run those of a document, or of the policy in effect."""
        project, document = _judged(request, slug)
        return Response([shapes.test(item) for item in tests_of(document, project=project)])


class Prove(PolicyView):
    """Exhaustive checking of `never` statements."""

    @extend_schema(request=QuestionBody, responses=answers.ProofAnswer(many=True))
    def post(self, request: Request, slug: str | None = None) -> Response:
        """Check a document's statements, or others about it, over every state it tells apart."""
        project, document = _judged(request, slug)
        statements = read(request, QuestionBody)["statements"]
        found = proofs_of(document, project=project, statements=statements)
        return Response([shapes.proof(item) for item in found])


class Lint(PolicyView):
    """What is odd about a policy."""

    @extend_schema(request=JudgedBody, responses=answers.LintAnswer(many=True))
    def post(self, request: Request, slug: str | None = None) -> Response:
        """Rules without use, names without meaning, evidence that runs out."""
        project = owner_for(request, slug, Access.EDIT)
        document = read(request, JudgedBody)["document"]
        return Response([shapes.lint_finding(item) for item in lint(project, document)])


class Publish(PolicyView):
    """Putting a document in effect."""

    @extend_schema(
        request=PublishBody,
        responses={201: answers.PublishedAnswer, 202: answers.PublishedAnswer},
    )
    def post(self, request: Request, slug: str | None = None) -> Response:
        """201: in effect; 202: it waits for a second person. 409 over another base, 422 while a
        test or statement fails."""
        project = owner_for(request, slug, Access.EDIT)
        given = read(request, PublishBody)
        common: dict[str, Any] = {
            "by": person_of(request),
            "project": project,
            "reason": given["reason"],
            "accept_unproven": given["accept_unproven"],
        }
        if given["version"] is not None:
            return _published(publish_draft(version=given["version"], **common))
        document, base = given["document"], given["base"]
        return _published(publish_or_ask(document=document, base=base, **common))


class RollBack(PolicyView):
    """Publishing an old revision again."""

    @extend_schema(
        request=RollbackBody,
        responses={201: answers.PublishedAnswer, 202: answers.PublishedAnswer},
    )
    def post(self, request: Request, slug: str | None = None) -> Response:
        """As publishing its document: checked again, and a new revision."""
        project = owner_for(request, slug, Access.EDIT)
        given = read(request, RollbackBody)
        return _published(roll_back_or_ask(by=person_of(request), project=project, **given))


def _judged(request: Request, slug: str | None) -> tuple[Project | None, dict[str, Any]]:
    project = owner_for(request, slug, Access.EDIT)
    document = read(request, JudgedBody)["document"]
    return project, document if document is not None else _named(project, "current")


def _named(project: Project | None, name: str) -> Any:
    document = named_document(project, name)
    if document is None:
        raise Http404("This policy has no such revision or draft.")
    return document


def _known(project: Project | None) -> Any:
    return known_names() if project is None else names_for_projects()


def _shaped_draft(project: Project | None, row: PolicyDraft) -> dict[str, Any]:
    problems: tuple[Problem, ...] = ()
    try:
        validate(row.document, project=project)
    except DocumentError as error:
        problems = error.problems
    return shapes.draft(row, problems)


def _published(done: Published) -> Response:
    waiting, row = done.waiting, done.revision
    return Response(
        {
            "revision": shapes.revision(row, current=row) if row is not None else None,
            "waiting": shapes.publication(waiting) if waiting is not None else None,
        },
        status=status.HTTP_201_CREATED if row is not None else status.HTTP_202_ACCEPTED,
    )
