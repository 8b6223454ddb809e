"""Noticing that a client left, so that its upstream request is cancelled.

ASGI tells it only to somebody who waits in `receive`. A task for that costs about as much as
labelling a request, so it starts after a moment: a quick answer never pays for it, and a client
that leaves is still noticed within a fraction of a second.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

WATCH_AFTER_S = 0.1


class ClientWatch:
    """Cancels the task that made it once the client has gone."""

    __slots__ = ("_later", "_owner", "_receive", "_watching", "client_left")

    def __init__(self, receive: Callable[[], Awaitable[MutableMapping[str, Any]]]) -> None:
        owner = asyncio.current_task()
        assert owner is not None, "a ClientWatch belongs to a running task"  # noqa: S101
        self._owner = owner
        self._receive = receive
        self._watching: asyncio.Task[None] | None = None
        self._later = asyncio.get_running_loop().call_later(WATCH_AFTER_S, self._start)
        self.client_left = False

    def _start(self) -> None:
        self._watching = asyncio.ensure_future(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.client_left = True
        self._owner.cancel()

    def accept_cancellation(self) -> None:
        """The cancellation was ours: the task may end normally."""
        self._owner.uncancel()

    def stop(self) -> None:
        """Stop watching. Must be called on every path."""
        self._later.cancel()
        if self._watching is not None:
            self._watching.cancel()
