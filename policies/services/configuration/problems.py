"""What is wrong with a configuration file, each with its line."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class FileProblem:
    """One thing that is wrong: where (both counted from 1), what, and what to do about it."""

    line: int
    column: int
    sentence: str
    advice: str = ""

    def as_text(self, file: str) -> str:
        """One line, in the form that editors jump to."""
        return f"{file}:{self.line}:{self.column}: {self.sentence} {self.advice}".rstrip()


class ConfigurationError(Exception):
    """The file cannot be applied. `problems` holds everything that is wrong, in its order."""

    def __init__(self, problems: Sequence[FileProblem], *, file: str) -> None:
        self.problems = tuple(sorted(set(problems)))
        self.file = file
        super().__init__("\n".join(problem.as_text(file) for problem in self.problems))


class WideningRefused(Exception):
    """The file widens what may be sent, and nobody said that this is meant. `reasons`: how."""

    def __init__(self, reasons: Sequence[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__(
            "This widens what may be sent:\n"
            + "\n".join(f"  - {reason}" for reason in self.reasons)
            + "\nApply it with --yes-widen if that is meant; the act is recorded."
        )
