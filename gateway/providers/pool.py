"""Idle connections, by target.

A server closes an idle connection whenever it likes (uvicorn after 5 s), and a request written at
that moment is lost. So connections wait here for less time than any server we know keeps them.
"""

import asyncio

from gateway.providers.connection import Connection

MOST_IDLE = 256  # connections kept per target


class Pool:
    """The free connections of one target, the last used first."""

    __slots__ = ("_idle", "_idle_limit_s", "_loop", "_sweeper")

    def __init__(self, *, idle_limit_s: float) -> None:
        self._idle: dict[str, list[Connection]] = {}
        self._idle_limit_s = idle_limit_s
        self._loop = asyncio.get_running_loop()
        self._sweeper: asyncio.TimerHandle | None = None

    def take(self, key: str) -> Connection | None:
        """A connection that is open as far as can be seen, or None."""
        idle = self._idle.get(key)
        if not idle:
            return None
        oldest = self._loop.time() - self._idle_limit_s
        while idle:
            connection = idle.pop()
            if connection.open and connection.idle_since >= oldest:
                return connection
            connection.cut()
        return None

    def put(self, key: str, connection: Connection) -> None:
        """Keep a connection for the next request."""
        idle = self._idle.setdefault(key, [])
        if len(idle) >= MOST_IDLE:
            connection.cut()
            return
        idle.append(connection)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(self._idle_limit_s, self._sweep)

    def discard(self, key: str, connection: Connection) -> None:
        """Forget a connection that has ended."""
        idle = self._idle.get(key)
        if idle and connection in idle:
            idle.remove(connection)

    def close(self) -> None:
        """Close everything that is idle."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for idle in self._idle.values():
            for connection in idle:
                connection.cut()
        self._idle.clear()

    def _sweep(self) -> None:
        self._sweeper = None
        oldest = self._loop.time() - self._idle_limit_s
        for key in list(self._idle):
            idle = self._idle[key]
            for connection in [each for each in idle if each.idle_since < oldest]:
                idle.remove(connection)
                connection.cut()
            if not idle:
                del self._idle[key]
        if self._idle:
            self._sweeper = self._loop.call_later(self._idle_limit_s, self._sweep)
