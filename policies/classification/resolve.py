"""From overlapping matches to findings: one per place and class, the surer ones first."""

from collections.abc import Iterable
from typing import NamedTuple


class Found(NamedTuple):
    """A match in the joined text."""

    data_class: str
    start: int
    end: int
    score: float
    recognizer: str


# What else a number may look like once it is known to be something surer.
_WEAK = frozenset({"PHONE_NUMBER"})
# A password that has a vendor's form is that vendor's key.
_GENERIC_SECRETS = frozenset({"PASSWORD", "VENDOR_API_KEY"})
_SURE = 0.9
# What admins define adds to what is found; it never explains a finding away.
_DEFINED = frozenset({"words", "own"})


def resolve(found: Iterable[Found], secrets: frozenset[str]) -> list[Found]:
    """Merge overlapping matches of one class; drop what a surer match of another class explains.

    `secrets` are the classes of the category secret. Nothing is dropped without a finding that
    overlaps it staying, so a text that had a finding still has one.
    """
    merged = _merge(found)
    if len(merged) < 2:
        return merged
    strong = [
        item
        for item in merged
        if item.score >= _SURE and item.data_class not in _WEAK and item.recognizer not in _DEFINED
    ]
    specific = [
        item
        for item in merged
        if item.data_class in secrets and item.data_class not in _GENERIC_SECRETS
    ]
    kept = [item for item in merged if not _explained(item, strong, specific)]
    kept.sort(key=lambda item: (item.start, item.end, item.data_class))
    return kept


def _merge(found: Iterable[Found]) -> list[Found]:
    merged: list[Found] = []
    for item in sorted(found):
        last = merged[-1] if merged else None
        if last is not None and last.data_class == item.data_class and item.start < last.end:
            best = item if item.score > last.score else last
            merged[-1] = Found(
                last.data_class, last.start, max(last.end, item.end), best.score, best.recognizer
            )
        else:
            merged.append(item)
    return merged


def _explained(item: Found, strong: list[Found], specific: list[Found]) -> bool:
    if item.data_class in _WEAK:
        return any(other.start <= item.start and item.end <= other.end for other in strong)
    if item.data_class in _GENERIC_SECRETS:
        return any(other.start < item.end and item.start < other.end for other in specific)
    if item.data_class == "EMAIL_ADDRESS":
        # `scheme://user:password@host` contains something like an address.
        return any(
            other.data_class == "URL_PASSWORD" and other.start <= item.start < other.end
            for other in specific
        )
    return False
