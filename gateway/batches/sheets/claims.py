"""Who estimates or collects a sheet: one process at a time, for as long as it renews its claim."""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from gateway.batches.claims import ClaimLost, new_claim
from gateway.batches.sheets.models import Sheet

CLAIM_TIME = timedelta(seconds=30)
RENEW_AFTER = timedelta(seconds=5)


class Claim:
    """A sheet that is ours to work on. `taken` false: somebody else is at it, or it is not due."""

    def __init__(self, sheet_id: str, *, process: str, statuses: Collection[str]) -> None:
        self.sheet_id = sheet_id
        self.by = new_claim(process)
        self._statuses = statuses
        self._renewed: datetime = timezone.now()
        free = Q(worker="") | Q(worker_until__lte=self._renewed)
        rows = Sheet.objects.filter(free, pk=sheet_id, status__in=statuses)
        self.taken = rows.update(worker=self.by, worker_until=self._renewed + CLAIM_TIME) == 1

    def keep(self, **changes: object) -> None:
        """Renew when it is time to; store `changes` with it. Raises ClaimLost."""
        now = timezone.now()
        if now - self._renewed >= RENEW_AFTER:
            self.update(worker_until=now + CLAIM_TIME, **changes)
            self._renewed = now

    def update(self, **changes: object) -> None:
        """Change the sheet, if it is still ours. Raises ClaimLost."""
        held = Sheet.objects.filter(pk=self.sheet_id, worker=self.by, status__in=self._statuses)
        if held.update(**changes) != 1:
            raise ClaimLost(self.sheet_id)

    def release(self) -> None:
        """Let others work on it. Harmless when it is lost."""
        Sheet.objects.filter(pk=self.sheet_id, worker=self.by).update(worker="", worker_until=None)
