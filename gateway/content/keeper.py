"""Brings content from the request path into the database: a bounded queue and a thread.

Off the hot path: `keep` costs an append. Kept content is a convenience of the project, not
evidence: what waits when the process is killed, or while the database is away for long, is lost,
said in the log and counted. The journal never has any of it.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from django.db import DatabaseError, connection, transaction
from django.db.models import F

from gateway.audit.columns import moment
from gateway.audit.records import DecisionRecord
from gateway.content.keys import CredentialUnreadable, Exchange, Sealer
from gateway.content.models import ContentRule, KeptContent
from gateway.inference.kept import Kept

log = logging.getLogger(__name__)

MOST_WAITING: Final = 2_000
MOST_WAITING_BYTES: Final = 64 * 1024 * 1024
_BATCH: Final = 100
_RETRY_S: Final = 1.0


class ContentKeeper:
    """Implements `gateway.inference.contracts.Contents`. One per process."""

    def __init__(self, *, lost: Callable[[int], None] = lambda _: None) -> None:
        """`lost` is told how many could not be kept."""
        self._waiting: deque[tuple[DecisionRecord, Kept]] = deque()
        self._bytes = 0
        self._lost = lost
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kept-content", daemon=True)
        self._thread.start()

    def keep(self, decision: DecisionRecord, kept: Kept) -> None:
        """Take a request over; drops it, and counts that, when too much waits."""
        size = len(kept.request) + len(kept.answer)
        if len(self._waiting) >= MOST_WAITING or self._bytes + size > MOST_WAITING_BYTES:
            self._lost(1)
            return
        self._bytes += size
        self._waiting.append((decision, kept))
        self._wake.set()

    def close(self) -> None:
        """Store what waits, once more, and end the thread."""
        self._stopping.set()
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._wake.wait()
                self._wake.clear()
                while self._waiting and not self._stopping.is_set():
                    if not self._store_some():
                        self._stopping.wait(_RETRY_S)
            while self._waiting and self._store_some():
                pass
            if self._waiting:
                log.error("%d requests' content could not be kept", len(self._waiting))
                self._lost(len(self._waiting))
        finally:
            connection.close()

    def _store_some(self) -> bool:
        batch = [self._waiting[at] for at in range(min(len(self._waiting), _BATCH))]
        try:
            with transaction.atomic():
                store(batch)
        except (DatabaseError, CredentialUnreadable) as error:
            # The error's text may quote a row.
            log.error("content cannot be kept now (%s)", type(error).__name__)  # noqa: TRY400
            connection.close()
            return False
        for _ in batch:
            _, kept = self._waiting.popleft()
            self._bytes -= len(kept.request) + len(kept.answer)
        return True


def store(batch: list[tuple[DecisionRecord, Kept]]) -> None:
    """Seal and insert, within the caller's transaction. Leaves out projects that keep nothing
    (any more). Raises DatabaseError, CredentialUnreadable."""
    slugs = {decision.project for decision, _ in batch}
    rules = ContentRule.objects.filter(project__slug__in=slugs).annotate(slug=F("project__slug"))
    days = {rule.slug: (rule.project_id, rule.days) for rule in rules}
    sealer = Sealer(make=True)
    rows: list[KeptContent] = []
    for decision, kept in batch:
        if decision.project not in days:
            continue
        project, keep_days = days[decision.project]
        at, person = moment(decision.at), person_of(decision)
        sealed = sealer.seal(
            Exchange(kept.request, kept.answer),
            project=str(project),
            person=person,
            decision_id=decision.id,
        )
        rows.append(
            KeptContent(
                decision_id=decision.id,
                project_id=project,
                person=person,
                at=at,
                expires_at=at + timedelta(days=keep_days),
                whole=kept.whole,
                sealed=sealed,
            )
        )
    KeptContent.objects.bulk_create(rows, ignore_conflicts=True)


def person_of(decision: DecisionRecord) -> str:
    """Whose content it is: the person on whose behalf it was sent, else who sent it."""
    return decision.on_behalf_of or decision.actor
