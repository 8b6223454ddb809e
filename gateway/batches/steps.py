"""Long steps of batches (reading an input, writing the files, a dry run) beside Celery's tasks.

A task that worked for a minute would keep everything behind it waiting: with one process in the
pool, the alerts of budgets and the heads of the audit, too. So a task only begins a step, and is
done. Nothing is lost by that: what is to be done stands in the database, a step that is not begun
or dies is found by the next sweep, and claims keep two from doing the same.
"""

import logging
import threading
import time
import traceback
from collections.abc import Callable
from typing import Final

from django.db import connection

log = logging.getLogger(__name__)

MOST_STEPS: Final = 2  # they share one core, and the rows under way need it, too


class Steps:
    """The steps of one process, each in a thread of its own."""

    def __init__(self, most: int = MOST_STEPS) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._running: dict[str, threading.Thread] = {}

    def begin(self, name: str, step: Callable[[], object]) -> bool:
        """Do it beside, with a database connection of its own. False: it is being done already, or
        as many are as may be; whoever sweeps comes back to it."""
        thread = threading.Thread(
            target=self._run, args=(name, step), name=f"step of {name}", daemon=True
        )
        with self._lock:
            if name in self._running or len(self._running) >= self._most:
                return False
            thread.start()  # it cannot end before this lock is free
            self._running[name] = thread
        return True

    def wait(self, timeout_s: float) -> None:
        """Until those under way have ended, or so long."""
        deadline = time.monotonic() + timeout_s
        with self._lock:
            threads = list(self._running.values())
        for thread in threads:
            thread.join(max(deadline - time.monotonic(), 0.0))

    def _run(self, name: str, step: Callable[[], object]) -> None:
        try:
            step()
        except Exception as error:  # noqa: BLE001 -- the outer border of a step
            place = traceback.extract_tb(error.__traceback__)[-1]
            log.error(  # noqa: TRY400 -- an exception's text may quote content
                "a step of %s failed: %s at %s:%s; it begins again",
                *(name, type(error).__name__, place.name, place.lineno),
            )
        finally:
            connection.close()
            with self._lock:
                del self._running[name]
