"""Where coroutines ask the database: threads beside the event loop, whose connections are closed.

Django closes a connection when its request or task ends. What a coroutine asks has neither: the
thread, and its connection, would stay as long as the loop, one more of the server's connections for
each of up to 32 threads. One that the server had broken would never be opened again, either.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

from django.db import DatabaseError, connection

P = ParamSpec("P")
T = TypeVar("T")
_CLOSED_WITHIN_S: Final = 5.0
_TRUSTED_FOR_S: Final = 1.0


async def in_database_thread(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run what asks the database now and then: the connection is its own, and closed after it."""

    def call() -> T:
        try:
            return function(*args, **kwargs)
        finally:
            connection.close()

    return await asyncio.to_thread(call)


class DatabaseThreads:
    """Some threads, each with a connection that it keeps while it works. Call it as a function."""

    def __init__(self, count: int, *, name: str, trusted_for_s: float = _TRUSTED_FOR_S) -> None:
        """`name` of the threads; for how long an idle connection is used without a look. Starts
        no thread yet."""
        self._count, self._trusted_for_s = count, trusted_for_s
        self._pool = ThreadPoolExecutor(max_workers=count, thread_name_prefix=name)
        self._used = threading.local()

    def __call__(
        self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> "asyncio.Future[T]":
        """Run it there."""

        def call() -> T:
            self._look()
            try:
                return function(*args, **kwargs)
            except DatabaseError:
                connection.close()  # it may be broken; the next call opens another
                raise

        return asyncio.get_running_loop().run_in_executor(self._pool, call)

    def _look(self) -> None:
        """Drop a connection that broke while it lay idle: one round trip instead of a failure."""
        now = time.monotonic()
        idle_s = now - getattr(self._used, "at", now)
        self._used.at = now
        if idle_s > self._trusted_for_s and connection.connection and not connection.is_usable():
            connection.close()

    def close(self) -> None:
        """Let what was asked end, close every connection, end the threads."""
        together = threading.Barrier(self._count)

        def leave() -> None:
            connection.close()
            try:
                together.wait(_CLOSED_WITHIN_S)  # so that no thread does this twice, for another
            except threading.BrokenBarrierError:
                return

        for _ in range(self._count):
            self._pool.submit(leave)
        self._pool.shutdown()
