"""Noticing that a client left, so that its upstream request is cancelled.

ASGI tells it only to somebody who waits in `receive`. A task and a timer for that would cost each
request about as much as labelling it. So one timer per process looks every tenth of a second at
the requests under way, and begins to wait for those that were there at its last look already: a
quick answer never pays, and a client that leaves is noticed within a fraction of a second.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

LOOK_EVERY_S = 0.1

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class ClientWatch:
    """Cancels the task that made it once the client has gone. `stop` on every path."""

    __slots__ = ("_clients", "_owner", "_receive", "_task", "client_left", "seen")

    def __init__(self, clients: "Clients", receive: Receive, owner: "asyncio.Task[Any]") -> None:
        self._clients = clients
        self._owner = owner
        self._receive = receive
        self._task: asyncio.Task[None] | None = None
        self.client_left = False
        self.seen = False

    def begin(self) -> None:
        """Wait for the client's end from now on. Does nothing the second time."""
        if self._task is None:
            self._task = asyncio.ensure_future(self._wait())

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.client_left = True
        self._owner.cancel()

    def accept_cancellation(self) -> None:
        """The cancellation was ours: the task may end normally."""
        self._owner.uncancel()

    def stop(self) -> None:
        """The request is over."""
        self._clients.forget(self)
        if self._task is not None:
            self._task.cancel()


class Clients:
    """The requests under way in one event loop."""

    def __init__(self) -> None:
        self._watches: set[ClientWatch] = set()
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, receive: Receive) -> ClientWatch:
        """Watch the client of the running task."""
        owner = asyncio.current_task()
        if owner is None:
            raise RuntimeError("only a running task can be told that its client left")
        watch = ClientWatch(self, receive, owner)
        self._watches.add(watch)
        if self._timer is None:
            self._arm()
        return watch

    def forget(self, watch: ClientWatch) -> None:
        """Stop looking at a request."""
        self._watches.discard(watch)

    def _arm(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(LOOK_EVERY_S, self._look)

    def _look(self) -> None:
        self._timer = None
        for watch in self._watches:
            if watch.seen:
                watch.begin()
            watch.seen = True
        if self._watches:
            self._arm()
