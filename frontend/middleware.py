"""Middleware of the pages: the content security policy, and static files without threads.

Both run sync and async. A middleware that is sync only would push every request of the event
loop through a thread, and would stand between a client that leaves and the reply it cancels.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from whitenoise.middleware import WhiteNoiseMiddleware

Next = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "font-src 'self'",
        "manifest-src 'self'",
    )
)


class ContentSecurityPolicyMiddleware:
    """Puts the policy on every response that has none: nothing inline, nothing from elsewhere."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Answer the request, then add the header."""
        if self._is_async:
            return self._answer(request)
        return self._with_policy(cast("HttpResponseBase", self.get_response(request)))

    async def _answer(self, request: HttpRequest) -> HttpResponseBase:
        return self._with_policy(
            await cast("Awaitable[HttpResponseBase]", self.get_response(request))
        )

    def _with_policy(self, response: HttpResponseBase) -> HttpResponseBase:
        response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        return response


class StaticFilesMiddleware(WhiteNoiseMiddleware):  # type: ignore[misc]
    """WhiteNoise for an event loop.

    The original is sync only, and hands out file iterators that Django would drain in a thread
    with a warning. Our files are small, so they are read and sent at once.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Next) -> None:
        super().__init__(get_response)
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def add_files(self, root: str | Path, prefix: str | None = None) -> None:
        """Take the files under `root`; nothing was collected there in the embedded default."""
        if Path(root).is_dir():
            super().add_files(root, prefix)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Serve a static file, or pass the request on."""
        if self._is_async:
            return self._answer(request)
        return self._static(request) or cast("HttpResponseBase", self.get_response(request))

    async def _answer(self, request: HttpRequest) -> HttpResponseBase:
        return self._static(request) or await cast(
            "Awaitable[HttpResponseBase]", self.get_response(request)
        )

    def _static(self, request: HttpRequest) -> HttpResponse | None:
        static_file = self.files.get(request.path_info)
        if static_file is None:
            return None
        found = static_file.get_response(request.method, request.META)
        body = b""
        if found.file is not None:
            with found.file as file:
                body = file.read()
        response = HttpResponse(body, status=int(found.status))
        del response["Content-Type"]
        for name, value in found.headers:
            response[name] = value
        if found.file is not None:
            # WhiteNoise measured at start; an upgrade may have replaced the file since.
            response["Content-Length"] = str(len(body))
        return response
