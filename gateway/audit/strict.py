"""Strict auditing: the database has a decision before a byte of it leaves on_prem.

The journal alone loses nothing by `kill -9`. A power cut may take its last 50 ms, a lost volume
whatever was not loaded; a decision that was committed here is still known then. Commits of
requests that wait at the same time share a transaction. What the loader has brought in is forgotten
here; what it has not within `UNACCOUNTED_AFTER` becomes an event.
"""

import asyncio
import logging
import threading
from collections import deque
from datetime import timedelta
from typing import Final

import msgspec
from django.db import DatabaseError, connection, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from gateway.audit.columns import moment, text
from gateway.audit.event_types import EventType
from gateway.audit.models import RequestRecord
from gateway.audit.records import DecisionRecord, JournalUnavailable
from gateway.audit.sealing_models import CommittedDecision
from gateway.audit.services import record_event

log = logging.getLogger(__name__)

UNACCOUNTED_AFTER: Final = timedelta(minutes=15)
_PATIENCE_S: Final = 10.0
_ROWS: Final = 1000
_encode = msgspec.json.Encoder().encode


class StrictCommits:
    """Implements `gateway.inference.contracts.Commits` with a thread and one connection."""

    def __init__(self, writer: str) -> None:
        """`writer`: whose journal has the decisions, too."""
        self._writer = writer
        self._waiting: deque[tuple[CommittedDecision, asyncio.Future[None]]] = deque()
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="strict-audit", daemon=True)
        self._thread.start()

    async def commit(self, record: DecisionRecord) -> None:
        """Returns when the database has it. Raises JournalUnavailable after 10 s without it."""
        row = CommittedDecision(
            decision_id=record.id,
            writer=self._writer,
            at=moment(record.at),
            project=text(record.project),
            record=_encode(record).decode(),
        )
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((row, done))
        self._wake.set()
        try:
            await asyncio.wait_for(done, _PATIENCE_S)
        except (TimeoutError, DatabaseError) as error:
            raise JournalUnavailable(f"not committed: {type(error).__name__}") from None

    def close(self) -> None:
        """End the thread; what still waits is refused."""
        self._stopping = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._wake.wait()
                self._wake.clear()
                self._commit_all()
        finally:
            connection.close()

    def _commit_all(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _ROWS))]
            failure: DatabaseError | None = None
            try:
                with transaction.atomic():
                    CommittedDecision.objects.bulk_create([row for row, _ in batch])
            except DatabaseError as error:
                # The error's text may quote a row.
                log.error("strict audit: cannot commit (%s)", type(error).__name__)  # noqa: TRY400
                connection.close()
                failure = error
            for _, done in batch:
                _tell(done, failure)


def _tell(done: "asyncio.Future[None]", failure: DatabaseError | None) -> None:
    loop = done.get_loop()
    if loop.is_closed():
        return

    def tell() -> None:
        if done.done():  # it did not wait that long
            return
        if failure is None:
            done.set_result(None)
        else:
            done.set_exception(failure)

    loop.call_soon_threadsafe(tell)


def not_loaded() -> "QuerySet[CommittedDecision]":
    """Committed decisions that no journal has brought into the log (yet)."""
    loaded = RequestRecord.objects.filter(decision_id=OuterRef("decision_id"))
    return CommittedDecision.objects.filter(~Exists(loaded))


def reconcile() -> int:
    """Forget what the log has; record as an event what it should have and has not.

    Returns how many were recorded. Idempotent; many short transactions.
    """
    loaded = RequestRecord.objects.filter(decision_id=OuterRef("decision_id"))
    while ids := list(
        CommittedDecision.objects.filter(Exists(loaded)).values_list("pk", flat=True)[:_ROWS]
    ):
        CommittedDecision.objects.filter(pk__in=ids).delete()
    overdue = not_loaded().filter(at__lt=timezone.now() - UNACCOUNTED_AFTER, reported=False)
    reported = 0
    for row in overdue.order_by("at")[:_ROWS]:
        with transaction.atomic():
            if not CommittedDecision.objects.filter(pk=row.pk, reported=False).update(
                reported=True
            ):
                continue
            _report(row)
            reported += 1
    return reported


def _report(row: CommittedDecision) -> None:
    record_event(
        actor="system:strict-audit",
        type=EventType.DECISION_UNACCOUNTED,
        object_type="decision",
        object_id=row.decision_id,
        project=row.project,
        details={"writer": row.writer, "at": row.at.isoformat(), "record": row.digest},
    )
