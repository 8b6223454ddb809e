"""The one trigger that every number of nine and more digits wakes, however it is grouped."""

import re

from policies.classification.spans import Trigger

# Nine digits with at most three separators in between, from the start of a group of digits. It
# fires once per group, as long as nine digits follow; the last group of a number starts at most
# eight digits before its end.
NINE_DIGITS = Trigger(r"[^\d]\d(?:[ ./()_-]{0,3}\d){8}", back=64, ahead=56)

# A date and a time, a UUID: the commonest numbers of nine digits. Nothing that begins before or
# ends after them is anyone's number, and looking at each with every recognizer costs 60 µs.
_UNTIL_HOUR = re.compile(r"(?<![\w.+/-])(?:19|20)\d\d-[01]\d-[0-3]\d[ _]\d\Z", re.ASCII)
_AFTER_HOUR = re.compile(r"\d:[0-5]\d(?!\d)", re.ASCII)
_UUID = re.compile(
    r"(?<![0-9A-Za-z-])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![0-9A-Za-z-])",
    re.ASCII | re.IGNORECASE,
)


def is_time_or_uuid(text: str, end: int) -> bool:
    """Whether a hit of NINE_DIGITS that ends at `end` is a date with its time, or in a UUID."""
    if _AFTER_HOUR.match(text, end):
        return _UNTIL_HOUR.search(text, max(0, end - 13), end) is not None
    found = _UUID.search(text, max(0, end - 40), end + 36)
    return found is not None and found.start() < end - 8 and end <= found.end()
