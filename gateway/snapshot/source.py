"""Keeps a snapshot fresh: a thread of its own asks for the control version and rebuilds on change.

The event loop never waits for it: `current` reads one attribute. When the database is away the
last snapshot stays and its age grows; the path draws the conclusions.

INVARIANT: the age counts from before the query that confirmed the version, never from after.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.db import connection

from gateway.accounts.changes import control_version
from gateway.inference.contracts import Snapshot, SnapshotUnavailable
from gateway.snapshot.build import Builder

log = logging.getLogger(__name__)


class PolledSnapshot:
    """A SnapshotSource over the database."""

    def __init__(
        self,
        *,
        builder: Builder | None = None,
        poll: timedelta | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._builder = builder if builder is not None else Builder()
        self._poll_s = (poll if poll is not None else settings.SNAPSHOT_POLL).total_seconds()
        self._monotonic = monotonic
        self._state: tuple[Snapshot, float] | None = None
        self._stopping = threading.Event()
        self._first_load = threading.Event()
        self._failure: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._complaining = False

    def current(self) -> tuple[Snapshot, float]:
        """The snapshot and its age in seconds. No I/O. Raises SnapshotUnavailable."""
        state = self._state
        if state is None:
            raise SnapshotUnavailable("no snapshot was read yet")
        snapshot, confirmed_at = state
        return snapshot, max(0.0, self._monotonic() - confirmed_at)

    def start(self) -> None:
        """Read the first snapshot, then poll. Blocks until it is read, and raises what prevented
        it: without one nothing may start."""
        if self._thread is not None:
            raise RuntimeError("this source was started before")
        # In the polling thread, so that the database connection belongs to it alone.
        self._thread = threading.Thread(target=self._run, name="snapshot", daemon=True)
        self._thread.start()
        self._first_load.wait()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """End the thread and wait for it. The last snapshot stays readable and grows old."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            self._load_first()
            while self._failure is None and not self._stopping.wait(self._poll_s):
                self.refresh()
        finally:
            connection.close()

    def _load_first(self) -> None:
        try:
            self._rebuild(self._monotonic())
        except Exception as error:  # noqa: BLE001 -- handed to whoever called `start`
            self._failure = error
        finally:
            self._first_load.set()

    def refresh(self) -> None:
        """Confirm the snapshot or read a new one. Never raises: a failure lets the age grow."""
        asked_at = self._monotonic()
        try:
            state = self._state
            if state is not None and control_version() == state[0].version:
                self._state = (state[0], asked_at)
            else:
                self._rebuild(asked_at)
        except Exception as error:  # noqa: BLE001 -- outer border of the thread
            # The exception's text may quote rows: only its type is logged, once per outage.
            if not self._complaining:
                log.error(  # noqa: TRY400
                    "the configuration cannot be read (%s); requests are decided by version %s",
                    type(error).__name__,
                    self._state[0].version if self._state else None,
                )
            self._complaining = True
            connection.close()
        else:
            if self._complaining:
                log.warning("the configuration can be read again")
            self._complaining = False

    def _rebuild(self, asked_at: float) -> None:
        snapshot = self._builder.build()
        self._state = (snapshot, asked_at)
        log.info(
            "configuration version %s: %s keys, %s projects, %s destinations",
            snapshot.version,
            len(snapshot.keys),
            len(snapshot.projects),
            len(snapshot.destinations),
        )
