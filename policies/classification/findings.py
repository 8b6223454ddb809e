"""What recognizers report. A finding never carries the text it was found in."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One match: `start` and `end` are character offsets into the text as the caller gave it.

    `score` is 0..1; every finding counts for the label, whatever its score.
    `field` is the index of the text in the sequence that was analysed.
    """

    data_class: str  # "EMAIL_ADDRESS"
    category: str  # "personal"
    start: int
    end: int
    score: float
    recognizer: str
    field: int = 0


@dataclass(frozen=True, slots=True)
class Analysis:
    """The findings of one request. `opaque` says why the content counts as worst, or is empty.

    Reasons: `encoded_text`, `scan_failed`, `scan_budget`. The latter two may never be relaxed.
    """

    findings: tuple[Finding, ...] = ()
    opaque: frozenset[str] = frozenset()
