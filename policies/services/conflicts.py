"""Somebody else was faster. What was sent in is refused and nothing is lost."""


class Conflict(Exception):
    """What a change began from is not what there is now. The text says what to look at."""
