"""Middleware of the pages: the content security policy, and static files without threads."""

from pathlib import Path

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from typing_extensions import override
from whitenoise.middleware import WhiteNoiseMiddleware

from frontend.both_ways import BothWaysMiddleware, Next

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


class ContentSecurityPolicyMiddleware(BothWaysMiddleware):
    """Puts the policy on every response that has none: nothing inline, nothing from elsewhere."""

    @override
    def after(self, response: HttpResponseBase) -> HttpResponseBase:
        """With the header."""
        response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        return response


class StaticFilesMiddleware(BothWaysMiddleware, WhiteNoiseMiddleware):  # type: ignore[misc]
    """WhiteNoise for an event loop.

    The original is sync only, and hands out file iterators that Django would drain in a thread
    with a warning. Our files are small, so they are read and sent at once.
    """

    def __init__(self, get_response: Next) -> None:
        WhiteNoiseMiddleware.__init__(self, get_response)
        BothWaysMiddleware.__init__(self, get_response)

    def add_files(self, root: str | Path, prefix: str | None = None) -> None:
        """Take the files under `root`; nothing was collected there in the embedded default."""
        if Path(root).is_dir():
            super().add_files(root, prefix)

    @override
    def before(self, request: HttpRequest) -> HttpResponse | None:
        """A static file, if the address is of one."""
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
