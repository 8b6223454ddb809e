"""The event loop of a worker process, which runs batches beside Celery's tasks.

A task wakes it and returns. So a batch is never cut into slices that must drain before the next
task, all batches of a process share what their deployments can take, and short tasks are not held
up by long rows.
"""

import asyncio
import logging
import os
import threading
from concurrent.futures import Future

import uvloop
from celery import signals

from gateway import runtime
from gateway.batches.drive import Drive
from gateway.batches.liveness import Presence
from gateway.batches.pace import Pace
from gateway.batches.queues import QueueWatch
from gateway.batches.steps import Steps
from gateway.database_threads import DatabaseThreads

log = logging.getLogger(__name__)

START_WITHIN_S = 60.0
STOP_WITHIN_S = 7.0
STEPS_WITHIN_S = 1.0  # a longer one is taken up by whoever comes next


class DatabaseThread(DatabaseThreads):
    """One thread with one connection: what a loop's coroutines ask of the database, in turn."""

    def __init__(self) -> None:
        super().__init__(1, name="batches-database")


class WorkerLoop:
    """The loop, its thread, and the batches that run in it; and `steps` beside it."""

    def __init__(self) -> None:
        self.presence = Presence()
        self.steps = Steps()
        self.pid = os.getpid()
        self._drives: dict[str, asyncio.Task[None]] = {}
        self._started: Future[asyncio.AbstractEventLoop] = Future()
        self._stopping: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="batches", daemon=True)
        self._thread.start()

    def wake(self, batch_id: str) -> None:
        """Run a batch unless it runs here already. Raises what kept the loop from starting."""
        loop = self._started.result(START_WITHIN_S)
        loop.call_soon_threadsafe(self._begin, batch_id)

    def stop(self) -> None:
        """Give back what is unfinished, close the journal, end the thread."""
        try:
            loop = self._started.result(STOP_WITHIN_S)
        except Exception:  # noqa: BLE001 -- it never started: nothing is running
            return
        if self._stopping is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(STOP_WITHIN_S)
        self.steps.wait(STEPS_WITHIN_S)
        self.presence.end()

    @property
    def alive(self) -> bool:
        """Whether it may be woken: of this process, and neither stopped nor failed."""
        return self.pid == os.getpid() and self._thread.is_alive()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._main())
        except Exception as error:  # noqa: BLE001 -- handed to whoever wakes it
            if not self._started.done():
                self._started.set_exception(error)
            else:
                log.error("the batches' loop ended: %s", type(error).__name__)  # noqa: TRY400

    async def _main(self) -> None:
        self._stopping = asyncio.Event()
        self._pace = Pace()
        self._desk = DatabaseThread()
        await runtime.start(role="worker")
        try:
            watch = asyncio.create_task(QueueWatch(runtime.gateway(), self._pace).run())
            watch.add_done_callback(_ended_early)
            self._started.set_result(asyncio.get_running_loop())
            await self._stopping.wait()
            watch.cancel()
        finally:
            for drive in self._drives.values():
                drive.cancel()
            if self._drives:
                await asyncio.wait(self._drives.values())
            await asyncio.to_thread(self._desk.close)
            await runtime.stop()

    def _begin(self, batch_id: str) -> None:
        if batch_id in self._drives or self._stopping is None or self._stopping.is_set():
            return
        drive = Drive(
            batch_id,
            process=self.presence.name,
            gateway=runtime.gateway(),
            pace=self._pace,
            desk=self._desk,
        )
        task = asyncio.get_running_loop().create_task(drive.run())
        self._drives[batch_id] = task
        task.add_done_callback(lambda done: self._ended(batch_id, done))

    def _ended(self, batch_id: str, task: "asyncio.Task[None]") -> None:
        del self._drives[batch_id]
        if not task.cancelled() and (error := task.exception()) is not None:
            # The sweep begins it again. The exception's text may quote content.
            log.error("batch %s stopped: %s", batch_id, type(error).__name__, exc_info=error)


def _ended_early(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("nobody looks at the servers' queues any more: %s", type(error).__name__)


_starting = threading.Lock()
_loop: WorkerLoop | None = None


def worker_loop() -> WorkerLoop:
    """This process's loop, started on first use."""
    global _loop  # noqa: PLW0603 -- one loop per process
    with _starting:
        if _loop is None or not _loop.alive:
            _loop = WorkerLoop()
        return _loop


def _stop(**_: object) -> None:
    global _loop
    with _starting:
        loop, _loop = _loop, None
    if loop is not None and loop.pid == os.getpid():
        loop.stop()


signals.worker_process_shutdown.connect(_stop)
signals.worker_shutdown.connect(_stop)
