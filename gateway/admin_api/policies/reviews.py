"""What waits for somebody else: publications, exceptions, approvals of single requests."""

import uuid
from datetime import timedelta

from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from gateway.accounts.access import may
from gateway.accounts.models import User
from gateway.accounts.roles import Role
from gateway.admin_api.policies import answers, shapes
from gateway.admin_api.policies.access import Access, person_of, project_for, project_of_key
from gateway.admin_api.policies.reading import (
    AgreeBody,
    AskBody,
    GrantBody,
    NoteBody,
    PolicyView,
    read,
)
from policies.models import Approval, PendingPublication
from policies.services.approvals import (
    approvals_for,
    ask_for_approval,
    grant_approval,
    may_decide,
    refuse_approval,
)
from policies.services.differences import difference
from policies.services.judging import judge
from policies.services.publications import (
    approve_publication,
    may_review,
    reject_publication,
    waiting_publications,
    withdraw_publication,
)
from policies.services.reading import known_names, names_for_projects


class Publications(PolicyView):
    """Publications that wait for a second person."""

    @extend_schema(responses=answers.PublicationAnswer(many=True))
    def get(self, request: Request) -> Response:
        """All for admins and approvers, for others those of policies that they edit."""
        rows = [row for row in waiting_publications() if _sees(request, row)]
        return Response([shapes.publication(row) for row in rows])


class Publication(PolicyView):
    """One publication."""

    @extend_schema(responses=answers.PublicationWithDocument)
    def get(self, request: Request, key: uuid.UUID) -> Response:
        """Its document, what it would change, and whether it would hold now."""
        row = _publication(request, key)
        project = row.policy.project
        known = known_names() if project is None else names_for_projects()
        before = row.base.document if row.base is not None else None
        return Response(
            {
                **shapes.publication(row),
                "document": row.document,
                "difference": shapes.difference(difference(before, row.document, known)),
                "verdict": shapes.verdict(judge(row.document, project=project)),
            }
        )


class Agree(PolicyView):
    """The second person agrees."""

    @extend_schema(request=AgreeBody, responses={201: answers.RevisionAnswer})
    def post(self, request: Request, key: uuid.UUID) -> Response:
        """The document takes effect. Never its author; 409 when another took effect since."""
        row = _publication(request, key)
        given = read(request, AgreeBody)
        done = approve_publication(by=person_of(request), publication=row, **given)
        return Response(shapes.revision(done, current=done), status=status.HTTP_201_CREATED)


class Reject(PolicyView):
    """The second person does not agree."""

    @extend_schema(request=NoteBody, responses=answers.PublicationAnswer)
    def post(self, request: Request, key: uuid.UUID) -> Response:
        """Nothing takes effect; the author reads the note."""
        row = _publication(request, key)
        reject_publication(
            by=person_of(request), publication=row, note=read(request, NoteBody)["note"]
        )
        row.refresh_from_db()
        return Response(shapes.publication(row))


class Withdraw(PolicyView):
    """Whoever may edit the policy takes it back."""

    @extend_schema(request=None, responses=answers.PublicationAnswer)
    def post(self, request: Request, key: uuid.UUID) -> Response:
        """Nothing takes effect."""
        row = _publication(request, key)
        withdraw_publication(by=person_of(request), publication=row)
        row.refresh_from_db()
        return Response(shapes.publication(row))


class Approvals(PolicyView):
    """Approvals of single requests."""

    @extend_schema(
        parameters=[OpenApiParameter("state", str, enum=["waiting", "granted", "refused"])],
        responses=answers.ApprovalAnswer(many=True),
    )
    def get(self, request: Request) -> Response:
        """One's own, of projects that one edits, or all (admins, approvers); the newest first."""
        rows = approvals_for(person_of(request))
        only = project_of_key(request)
        if only is not None:
            rows = rows.filter(project=only)
        state = request.query_params.get("state")
        if state:
            rows = rows.filter(state=state)
        return Response([_shaped(row, person_of(request)) for row in rows[:200]])

    @extend_schema(
        request=AskBody,
        responses={201: answers.ApprovalAnswer},
    )
    def post(self, request: Request) -> Response:
        """Ask that a refused request may pass: members their own, editors any of the project."""
        given = read(request, AskBody)
        project = project_for(request, given["project"], Access.USE)
        row = ask_for_approval(
            by=person_of(request),
            project=project,
            decision_id=given["decision"],
            reason=given["reason"],
        )
        return Response(_shaped(row, person_of(request)), status=status.HTTP_201_CREATED)


class OneApproval(PolicyView):
    """One approval."""

    @extend_schema(responses=answers.ApprovalAnswer)
    def get(self, request: Request, key: uuid.UUID) -> Response:
        """What was asked for, by whom, and what became of it."""
        return Response(_shaped(_approval(request, key), person_of(request)))


class Grant(PolicyView):
    """Somebody else approves."""

    @extend_schema(request=GrantBody, responses=answers.ApprovalAnswer)
    def post(self, request: Request, key: uuid.UUID) -> Response:
        """Exactly those bytes may pass for so many hours."""
        row, given = _approval(request, key), read(request, GrantBody)
        done = grant_approval(
            by=person_of(request),
            approval=row,
            note=given["note"],
            lifetime=timedelta(hours=given["hours"]),
        )
        return Response(_shaped(done, person_of(request)))


class Refuse(PolicyView):
    """Somebody else does not approve."""

    @extend_schema(request=NoteBody, responses=answers.ApprovalAnswer)
    def post(self, request: Request, key: uuid.UUID) -> Response:
        """It stays refused."""
        row, given = _approval(request, key), read(request, NoteBody)
        done = refuse_approval(by=person_of(request), approval=row, note=given["note"])
        return Response(_shaped(done, person_of(request)))


def _sees(request: Request, row: PendingPublication) -> bool:
    user, only, project = person_of(request), project_of_key(request), row.policy.project
    if only is not None and project != only:
        return False
    if project is not None and may(user, project, Role.EDITOR):
        return True
    return only is None and may_review(user)


def _publication(request: Request, key: uuid.UUID) -> PendingPublication:
    rows = PendingPublication.objects.select_related("policy__project", "base", "revision")
    row = rows.filter(pk=key).first()
    if row is None or not _sees(request, row):
        raise Http404("No such publication.")
    return row


def _approval(request: Request, key: uuid.UUID) -> Approval:
    rows, only = approvals_for(person_of(request)), project_of_key(request)
    row = rows.filter(pk=key).first()
    if row is None or (only is not None and row.project != only):
        raise Http404("No such approval.")
    return row


def _shaped(row: Approval, user: User) -> shapes.Data:
    return shapes.approval(row, may_decide=may_decide(user, row))
