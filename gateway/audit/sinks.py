"""Who else keeps what the loader brings: told in the loader's own transaction.

What a sink stores is stored exactly when the records are, so it is as exact after a kill as they
are. Sinks live above the audit and register when their application is ready.
"""

from collections.abc import Sequence
from typing import Protocol

from gateway.audit.reading import Entry


class Sink(Protocol):
    """Both are called inside the transaction and may raise DatabaseError, which undoes it all."""

    def loaded(self, writer: str, entries: Sequence[Entry]) -> None:
        """Entries that were stored just now, in the order of the writer's chain."""
        ...

    def died(self, writer: str) -> None:
        """The writer is gone. Its rows without an outcome are still pending at this moment."""
        ...


sinks: list[Sink] = []
