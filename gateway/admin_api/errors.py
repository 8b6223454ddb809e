"""Every error of `/api` in the shape that clients of `/v1` know: `{"error": {message, …}}`."""

from typing import Any

import msgspec
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.views import defaults
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from gateway.protocol.errors import GatewayError, NotFound
from policies.engine.problems import DocumentError


def handle(exc: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's EXCEPTION_HANDLER. None for what is a defect: a 500 without details."""
    if isinstance(exc, GatewayError):
        return Response(msgspec.json.decode(exc.body()), status=exc.status)
    if isinstance(exc, ValidationError | DocumentError):
        return _error(400, "invalid_request_error", "invalid_request", str(exc))
    response = exception_handler(exc, context)
    if response is None:
        return None
    message = "No such object." if isinstance(exc, Http404) else _message(exc)
    shaped = _error(response.status_code, _type(response.status_code), _code(exc), message)
    for name, value in response.items():
        if name.lower() in {"www-authenticate", "allow", "retry-after"}:
            shaped[name] = value
    return shaped


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's `handler404`: JSON for programs, the page for people."""
    if not (request.path.startswith("/api/") or request.content_type == "application/json"):
        return defaults.page_not_found(request, exception)
    missing = NotFound(
        f"There is no {request.method} {request.path[:200]} here. "
        "What OpenAI's SDK asks for is under /v1: let base_url end with it."
    )
    return HttpResponse(missing.body(), status=404, content_type="application/json")


def _error(status: int, type_: str, code: str, message: str) -> Response:
    body = {"message": message, "type": type_, "param": None, "code": code}
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


def _flat(detail: Any) -> list[str]:
    if isinstance(detail, dict):
        return [f"{name}: {text}" for name, value in detail.items() for text in _flat(value)]
    if isinstance(detail, list):
        return [text for value in detail for text in _flat(value)]
    return [str(detail)]
