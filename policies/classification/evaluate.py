"""How well texts are recognised, against what a person marked in them.

A text leaks when something is marked in it and nothing at all is found: it would be routed as
clean. A text is over-routed when nothing is marked and something is found, or it is opaque.
A finding is right when it overlaps a marked span of its class.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from policies.classification.findings import Analysis, Finding


class Analyses(Protocol):
    """What is evaluated."""

    def analyse(self, texts: list[str]) -> Analysis:
        """Findings over all texts."""
        ...


@dataclass(frozen=True, slots=True)
class Marked:
    """A span that a person marked; character offsets."""

    data_class: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Example:
    """A text and everything sensitive in it; no span for ordinary text."""

    text: str
    marked: tuple[Marked, ...] = ()
    line: int = 0


@dataclass(frozen=True, slots=True)
class ClassScore:
    """Of one data class. `precision` and `recall` are None where there is nothing to divide by."""

    data_class: str
    marked: int
    found: int
    right: int
    recalled: int

    @property
    def precision(self) -> float | None:
        """The share of findings that overlap a marked span of their class."""
        return self.right / self.found if self.found else None

    @property
    def recall(self) -> float | None:
        """The share of marked spans that a finding of their class overlaps."""
        return self.recalled / self.marked if self.marked else None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The outcome over a whole set. `leaks` and `over_routed` are line numbers."""

    sensitive: int
    ordinary: int
    leaks: tuple[int, ...]
    over_routed: tuple[int, ...]
    classes: tuple[ClassScore, ...]
    megabytes_per_s: float

    @property
    def routing_leak(self) -> float:
        """The share of sensitive texts predicted as clean."""
        return len(self.leaks) / self.sensitive if self.sensitive else 0.0

    @property
    def over_routing(self) -> float:
        """The share of ordinary texts predicted as anything else."""
        return len(self.over_routed) / self.ordinary if self.ordinary else 0.0


class BadLine(ValueError):
    """A line of the set that is no example; says where and why, never what it holds."""


def read_examples(lines: Iterable[str]) -> tuple[list[Example], list[str]]:
    """Examples from JSON Lines, and an error for each line that is none."""
    examples: list[Example] = []
    errors: list[str] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            examples.append(_example(line, number))
        except BadLine as error:
            errors.append(f"line {number}: {error}")
    return examples, errors


def _example(line: str, number: int) -> Example:
    entry = parse_object(line)
    text = text_of(entry)
    findings = entry.get("findings", [])
    if not isinstance(findings, list):
        raise BadLine("`findings` must be a list")
    return Example(text, tuple([_marked(item, text) for item in findings]), number)


def _marked(item: object, text: str) -> Marked:
    if not isinstance(item, dict):
        raise BadLine("each finding must be an object with `class`, `start` and `end`")
    data_class, start, end = item.get("class"), item.get("start"), item.get("end")
    if not isinstance(data_class, str) or not isinstance(start, int) or not isinstance(end, int):
        raise BadLine("each finding needs `class` (a string), `start` and `end` (integers)")
    if not 0 <= start < end <= len(text):
        raise BadLine("a finding's `start` and `end` must lie within the text")
    return Marked(data_class, start, end)


def parse_object(line: str) -> dict[str, object]:
    """One line of JSON that must be an object. Raises BadLine without quoting the line."""
    try:
        entry = json.loads(line)
    except (json.JSONDecodeError, RecursionError):
        raise BadLine("not valid JSON") from None
    if not isinstance(entry, dict):
        raise BadLine("must be a JSON object")
    return entry


def text_of(entry: Mapping[str, object]) -> str:
    """The entry's `text`. Raises BadLine when it is none."""
    text = entry.get("text")
    if not isinstance(text, str):
        raise BadLine("`text` must be a string")
    return text


def evaluate(
    examples: Sequence[Example], analyser: Analyses, clock: Callable[[], float]
) -> Evaluation:
    """Analyse every example by itself and compare."""
    leaks: list[int] = []
    over_routed: list[int] = []
    tally: dict[str, Counter[str]] = {}
    began = clock()
    analyses = [analyser.analyse([example.text]) for example in examples]
    elapsed = clock() - began
    for example, analysis in zip(examples, analyses, strict=True):
        clean = not analysis.findings and not analysis.opaque
        if example.marked and clean:
            leaks.append(example.line)
        if not example.marked and not clean:
            over_routed.append(example.line)
        _count(tally, example.marked, analysis.findings)
    size = sum(len(example.text.encode("utf-8", "surrogatepass")) for example in examples)
    sensitive = sum(1 for example in examples if example.marked)
    return Evaluation(
        sensitive=sensitive,
        ordinary=len(examples) - sensitive,
        leaks=tuple(leaks),
        over_routed=tuple(over_routed),
        classes=tuple(
            ClassScore(name, count["marked"], count["found"], count["right"], count["recalled"])
            for name, count in sorted(tally.items())
        ),
        megabytes_per_s=size / elapsed / 1e6 if elapsed > 0 else 0.0,
    )


def _count(
    tally: dict[str, Counter[str]], marked: Sequence[Marked], findings: Sequence[Finding]
) -> None:
    for span in marked:
        count = tally.setdefault(span.data_class, Counter())
        count["marked"] += 1
        count["recalled"] += any(_same_place(span, finding) for finding in findings)
    for finding in findings:
        count = tally.setdefault(finding.data_class, Counter())
        count["found"] += 1
        count["right"] += any(_same_place(span, finding) for span in marked)


def _same_place(span: Marked, finding: Finding) -> bool:
    return (
        span.data_class == finding.data_class
        and span.start < finding.end
        and finding.start < span.end
    )


def report(evaluation: Evaluation) -> str:
    """The evaluation as a table for people, one line each, shares in per cent."""
    lines = [
        f"routing leak    {evaluation.routing_leak:8.2%}  "
        f"({len(evaluation.leaks)} of {evaluation.sensitive} sensitive texts"
        f"{_at(evaluation.leaks)})",
        f"over-routing    {evaluation.over_routing:8.2%}  "
        f"({len(evaluation.over_routed)} of {evaluation.ordinary} ordinary texts"
        f"{_at(evaluation.over_routed)})",
        f"speed           {evaluation.megabytes_per_s:8.1f}  MB/s",
        "",
        f"{'class':28} {'precision':>9} {'recall':>9} {'marked':>7} {'found':>7}",
    ]
    lines.extend(
        f"{score.data_class:28} {_share(score.precision):>9} {_share(score.recall):>9} "
        f"{score.marked:>7} {score.found:>7}"
        for score in evaluation.classes
    )
    return "\n".join(lines)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _at(numbers: Sequence[int]) -> str:
    if not numbers:
        return ""
    shown = ", ".join(str(number) for number in numbers[:10])
    return f"; lines {shown}{', …' if len(numbers) > 10 else ''}"
