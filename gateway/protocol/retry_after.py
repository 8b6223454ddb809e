"""Reading `Retry-After` (RFC 9110, 10.2.3): seconds, or the date of an HTTP message.

Whoever sends it may be wrong by any amount, so what comes out is bounded.
"""

import math
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_S = 3600
# Some vendors write fractions, which the RFC does not know.
_SECONDS = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")


def seconds_of(text: str, *, now: datetime) -> int | None:
    """Seconds from `now` (aware) until it may be tried again: 0 to `LONGEST_S`, rounded up; None
    where nothing readable was said."""
    text = text.strip()
    if _SECONDS.fullmatch(text):
        wait_s = float(text)
    else:
        try:
            then = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
        if then.tzinfo is None:  # "-0000"; HTTP knows one zone
            then = then.replace(tzinfo=UTC)
        wait_s = (then - now).total_seconds()
    return math.ceil(min(max(wait_s, 0.0), LONGEST_S))
