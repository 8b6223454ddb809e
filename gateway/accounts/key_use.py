"""When keys were used last, as the audit's loader brings decisions. Nothing of it is on the path
of a request."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q

from gateway.accounts.models import APIKey
from gateway.audit.columns import moment
from gateway.audit.reading import Entry
from gateway.audit.records import DecisionRecord

# A key that is used all the time is written this often.
EVERY: Final = timedelta(minutes=1)


class KeyUse:
    """A sink of the loader. Holds when each key was written last."""

    def __init__(self) -> None:
        self._written: dict[str, datetime] = {}

    def loaded(self, writer: str, entries: Sequence[Entry]) -> None:
        """One statement for each key that was not written within the last minute."""
        last: dict[str, datetime] = {}
        for entry in entries:
            record = entry.record
            if isinstance(record, DecisionRecord) and record.key_prefix:
                last[record.key_prefix] = moment(record.at)
        for prefix, at in last.items():
            written = self._written.get(prefix)
            if written is not None and at - written < EVERY:
                continue
            APIKey.objects.filter(prefix=prefix).filter(
                Q(last_used_at=None) | Q(last_used_at__lt=at)
            ).update(last_used_at=at)
            self._written[prefix] = at

    def died(self, writer: str) -> None:
        """Nothing was left open."""
