"""Exceptions that wait for a second person."""

import uuid

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from gateway.accounts.access import may
from gateway.accounts.roles import Role
from gateway.admin_api.policies import answers, shapes
from gateway.admin_api.policies.access import person_of, project_of_key
from gateway.admin_api.policies.reading import NoteBody, PolicyView, read
from gateway.deployments.models import WaitingState
from policies.models import WaitingException
from policies.services.waiting_exceptions import (
    approve_exception,
    may_agree,
    reject_exception,
    waiting_exceptions_for,
    withdraw_exception,
)


class WaitingExceptions(PolicyView):
    """Exceptions that wait for a second person."""

    @extend_schema(responses=answers.WaitingExceptionAnswer(many=True))
    def get(self, request: Request) -> Response:
        """All for admins and approvers, for others those of projects that they edit."""
        rows = _seen(request).filter(state=WaitingState.WAITING)
        return Response([_shaped(request, row) for row in rows])


class OneWaitingException(PolicyView):
    """One of them."""

    @extend_schema(responses=answers.WaitingExceptionAnswer)
    def get(self, request: Request, key: uuid.UUID) -> Response:
        """What it would suspend, and what became of it."""
        return Response(_shaped(request, _found(request, key)))


class AgreeToException(PolicyView):
    """The second person agrees."""

    @extend_schema(request=NoteBody, responses={201: answers.ExceptionAnswer})
    def post(self, request: Request, key: uuid.UUID) -> Response:
        """It holds. Never its author; 409 when a rule says something else since."""
        row = _found(request, key)
        note = read(request, NoteBody)["note"]
        done = approve_exception(by=person_of(request), waiting=row, note=note)
        return Response(shapes.exception(done), status=status.HTTP_201_CREATED)


class RejectException(PolicyView):
    """The second person does not agree."""

    @extend_schema(request=NoteBody, responses=answers.WaitingExceptionAnswer)
    def post(self, request: Request, key: uuid.UUID) -> Response:
        """Nothing is suspended; the author reads the note."""
        row = _found(request, key)
        note = read(request, NoteBody)["note"]
        reject_exception(by=person_of(request), waiting=row, note=note)
        row.refresh_from_db()
        return Response(_shaped(request, row))


class WithdrawException(PolicyView):
    """Whoever may edit the project's policy takes it back."""

    @extend_schema(request=None, responses=answers.WaitingExceptionAnswer)
    def post(self, request: Request, key: uuid.UUID) -> Response:
        """Nothing is suspended."""
        row = _found(request, key)
        withdraw_exception(by=person_of(request), waiting=row)
        row.refresh_from_db()
        return Response(_shaped(request, row))


def _seen(request: Request) -> QuerySet[WaitingException]:
    """What the person may see; with a key what they edit in its project."""
    user, only = person_of(request), project_of_key(request)
    rows = waiting_exceptions_for(user)
    if only is None:
        return rows
    return rows.filter(project=only) if may(user, only, Role.EDITOR) else rows.none()


def _found(request: Request, key: uuid.UUID) -> WaitingException:
    row = _seen(request).filter(pk=key).first()
    if row is None:
        raise Http404("No such exception.")
    return row


def _shaped(request: Request, row: WaitingException) -> shapes.Data:
    return shapes.waiting_exception(row, may_agree=may_agree(person_of(request), row))
