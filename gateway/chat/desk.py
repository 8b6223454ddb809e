"""Where coroutines of the chat ask the database: a few threads beside the event loop.

Requests have threads of their own; what outlives a request (writing a reply, telling browsers of
it) comes here.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import DatabaseError, close_old_connections, connection

P = ParamSpec("P")
T = TypeVar("T")
THREADS = 3


class Desk:
    """Calls functions in threads that keep their connection while it works."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="chat-database")

    def __call__(
        self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Awaitable[T]:
        """Run it there."""

        def call() -> T:
            if connection.vendor != "sqlite":
                close_old_connections()  # CONN_MAX_AGE decides
            try:
                return function(*args, **kwargs)
            except DatabaseError:
                connection.close()  # it may be broken; the next call opens another
                raise

        return asyncio.get_running_loop().run_in_executor(self._pool, call)

    def close(self) -> None:
        """Close the connections and end the threads."""
        for _ in range(THREADS):
            self._pool.submit(connection.close)
        self._pool.shutdown()
