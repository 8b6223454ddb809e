"""What stands where in a text of the preview: what was found, and what becomes of it.

Places only: what a mark covers is read from the text beside it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gateway.inference.exchange import Decided
from gateway.protocol.walk import places
from policies.classification.findings import Finding
from policies.classification.masking import Placed

_MOVES = (0, -1)  # masking takes a space out where nothing else stands before what it took out


class Fate(StrEnum):
    """What becomes of a finding where the row goes; the first four as masking has them."""

    PLACEHOLDER = "placeholder"
    HASH = "hash"
    PARTIAL = "partial"
    REMOVE = "remove"
    OPEN = "open"  # it goes there as it is
    HELD = "held"  # it goes nowhere


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """From `start` to `end` of the text as shown; the same where something was taken out."""

    start: int
    end: int
    data_class: str
    fate: Fate

    def as_data(self) -> dict[str, Any]:
        """For `/api`."""
        return {
            "class": self.data_class,
            "start": self.start,
            "end": self.end,
            "fate": self.fate.value,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """One text, as it would be sent, with its marks in order."""

    role: str
    text: str
    marks: Sequence[Mark]


def marked_texts(decided: Decided) -> list[Marked]:
    """The texts as the first candidate would get them; a held row's as they came."""
    candidates, request = decided.permit.candidates, decided.request
    outgoing = decided.outgoing(candidates[0]) if candidates else None
    tree = outgoing.request.tree if outgoing is not None else request.tree
    where = places(request.tree, payloads=request.payloads)
    index_of = {place: index for index, place in enumerate(where)}
    found: dict[int, list[Finding]] = {}
    for finding in decided.labelled.findings:
        found.setdefault(finding.field, []).append(finding)
    marked = []
    for place, role, text in _texts(tree):
        index = index_of.get(place, -1)
        here = found.get(index, [])
        if outgoing is None:
            marks = [Mark(each.start, each.end, each.data_class, Fate.HELD) for each in here]
        else:
            before = decided.labelled.texts[index] if index >= 0 else text
            marks = list(_marks(before, text, here, outgoing.placed.get(index, ())))
        marked.append(Marked(role=role, text=text, marks=sorted(marks)))
    return marked


def _texts(tree: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    if "messages" in tree:
        for index, message in enumerate(tree["messages"]):
            yield f"/messages/{index}/content", message["role"], message["content"]
    else:
        yield "/input", "input", tree["input"]


def _marks(
    before: str, text: str, findings: Iterable[Finding], placed: Sequence[Placed]
) -> Iterator[Mark]:
    for each in placed:
        start, end = min(each.start, len(text)), min(each.end, len(text))
        yield Mark(start, end, each.replaced.data_class, Fate(each.replaced.mode))
    for finding in findings:
        start = _now_at(finding, before, text, placed)
        if start >= 0:
            end = start + finding.end - finding.start
            yield Mark(start, end, finding.data_class, Fate.OPEN)


def _now_at(finding: Finding, before: str, text: str, placed: Sequence[Placed]) -> int:
    """Where a finding stands by now that is sent as it is; negative where it was replaced."""
    start = finding.start
    for each in placed:
        if each.replaced.end <= finding.start:
            start = each.end + finding.start - each.replaced.end
        elif each.replaced.start < finding.end:
            return -1
    value = before[finding.start : finding.end]
    for move in _MOVES:
        if text.startswith(value, max(start + move, 0)):
            return max(start + move, 0)
    return -1
