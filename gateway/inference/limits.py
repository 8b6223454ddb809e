"""What may be used and spent, as plain data of the snapshot; and what a request asks for.

Which limits apply to a principal is worked out once and remembered until they change. Pure: no
I/O; the clock comes in as an argument.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

from gateway.inference.prices import Price


class Spender(Protocol):
    """What limits need to know of a principal."""

    @property
    def actor(self) -> str: ...  # noqa: D102
    @property
    def on_behalf_of(self) -> str: ...  # noqa: D102
    @property
    def project(self) -> str: ...  # noqa: D102
    @property
    def key_id(self) -> str: ...  # noqa: D102
    @property
    def requests_per_minute(self) -> int | None: ...  # noqa: D102


class Scope(StrEnum):
    """Whose budget it is."""

    ORGANISATION = "organisation"
    PROJECT = "project"
    MEMBER = "member"
    KEY = "key"


class Period(StrEnum):
    """How long a budget lasts before it begins anew, in UTC."""

    DAY = "day"
    WEEK = "week"  # from Monday
    MONTH = "month"
    TOTAL = "total"


class AtEnd(StrEnum):
    """What happens to requests that a hard budget has nothing left for."""

    REFUSE = "refuse"
    ON_PREM = "on_prem"


@dataclass(frozen=True, slots=True)
class Window:
    """One run of a period. `name` is its first day (`total` has none); half open."""

    name: str
    starts_at: datetime | None
    ends_at: datetime | None


def window_at(period: Period, at: datetime) -> Window:
    """The window that contains an aware time."""
    day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period is Period.TOTAL:
        return Window("total", None, None)
    if period is Period.DAY:
        start, end = day, day + timedelta(days=1)
    elif period is Period.WEEK:
        start = day - timedelta(days=day.weekday())
        end = start + timedelta(days=7)
    else:
        start = day.replace(day=1)
        end = (start + timedelta(days=32)).replace(day=1)
    return Window(start.date().isoformat(), start, end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What one subject may take. None: no limit of that kind."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetRule:
    """One budget. `person` and `key` empty, in their scopes: each one has the amount.

    `reached`: (subject, window) -> percent that was reached, by the database.
    """

    id: int
    name: str
    scope: Scope
    project: str = ""  # slug; empty: all projects
    person: str = ""
    key: str = ""  # id of the API key
    amount_nano: int
    period: Period
    hard: bool
    at_end: AtEnd
    reached: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def subject_for(self, principal: Spender) -> str | None:
        """Whose part of this budget a request of `principal` takes; None: it is not concerned."""
        if self.project and self.project != principal.project:
            return None
        if self.scope is Scope.MEMBER:
            who = person_of(principal)
            return who if not self.person or self.person == who else None
        if self.scope is Scope.KEY:
            key = principal.key_id
            return key if key and (not self.key or self.key == key) else None
        return self.scope.value


def person_of(principal: Spender) -> str:
    """On whose behalf a principal acts, or who it is."""
    return principal.on_behalf_of or principal.actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """All limits of the installation. Replaced when any changes, and only then."""

    budgets: tuple[BudgetRule, ...] = ()
    projects: Mapping[str, Rates] = field(default_factory=dict)
    keys: Mapping[str, Rates] = field(default_factory=dict)
    deployments: Mapping[str, Rates] = field(default_factory=dict)


NO_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class BudgetState:
    """How a principal's budgets stand: `word` as conditions of rules know it."""

    word: str = "ok"  # "ok", "warned", "exhausted"
    on_prem_only: bool = False


ALL_WELL: Final = BudgetState()


@dataclass(slots=True, kw_only=True)
class Ask:
    """What a request wants of its limits. `deployment` set: of that deployment's instead.

    `prompt_bound` and `output_limit` bound the tokens (`output_limit` None: the caller set none);
    `choices`: so many answers of at most `output_limit` each. `prices`: of everybody who may
    serve it, None where nobody knows. Not frozen, which makes one in half the time.
    """

    principal: Spender
    limits: Limits
    tokens: int  # about
    prompt_bound: int = 0
    output_limit: int | None = None
    choices: int = 1
    prices: Sequence[Price | None] = ()
    deployment: str = ""
