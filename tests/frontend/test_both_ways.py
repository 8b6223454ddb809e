"""The frame of middleware: the same sync and async, and never a thread in between."""

import asyncio
from collections.abc import Awaitable
from threading import get_ident
from typing import cast

import pytest
from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.test import RequestFactory
from typing_extensions import override

from frontend.both_ways import BothWaysMiddleware
from frontend.gate import GateMiddleware
from frontend.middleware import ContentSecurityPolicyMiddleware, StaticFilesMiddleware


class Marks(BothWaysMiddleware):
    """Stops at `/stopped`, and marks what goes out otherwise."""

    @override
    def before(self, request: HttpRequest) -> HttpResponseBase | None:
        return HttpResponse("stopped") if request.path == "/stopped" else None

    @override
    def after(self, response: HttpResponseBase) -> HttpResponseBase:
        response.headers["x-marked"] = "yes"
        return response


def answered(path: str, *, on_the_loop: bool) -> tuple[str, str | None, int]:
    """Body, mark, and the thread that answered (0: nobody did)."""
    asked = RequestFactory().get(path)
    thread = 0

    def sync(_request: HttpRequest) -> HttpResponseBase:
        nonlocal thread
        thread = get_ident()
        return HttpResponse("further in")

    async def on_loop(request: HttpRequest) -> HttpResponseBase:
        return sync(request)

    async def run() -> HttpResponseBase:
        frame = Marks(on_loop)
        assert iscoroutinefunction(frame)
        return await cast("Awaitable[HttpResponseBase]", frame(asked))

    if on_the_loop:
        found: object = asyncio.run(run())
    else:
        frame = Marks(sync)
        assert not iscoroutinefunction(frame)
        found = frame(asked)
    assert isinstance(found, HttpResponse)
    return found.content.decode(), found.headers.get("x-marked"), thread


@pytest.mark.parametrize("on_the_loop", [False, True])
def test_it_answers_itself_or_passes_on_in_the_same_thread(on_the_loop: bool) -> None:
    assert answered("/stopped", on_the_loop=on_the_loop) == ("stopped", None, 0)
    passed = ("further in", "yes", get_ident())
    assert answered("/", on_the_loop=on_the_loop) == passed


@pytest.mark.parametrize(
    "kind", [ContentSecurityPolicyMiddleware, GateMiddleware, StaticFilesMiddleware]
)
def test_every_middleware_of_ours_runs_both_ways(kind: type[BothWaysMiddleware]) -> None:
    async def further(request: HttpRequest) -> HttpResponseBase:
        return HttpResponse(request.path)

    assert (kind.sync_capable, kind.async_capable) == (True, True)
    assert iscoroutinefunction(kind(further))

    async def run() -> HttpResponseBase:
        asked = RequestFactory().get("/nothing-here")
        return await cast("Awaitable[HttpResponseBase]", kind(further)(asked))

    found = asyncio.run(run())
    assert isinstance(found, HttpResponse)
    assert found.content == b"/nothing-here"
