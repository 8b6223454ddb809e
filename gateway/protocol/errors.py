"""What a client can be told, in OpenAI's error shape.

    GatewayError
    ├── InvalidRequest            400  the body is not what the endpoint takes; `param` says where
    ├── RequestTooLarge           413
    ├── Unauthenticated           401  no key, an unknown, expired or revoked one
    ├── ScopeDenied               403  the key may not use this endpoint
    ├── PolicyDenied              403  `policy_denied`: deployments exist, none may receive this
    ├── NotFound                  404  no such path, model or method's object
    ├── MethodNotAllowed          405
    ├── FileInUse                 409  something that runs still reads the file
    ├── UnderLegalHold            409  `legal_hold`: nothing of it is deleted while the hold lasts
    ├── RateLimited               429  `rate_limited`, with Retry-After
    ├── BudgetExceeded            429  `budget_exceeded`, `x-should-retry: false`
    ├── UpstreamRefused           4xx  the upstream's own word on a bad request, reshaped
    ├── NoDeploymentAvailable     503  every permitted deployment failed; never a wider one
    └── FailClosed                503  a control of ours failed; `param` names which

Messages may quote what the caller sent to the caller; they are never logged.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from typing_extensions import override

from policies.engine.labels import Label


class GatewayError(Exception):
    """Base: a status, OpenAI's error object, and headers."""

    status = 500
    type = "api_error"
    code: str | None = "internal_error"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})
        # What whoever stores the refused request keeps beside it; None: it was never labelled.
        self.passes_on: Label | None = None

    @property
    def recorded(self) -> str:
        """What the audit may keep of it: a word of ours, never one that came from outside."""
        return self.code or self.type

    def body(self) -> bytes:
        """`{"error": {message, type, param, code, …}}` as JSON."""
        error = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return msgspec.json.encode({"error": error | self.extra})


class InvalidRequest(GatewayError):
    """The request cannot be understood or is not allowed in this form."""

    status = 400
    type = "invalid_request_error"
    code = "invalid_request"

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message, param=param)
        if code is not None:
            self.code = code


class RequestTooLarge(GatewayError):
    """More bytes than this installation accepts."""

    status = 413
    type = "invalid_request_error"
    code = "request_too_large"


class Unauthenticated(GatewayError):
    """Nobody we know."""

    status = 401
    type = "invalid_request_error"
    code = "invalid_api_key"


class ScopeDenied(GatewayError):
    """A key that is known, for another purpose."""

    status = 403
    type = "permission_error"
    code = "scope_denied"


class PolicyDenied(GatewayError):
    """The policy left no deployment that may receive these bytes."""

    status = 403
    type = "permission_error"
    code = "policy_denied"

    def __init__(self, message: str, *, extra: Mapping[str, Any]) -> None:
        # A retry of the same bytes meets the same policy.
        super().__init__(message, headers={"x-should-retry": "false"}, extra=extra)


class NotFound(GatewayError):
    """No such thing, or none that the caller may see; both look the same."""

    status = 404
    type = "invalid_request_error"
    code = "not_found"


class ModelNotFound(NotFound):
    """No alias of that name serves this endpoint for this project."""

    code = "model_not_found"


class MethodNotAllowed(GatewayError):
    """The path exists, the method does not."""

    status = 405
    type = "invalid_request_error"
    code = "method_not_allowed"


class FileInUse(GatewayError):
    """Something that is not finished reads this file."""

    status = 409
    type = "invalid_request_error"
    code = "file_in_use"


class UnderLegalHold(GatewayError):
    """A legal hold keeps what was to be deleted; the message has the hold's reason."""

    status = 409
    type = "invalid_request_error"
    code = "legal_hold"


class RateLimited(GatewayError):
    """Too many requests in this minute."""

    status = 429
    type = "rate_limit_error"
    code = "rate_limited"


class BudgetExceeded(GatewayError):
    """A budget is used up; waiting a little does not help."""

    status = 429
    type = "insufficient_quota"
    code = "budget_exceeded"

    def __init__(self, message: str) -> None:
        super().__init__(message, headers={"x-should-retry": "false"})


class UpstreamRefused(GatewayError):
    """The upstream understood and said no: its status and its words, in OpenAI's shape."""

    type = "invalid_request_error"
    code = None

    def __init__(self, message: str, *, status: int, param: str | None, code: str | None) -> None:
        super().__init__(message, param=param)
        self.status = status
        self.code = code

    @property
    @override
    def recorded(self) -> str:
        """The upstream's own code may quote the prompt: it goes to the caller and nowhere else."""
        return "upstream_refused"


class NoDeploymentAvailable(GatewayError):
    """Every deployment that may receive this request failed."""

    status = 503
    type = "api_error"
    code = "no_deployment_available"

    def __init__(self, message: str) -> None:
        super().__init__(message, headers={"x-should-retry": "false"})


class FailClosed(GatewayError):
    """A control failed, so nothing was sent; or what was to be kept could not be, so nothing of it
    was. `param`: label, snapshot, policy, journal or storage."""

    status = 503
    type = "api_error"
    code = "fail_closed"

    def __init__(self, message: str, *, param: str) -> None:
        super().__init__(message, param=param)
