"""The frame of a middleware that runs sync and async.

A middleware that is sync only would push every request of the event loop through a thread, and
would stand between a client that leaves and the reply it cancels.
"""

from collections.abc import Awaitable, Callable
from typing import ClassVar, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

Next = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


class BothWaysMiddleware:
    """Overrides `before` (and `before_async`, where that takes a thread), or `after`."""

    sync_capable: ClassVar = True
    async_capable: ClassVar = True

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Answer the request, or pass it on."""
        if self._is_async:
            return self._answer(request)
        stopped = self.before(request)
        if stopped is not None:
            return stopped
        return self.after(cast("HttpResponseBase", self.get_response(request)))

    async def _answer(self, request: HttpRequest) -> HttpResponseBase:
        stopped = await self.before_async(request)
        if stopped is not None:
            return stopped
        return self.after(await cast("Awaitable[HttpResponseBase]", self.get_response(request)))

    def before(self, request: HttpRequest) -> HttpResponseBase | None:
        """The answer of this middleware itself; None: the request is passed on."""
        del request
        return None

    async def before_async(self, request: HttpRequest) -> HttpResponseBase | None:
        """The same on the event loop."""
        return self.before(request)

    def after(self, response: HttpResponseBase) -> HttpResponseBase:
        """What was answered further in, as it goes out."""
        return response
