"""Several watches as one."""

from collections.abc import Sequence

from gateway.audit.records import DecisionRecord, OutcomeRecord
from gateway.inference.contracts import Watch


class Watches:
    """Tells each of them."""

    __slots__ = ("_all",)

    def __init__(self, watches: Sequence[Watch]) -> None:
        self._all = tuple(watches)

    def ended(self, decision: DecisionRecord, outcome: OutcomeRecord) -> None:
        """A request is over."""
        for watch in self._all:
            watch.ended(decision, outcome)
