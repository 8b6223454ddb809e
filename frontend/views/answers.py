"""Answers to what the pages' scripts ask: JSON, and refusals in OpenAI's shape."""

import functools
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec

import msgspec
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _

from frontend.access import chat_project
from gateway.accounts.access import NoSuchProject
from gateway.accounts.models import Project, User
from gateway.chat.access import NoSuchConversation
from gateway.protocol.errors import (
    GatewayError,
    InvalidRequest,
    NotFound,
    Unauthenticated,
    UnderLegalHold,
)

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], Coroutine[Any, Any, HttpResponseBase]]


class MayNotChat(GatewayError):
    """A role that only reads."""

    status = 403
    type = "permission_error"
    code = "role_denied"


def in_our_shape(view: View[P]) -> View[P]:
    """Turn a refusal into its response."""

    async def answer(
        request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs
    ) -> HttpResponseBase:
        try:
            return await view(request, *args, **kwargs)
        except GatewayError as error:
            return refusal(error)
        except NoSuchConversation:
            return refusal(NotFound(_("There is no such conversation, or it is not yours.")))

    functools.update_wrapper(answer, view)
    return answer


def refusal(error: GatewayError) -> HttpResponse:
    """An error as its response."""
    response = HttpResponse(error.body(), status=error.status, content_type="application/json")
    for name, value in error.headers.items():
        response[name] = value
    response["Cache-Control"] = "no-store"
    return response


def held_page(request: HttpRequest, held: UnderLegalHold) -> HttpResponse:
    """Why something that a form was to delete is still there."""
    return render(request, "frontend/held.html", {"reason": held.message}, status=held.status)


def told(content: dict[str, Any]) -> JsonResponse:
    """An answer that nobody keeps."""
    response = JsonResponse(content)
    response["Cache-Control"] = "no-store"
    return response


async def person_of(request: HttpRequest) -> User:
    """Who asks. Raises Unauthenticated."""
    user = await request.auser()
    if not user.is_authenticated:
        raise Unauthenticated(_("You are signed out. Sign in again to go on."))
    return user


def json_body(request: HttpRequest) -> dict[str, Any]:
    """The request's JSON object. Raises InvalidRequest."""
    try:
        body = msgspec.json.decode(request.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        body = None
    if not isinstance(body, dict):
        raise InvalidRequest(_("The request must be a JSON object."))
    return body


def text_in(body: dict[str, Any], name: str, *, default: str = "") -> str:
    """A text of the body. Raises InvalidRequest for anything else."""
    value = body.get(name, default)
    if not isinstance(value, str):
        raise InvalidRequest(_("`%(name)s` must be a text.") % {"name": name}, param=name)
    return value


def number_in(body: dict[str, Any], name: str) -> int | None:
    """A whole number of the body, if there is one. Raises InvalidRequest."""
    value = body.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise InvalidRequest(_("`%(name)s` must be a whole number.") % {"name": name}, param=name)
    return value


def words_in(body: dict[str, Any], name: str) -> list[str]:
    """A list of texts of the body. Raises InvalidRequest."""
    value = body.get(name, [])
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise InvalidRequest(_("`%(name)s` must be a list of texts.") % {"name": name}, param=name)
    return value


def texts_in(body: dict[str, Any], name: str) -> dict[str, str] | None:
    """Texts by name, if there are any. Raises InvalidRequest."""
    value = body.get(name)
    if value is not None and (
        not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values())
    ):
        raise InvalidRequest(
            _("`%(name)s` must be an object of texts.") % {"name": name}, param=name
        )
    return value


def writable_project(user: User, slug: object) -> Project:
    """The project, if `user` may write in it. Raises NotFound, MayNotChat."""
    try:
        return chat_project(user, slug)
    except (NoSuchProject, Http404):
        raise NotFound(
            _("There is no such project, or it is not yours."), param="project"
        ) from None
    except PermissionDenied:
        raise MayNotChat(_("Your role in this project reads; it does not write.")) from None
