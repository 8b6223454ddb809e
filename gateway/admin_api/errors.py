"""Every error of `/api` in the shape that clients of `/v1` know: `{"error": {message, …}}`."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.views import defaults
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import exception_handler

from gateway.accounts.services.second_person import SecondPersonNeeded
from gateway.protocol.errors import GatewayError, NotFound
from policies.engine.problems import DocumentError, Problem
from policies.services.conflicts import Conflict
from policies.services.judging import NotPublished
from policies.services.recognizers import RecognizerInUse, RecognizerRefused


def handle(exc: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's EXCEPTION_HANDLER. None for what is a defect: a 500 without details."""
    if isinstance(exc, GatewayError):
        return Response(msgspec.json.decode(exc.body()), status=exc.status)
    refused = _refused(exc)
    if refused is not None:
        return refused
    response = exception_handler(exc, context)
    if response is None:
        return None
    message = "No such object." if isinstance(exc, Http404) else _message(exc)
    problems = tuple(_problems(exc.detail)) if isinstance(exc, exceptions.ValidationError) else ()
    status = response.status_code
    shaped = _error(status, _type(status), _code(exc), message, problems)
    for name, value in response.items():
        if name.lower() in {"www-authenticate", "allow", "retry-after"}:
            shaped[name] = value
    return shaped


def _refused(exc: Exception) -> Response | None:
    """What a service refuses; problems of a document with their JSON Pointers."""
    status, type_, problems = 400, "invalid_request_error", list[Problem]()
    match exc:
        case DocumentError() | NotPublished():
            problems = list(exc.problems)
            unread = isinstance(exc, DocumentError)
            status, code = (400, "invalid_document") if unread else (422, "not_published")
        case RecognizerRefused():
            code = "invalid_document"
            problems = [Problem(item.field, item.sentence, item.advice) for item in exc.problems]
        case Conflict() | RecognizerInUse():
            status, code = 409, "conflict"
        case SecondPersonNeeded():
            status, type_, code = 403, "permission_error", "second_person_needed"
        case ValidationError():
            code = "invalid_request"
            problems = _by_field(exc)
            if not problems:
                return _error(status, type_, code, " ".join(exc.messages))
        case _:
            return None
    text = "\n".join(item.as_text().strip() for item in problems) or str(exc)
    return _error(status, type_, code, text, problems)


def _by_field(exc: ValidationError) -> list[Problem]:
    if not hasattr(exc, "error_dict"):
        return []
    return [
        Problem("" if field == NON_FIELD_ERRORS else f"/{field}", " ".join(messages), "")
        for field, messages in exc.message_dict.items()
    ]


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's `handler404`: JSON for programs, the page for people."""
    if not (request.path.startswith("/api/") or request.content_type == "application/json"):
        return defaults.page_not_found(request, exception)
    missing = NotFound(
        f"There is no {request.method} {request.path[:200]} here. "
        "What OpenAI's SDK asks for is under /v1: let base_url end with it."
    )
    return HttpResponse(missing.body(), status=404, content_type="application/json")


def _error(
    status: int, type_: str, code: str, message: str, problems: Sequence[Problem] = ()
) -> Response:
    """`problems`, if any, say where (JSON Pointer) and what; `param` names the first place."""
    param = problems[0].pointer if problems else None
    body: dict[str, Any] = {"message": message, "type": type_, "param": param, "code": code}
    if problems:
        body["problems"] = [
            {"pointer": item.pointer, "sentence": item.sentence, "advice": item.advice}
            for item in problems
        ]
    return Response({"error": body}, status=status)


def _type(status: int) -> str:
    return {401: "authentication_error", 403: "permission_error"}.get(
        status, "invalid_request_error"
    )


def _code(exc: Exception) -> str:
    if isinstance(exc, Http404):
        return "not_found"
    if isinstance(exc, PermissionDenied):
        return "permission_denied"
    codes = exc.get_codes() if isinstance(exc, exceptions.APIException) else None
    return codes if isinstance(codes, str) else "invalid_request"


def _message(exc: Exception) -> str:
    if isinstance(exc, exceptions.ValidationError):
        return "; ".join(_flat(exc.detail))
    return str(exc) or "This is not allowed."


def _problems(detail: Any, pointer: str = "") -> Iterator[Problem]:
    """What a serializer refuses, with its places in the body."""
    if isinstance(detail, dict):
        for name, value in detail.items():
            below = "" if name == api_settings.NON_FIELD_ERRORS_KEY else f"/{name}"
            yield from _problems(value, pointer + below)
    elif isinstance(detail, list):
        for place, value in enumerate(detail):
            inner = f"/{place}" if isinstance(value, dict) and value else ""
            yield from _problems(value, pointer + inner)
    else:
        yield Problem(pointer, str(detail), "")


def _flat(detail: Any) -> list[str]:
    if isinstance(detail, dict):
        return [f"{name}: {text}" for name, value in detail.items() for text in _flat(value)]
    if isinstance(detail, list):
        return [text for value in detail for text in _flat(value)]
    return [str(detail)]
