"""Running one batch: lease rows, drive them concurrently, settle what came, until none is left.

One coroutine per batch; its database work goes to `desk`, a thread of its own. While a settlement
is committed further answers gather and make the next one, so that an answer waits for one commit
at most before it is kept.

INVARIANT: a row is asked for only while its lease is ours, and a claim that was lost ends
everything at once.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import ParamSpec, Protocol, TypeVar

from django.db import DatabaseError
from django.utils import timezone

from gateway.batches import claims, rows
from gateway.batches.attempts import Attempt
from gateway.batches.formats import AskedOf, Format, format_of
from gateway.batches.models import Batch, Ending, RowState, Status
from gateway.batches.pace import Pace
from gateway.batches.principals import Creator, creator_of
from gateway.batches.rows import Leased, Settled
from gateway.batches.services import stop_batch
from gateway.batches.waking import wake_now
from gateway.files.blobs import StorageUnavailable
from gateway.files.encrypted import EncryptedReader, Unreadable
from gateway.files.keys import project_key
from gateway.files.models import StoredFile
from gateway.files.services import reading
from gateway.inference.contracts import Principal, Snapshot
from gateway.inference.path import Gateway
from gateway.protocol.errors import FailClosed
from policies.engine.facts import Endpoint

log = logging.getLogger(__name__)

MOST_ROWS = 128
SPARE_ROWS = 16  # leased before their turn, so that a slot that comes free is filled at once
KEEP_EVERY_S = 2.0
LOOK_AGAIN_S = 1.0  # also after a lease whose rows mostly found their deployment's queue full
SOON_S = 10.0  # whoever comes back later does not stand in the way of the rows behind
DATABASE_PAUSE_S = 1.0
OTHER_POLICY_S = 2.0
_OTHER_POLICY = "The policy was changed after this batch was asked for."
_MAY_NOT = "The key or the person that created the batch may not go on."

P = ParamSpec("P")
T = TypeVar("T")


class Desk(Protocol):
    """Runs a function with the database in a thread of its own."""

    def __call__(
        self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Awaitable[T]:
        """The function's result, or what it raises."""
        ...


@dataclass(slots=True, kw_only=True)
class _Opened:
    """A batch that is ours, with its input file open."""

    batch: Batch
    creator: Creator
    key: bytes
    format: Format
    reader: EncryptedReader
    files: ExitStack

    def format_of(self, row: Leased) -> Format:
        model = self.batch.retry_model
        return AskedOf(self.format, model) if row.retried and model else self.format

    def texts(self, leased: list[Leased]) -> list[bytes]:
        return [self.reader.read_at(row.offset, row.length) for row in leased]


class Drive:
    """One batch in one process."""

    def __init__(
        self, batch_id: str, *, process: str, gateway: Gateway, pace: Pace, desk: Desk
    ) -> None:
        self._batch_id = batch_id
        self._by = claims.new_claim(process)
        self._gateway = gateway
        self._pace = pace
        self._desk = desk
        self._chance = random.Random()  # noqa: S311 -- spreads retries, no secret
        self._tasks: dict[asyncio.Task[Settled], Attempt] = {}
        self._settled: list[Settled] = []
        self._wake = asyncio.Event()
        self._leasing = True
        self._stopped: tuple[str, str] | None = None  # reason and message
        self._other_policy_since_s: float | None = None
        self._leased = 0  # with the last lease
        self._put_back = 0  # since then, for want of a place

    async def run(self) -> None:
        """Until no row is left, the batch is told to end, or the task is cancelled."""
        opened = await self._desk(self._open)
        if opened is None:
            return
        try:
            await self._rows(opened)
            await self._finish()
        except claims.ClaimLost:
            log.warning("batch %s is run by another process now", self._batch_id)
        finally:
            await self._leave(opened)

    def _open(self) -> _Opened | None:
        now = timezone.now()
        if not claims.claim(self._batch_id, by=self._by, statuses=rows.RUNNING, now=now):
            return None
        files = ExitStack()
        try:
            batch = Batch.objects.select_related("project").get(pk=self._batch_id)
            file = StoredFile.objects.select_related("project").get(pk=batch.input_file_id)
            return _Opened(
                batch=batch,
                creator=creator_of(batch),
                key=project_key(batch.project),
                format=format_of(batch.kind),
                reader=files.enter_context(reading(file)),
                files=files,
            )
        except StorageUnavailable as error:
            log.warning("batch %s waits for its input: %s", self._batch_id, error)
            files.close()
            claims.release(self._batch_id, by=self._by)
            return None  # the sweep begins it again
        except (OSError, Unreadable):
            files.close()
            stop_batch(self._batch_id, reason="unreadable_file", message="The file is unreadable.")
            claims.release(self._batch_id, by=self._by)
            return None

    async def _rows(self, opened: _Opened) -> None:
        monotonic = self._gateway.monotonic
        keep_at = monotonic() + KEEP_EVERY_S
        look_at = 0.0
        while True:
            self._wake.clear()
            try:
                await self._store(opened)
                if monotonic() >= keep_at:
                    await self._keep(opened)
                    keep_at = monotonic() + KEEP_EVERY_S
                if self._put_back * 2 > self._leased:
                    # Leasing on would read and decide the same rows over and over.
                    self._put_back = 0
                    look_at = monotonic() + LOOK_AGAIN_S
                if self._leasing and monotonic() >= look_at and self._room() > 0:
                    began = await self._begin(opened)
                    look_at = monotonic() + (0.0 if began else LOOK_AGAIN_S)
                if not self._tasks and not self._settled and await self._is_over():
                    return
            except DatabaseError as error:
                # What was answered stays in memory and is stored when the database is back.
                log.warning("batch %s: %s; trying again", self._batch_id, type(error).__name__)
                await asyncio.sleep(DATABASE_PAUSE_S)
            full = self._room() <= 0 or not self._leasing
            await self._pause(keep_at if full else min(keep_at, look_at))

    async def _pause(self, until_s: float) -> None:
        """Until a row has come back, or until then."""
        if self._settled:
            return
        try:
            wait_s = max(until_s - self._gateway.monotonic(), 0.0)
            await asyncio.wait_for(self._wake.wait(), wait_s)
        except TimeoutError:
            return

    def _room(self) -> int:
        most = min(self._pace.capacity + SPARE_ROWS, MOST_ROWS)
        room = most - len(self._tasks)
        # A lease is a transaction: not one for each single row.
        return room if room >= SPARE_ROWS // 2 or not self._tasks else 0

    async def _begin(self, opened: _Opened) -> bool:
        """Lease rows and start them. False: none is due."""
        try:
            leased = await self._desk(
                rows.lease, self._batch_id, by=self._by, limit=self._room(), now=timezone.now()
            )
        except claims.ClaimLost:
            self._leasing = False  # cancelled or over; `keep` tells whether it is still ours
            self._give_up_waiting()
            return False
        if not leased:
            return False
        self._leased, self._put_back = len(leased), 0
        ready = await self._ready(opened, leased)
        if ready is None:
            self._settled += [
                Settled(row=row, state=RowState.PENDING, wait_s=LOOK_AGAIN_S) for row in leased
            ]
            return False
        principal, texts = ready
        for row, text in zip(leased, texts, strict=True):
            self._start(opened, principal, row, text)
        return True

    async def _ready(
        self, opened: _Opened, leased: list[Leased]
    ) -> tuple[Principal, list[bytes]] | None:
        """As whom to ask, and the rows' texts. None: not at all, or not at the moment."""
        try:
            texts = await self._desk(opened.texts, leased)
            snapshot, _ = self._gateway.fresh_snapshot()
            if not self._holds(opened.batch, snapshot):
                return None
            principal = opened.creator.now(snapshot)
            if principal is None and not await self._desk(opened.creator.is_alive):
                self._stop("invalid_api_key", _MAY_NOT)
        except Unreadable:
            self._stop("unreadable_file", "The input file cannot be read.")
            return None
        except (FailClosed, DatabaseError, OSError):
            return None
        # A key that is new is not in every snapshot yet.
        return None if principal is None else (principal, texts)

    def _holds(self, batch: Batch, snapshot: Snapshot) -> bool:
        """Whether the policy is the one that the batch may run by. Stops it when that is over."""
        view = snapshot.projects.get(batch.project.slug)
        if not batch.revision or (view is not None and view.policy.revision == batch.revision):
            self._other_policy_since_s = None
            return True
        now_s = self._gateway.monotonic()
        if self._other_policy_since_s is None:
            # A policy that was published just before the batch began is not in every snapshot yet.
            self._other_policy_since_s = now_s
        elif now_s - self._other_policy_since_s >= OTHER_POLICY_S:
            self._stop("policy_changed", _OTHER_POLICY)
        return False

    def _stop(self, reason: str, message: str) -> None:
        self._stopped = self._stopped or (reason, message)

    def _start(self, opened: _Opened, principal: Principal, row: Leased, text: bytes) -> None:
        batch = opened.batch
        attempt = Attempt(
            row,
            text,
            batch_id=batch.pk,
            gateway=self._gateway,
            pace=self._pace,
            chance=self._chance,
        )
        task = asyncio.create_task(
            attempt.run(
                opened.format_of(row),
                creator=lambda: opened.creator,
                principal=principal,
                endpoint=Endpoint(batch.endpoint),
                declared=batch.declared,
            )
        )
        self._tasks[task] = attempt
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[Settled]") -> None:
        attempt = self._tasks.pop(task)
        if task.cancelled():
            sent = attempt.sent
            self._settled.append(
                Settled(row=attempt.row, state=RowState.PENDING, tried=sent, lost=sent)
            )
        else:
            settled = task.result()
            self._settled.append(settled)
            back = settled.state is RowState.PENDING and not settled.tried
            self._put_back += back and settled.wait_s < SOON_S
        self._wake.set()

    def _give_up_waiting(self) -> None:
        for task, attempt in self._tasks.items():
            if not attempt.sent:
                task.cancel()

    async def _store(self, opened: _Opened) -> None:
        if self._settled:
            settled, self._settled = self._settled, []
            try:
                await self._desk(rows.settle, self._batch_id, settled, key=opened.key)
            except DatabaseError:
                self._settled = settled + self._settled
                raise
        if self._stopped and self._leasing:
            self._leasing = False
            reason, message = self._stopped
            await self._desk(stop_batch, self._batch_id, reason=reason, message=message)

    async def _keep(self, opened: _Opened) -> None:
        held = [attempt.row.id for attempt in self._tasks.values()]
        held += [each.row.id for each in self._settled]
        status = await self._desk(rows.keep, self._batch_id, held, by=self._by, now=timezone.now())
        if status is not Status.IN_PROGRESS:
            self._leasing = False
            self._give_up_waiting()
        if not opened.batch.key_id:
            opened.creator = await self._desk(creator_of, opened.batch)

    async def _is_over(self) -> bool:
        return not self._leasing or not await self._desk(rows.unfinished, self._batch_id)

    async def _finish(self) -> None:
        await self._desk(_finish, self._batch_id, self._by)

    async def _leave(self, opened: _Opened) -> None:
        """Give back what is unfinished, on every way out."""
        for task in self._tasks:
            task.cancel()
        while self._tasks:
            await asyncio.wait(list(self._tasks))
        try:
            await self._desk(self._close, opened, self._settled)
        except DatabaseError as error:
            log.warning(
                "batch %s: leases are left to end (%s)", self._batch_id, type(error).__name__
            )

    def _close(self, opened: _Opened, settled: list[Settled]) -> None:
        opened.files.close()
        rows.settle(self._batch_id, settled, key=opened.key)
        claims.release(self._batch_id, by=self._by)


def _finish(batch_id: str, by: str) -> None:
    """Every row is settled, or the batch is told to end: let its files be written."""
    if not rows.unfinished(batch_id):
        Batch.objects.filter(pk=batch_id, driver=by, status=Status.IN_PROGRESS).update(
            status=Status.FINALIZING, ending=Ending.DONE, finalizing_at=timezone.now()
        )
    claims.release(batch_id, by=by)
    wake_now(batch_id)
