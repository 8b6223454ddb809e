"""One step of a plan: what it does in words, how it widens, and how it is done."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.accounts.acting import Acting
from gateway.accounts.models import User


class Verb(StrEnum):
    """What happens to the subject."""

    CREATE = "create"
    CHANGE = "change"
    REMOVE = "remove"


SIGNS = {Verb.CREATE: "+", Verb.CHANGE: "~", Verb.REMOVE: "-"}


@dataclass(frozen=True, slots=True)
class Authority:
    """Who applies, and who else agreed."""

    by: Acting
    approved_by: User | None = None


Run = Callable[[Authority], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """`subject` names what changes (`deployment claude`), `lines` say how, `widens` how far."""

    verb: Verb
    subject: str
    run: Run = field(repr=False, compare=False)
    lines: tuple[str, ...] = ()
    widens: tuple[str, ...] = ()
    resumes_egress: bool = False
    policy_of: str | None = None  # whose policy it publishes; empty: the organisation's

    def as_text(self) -> str:
        """As `config diff` prints it."""
        head = f"{SIGNS[self.verb]} {self.subject}"
        return "\n".join(
            [
                head,
                *(f"    {line}" for line in self.lines),
                *(f"    WIDENS: {reason}" for reason in self.widens),
            ]
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What it takes to bring the database to the file, in order; `notes` say what is left alone,
    `verdict` why applying it would be refused, where that was tried."""

    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()
    verdict: tuple[str, ...] = ()

    @property
    def widens(self) -> tuple[str, ...]:
        """Every way in which the plan lets more leave."""
        return tuple(f"{step.subject}: {reason}" for step in self.steps for reason in step.widens)

    def subjects(self, verb: Verb) -> list[str]:
        """The subjects of one kind of step."""
        return [step.subject for step in self.steps if step.verb is verb]

    def as_text(self) -> str:
        """The diff as people read it; empty when there is nothing to do and nothing to note."""
        return "\n".join(
            [
                *(step.as_text() for step in self.steps),
                *_notes(self.notes),
                *(f"REFUSED: {reason}" for reason in self.verdict),
            ]
        )


def _notes(notes: Sequence[str]) -> list[str]:
    return [f"note: {note}" for note in notes]


def arrow(name: str, before: object, after: object) -> str:
    """`name: before -> after`."""
    return f"{name}: {before} -> {after}"
