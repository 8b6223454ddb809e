"""Whether a chain's times run forward, and whether it may begin later than at its first record.

Pure, like `gateway.audit.heads` and for the same reason: third parties run it.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final, NamedTuple

from gateway.audit.heads import Sealed

# Within a chain times never go back; a decision may wait this long between its time and its place.
BACK_S: Final = 300.0
# What is loaded later than this after a head that should have had it is said.
LATE: Final = timedelta(minutes=10)
PRUNED: Final = "audit.pruned"


class Dating:
    """Whether the times of a chain's decisions or events run forward, as its clock does."""

    __slots__ = ("earliest", "latest")

    def __init__(self) -> None:
        self.latest = float("-inf")
        self.earliest = float("inf")  # since the last checkpoint

    def fault(self, at: float) -> str:
        """Why a record cannot be of this time where it stands; empty when it can."""
        self.earliest = min(self.earliest, at)
        if at < self.latest - BACK_S:
            return f"it is dated {_day(at)}, after records of {_day(self.latest)}: back-dated"
        self.latest = max(self.latest, at)
        return ""

    def late(self, after: datetime | None) -> str:
        """Whether something since the last checkpoint is older than the head that lacks it."""
        earliest, self.earliest = self.earliest, float("inf")
        if after is None or earliest >= (after - LATE).timestamp():
            return ""
        return f"a record of {_day(earliest)} came after the head of {after:%Y-%m-%dT%H:%M:%SZ}"


def _day(at: float) -> str:
    try:
        return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (OverflowError, ValueError, OSError):
        return "no calendar's time"


def kept_digest(kept: Iterable[tuple[int, str]]) -> str:
    """What a prune record says of the records it kept: SHA-256 over their places and hashes."""
    text = "".join(f"{seq} {hash_}\n" for seq, hash_ in sorted(kept))
    return sha256(text.encode(errors="surrogatepass")).hexdigest()


class Cut(NamedTuple):
    """What a prune record says of one chain: the last record that was cut, and what was kept."""

    seq: int
    hash: str
    kept: str


def note_cut(event: Any, cuts: dict[str, Cut]) -> None:
    """Remember what an event says was cut, if it is a prune record."""
    if isinstance(event, dict) and event.get("type") == PRUNED:
        said = event.get("details")
        if isinstance(said, dict):
            seq, hash_, kept = said.get("last_seq"), said.get("last_hash"), said.get("kept")
            if isinstance(seq, int) and isinstance(hash_, str) and isinstance(kept, str):
                cuts[str(event.get("object_id"))] = Cut(seq, hash_, kept)


def cut_fault(
    cut: Cut | None, *, first: int, base: str, kept: list[tuple[int, str]], sealed: Sealed | None
) -> str:
    """Why a chain may not begin where it does, by its last prune record; empty when it may."""
    if first <= 1:
        return "a prune record says that it was cut, and it begins at 1" if cut else ""
    if cut is None or (cut.seq, cut.hash) != (first - 1, base):
        return f"it begins at record {first}, and no prune record says so"
    if kept_digest(kept) != cut.kept:
        return "what a prune kept is not what it says it kept"
    if sealed is not None and sealed.last_seq < cut.seq:
        return f"it was cut after record {cut.seq}, which no head sealed"
    return ""
