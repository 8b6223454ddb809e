"""What the chat page asks for: the preview of a draft, and the reply to a message.

Both take JSON `{"project", "model", "messages"}` and answer errors in OpenAI's shape. Neither
keeps anything of what it reads.
"""

import functools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import msgspec
from asgiref.sync import sync_to_async
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_POST

from frontend.access import chat_project
from frontend.lens import lens_of
from frontend.relay import RelayedResponse
from gateway.accounts.access import NoSuchProject
from gateway.accounts.models import User
from gateway.chat import service
from gateway.chat.body import Draft, read_draft
from gateway.inference.contracts import Principal
from gateway.protocol.errors import GatewayError, InvalidRequest, NotFound, Unauthenticated


class MayNotChat(GatewayError):
    """A role that only reads."""

    status = 403
    type = "permission_error"
    code = "role_denied"


View = Callable[[HttpRequest], Coroutine[Any, Any, HttpResponseBase]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A draft and who wrote it."""

    principal: Principal
    draft: Draft


def _in_our_shape(view: View) -> View:
    """Turn a refusal into its response."""

    @functools.wraps(view)
    async def answer(request: HttpRequest) -> HttpResponseBase:
        try:
            return await view(request)
        except GatewayError as error:
            response = HttpResponse(
                error.body(), status=error.status, content_type="application/json"
            )
            for name, value in error.headers.items():
                response[name] = value
            response["Cache-Control"] = "no-store"
            return response

    return answer


async def _asked(request: HttpRequest) -> Asked:
    user = await request.auser()
    if not user.is_authenticated:
        raise Unauthenticated("You are signed out. Sign in again to go on.")
    try:
        body = msgspec.json.decode(request.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidRequest("The request must be a JSON object.") from None
    draft = read_draft(body)
    return Asked(await sync_to_async(_principal)(user, body.get("project")), draft)


def _principal(user: User, slug: object) -> Principal:
    try:
        return service.principal_of(user, chat_project(user, slug))
    except NoSuchProject:
        raise NotFound("There is no such project, or it is not yours.", param="project") from None
    except PermissionDenied:
        raise MayNotChat("Your role in this project reads; it does not write.") from None


@require_POST
@_in_our_shape
async def preview(request: HttpRequest) -> HttpResponseBase:
    """Where this draft would go, and why. Nothing is sent or stored."""
    asked = await _asked(request)
    # On the event loop on purpose: recognizers are not shared between threads.
    response = JsonResponse({"lens": lens_of(service.preview(asked.principal, asked.draft))})
    response["Cache-Control"] = "no-store"
    return response


@require_POST
@_in_our_shape
async def send(request: HttpRequest) -> HttpResponseBase:
    """Send the last message and stream the reply; the headers say where it went and why."""
    asked = await _asked(request)
    return RelayedResponse(await service.send(asked.principal, asked.draft))
