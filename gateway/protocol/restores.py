"""Where in an answer the caller may see values again that were masked on the way out."""

from enum import StrEnum


class Restores(StrEnum):
    """How far a key may restore. What it may not restore stays a placeholder."""

    EVERYTHING = "everything"
    TEXT = "text"  # not in the arguments of tool calls, which a program may act on unread
    NOTHING = "nothing"
