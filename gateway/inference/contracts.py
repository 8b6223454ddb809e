"""What the request path needs of the outside, as plain data and protocols.

INVARIANT: nothing here does I/O per request except the journal's one write and a lease that
must be renewed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from secrets import token_bytes
from typing import Protocol

from gateway.audit.records import DecisionRecord, OutcomeRecord, Record
from gateway.inference.kept import Kept
from gateway.inference.limits import NO_LIMITS, Ask, BudgetState, Limits, Spender
from gateway.inference.prices import Price
from gateway.protocol.restores import Restores
from gateway.providers.calls import Destination
from policies.classification.findings import Analysis
from policies.classification.model_recognizers import ModelRecognizer
from policies.engine.decide import CompiledPolicy
from policies.engine.facts import DeploymentFacts
from policies.engine.labels import Label
from policies.engine.suspensions import Suspensions


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks, as the snapshot knows it. One instance per API key (or per chat session)."""

    actor: str  # "user:<uuid>" or "service_account:<uuid>"
    project: str  # slug
    key_id: str = ""
    key_prefix: str = ""
    on_behalf_of: str = ""
    groups: frozenset[str] = frozenset()
    scopes: frozenset[str] = (
        frozenset()
    )  # empty: every relay endpoint; else e.g. {"chat.completions"}
    floor: Label = field(default_factory=Label)  # the key's own floor
    requests_per_minute: int | None = None  # None: no limit
    expires_at: float | None = None  # Unix seconds
    restores: Restores = Restores.EVERYTHING

    def has_expired(self, now: datetime) -> bool:
        """Whether its key may not be used any more. Pure."""
        return self.expires_at is not None and now.timestamp() >= self.expires_at


class Analyser(Protocol):
    """A project's recognizers, compiled. Implemented by `policies.classification`."""

    @property
    def data_classes(self) -> Mapping[str, str]:
        """Every data class it can find -> its category. A category without one is only declared."""
        ...

    def analyse(self, texts: list[str]) -> Analysis:
        """Findings over all texts; `Finding.field` is the index into `texts`. Never raises for
        content: a scan that fails or exceeds its budget comes back opaque."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """One entry of `/v1/models`: an alias the project may use."""

    id: str
    created: int  # Unix seconds
    zones: tuple[str, ...]  # of its deployments, in order, without repeats
    endpoints: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Asked:
    """A model recognizer and the deployment it asks. `facts` None: none that may be asked."""

    recognizer: ModelRecognizer
    facts: DeploymentFacts | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectView:
    """Everything the path needs of one project."""

    slug: str
    policy: CompiledPolicy
    analyser: Analyser
    models: Mapping[str, ModelCard]
    # By deployment; secret, and the same for two deployments of one vendor. Empty: nothing can
    # be masked.
    masking_keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    # Of digests of its requests. One that is not given is nobody's: no approval ever matches.
    digest_key: bytes = field(default_factory=lambda: token_bytes(32), repr=False)
    suspensions: Suspensions | None = None  # None: no exception and no approval
    shadow: CompiledPolicy | None = None  # decided beside `policy`, without effect
    asked: tuple[Asked, ...] = ()  # model recognizers (semantic rule 10)
    keeps_content: bool = False  # prompts and answers are kept, encrypted, for some days


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The control plane at one version, in memory. Replaced as a whole, never changed.

    `confirmed_at` (monotonic seconds) moves forward each time the store confirms the version;
    see `SnapshotSource`.
    """

    version: int
    keys: Mapping[bytes, Principal]  # SHA-256 of the presented API key -> principal
    projects: Mapping[str, ProjectView]
    destinations: Mapping[str, Destination]  # by deployment name
    egress_stopped: bool = False
    # By deployment name. One that is missing has no known price.
    prices: Mapping[str, Price] = field(default_factory=dict)
    limits: Limits = NO_LIMITS


class SnapshotUnavailable(Exception):
    """No snapshot could ever be read, or it is older than the last limit (503 `fail_closed`)."""


class SnapshotSource(Protocol):
    """Where the path reads the control plane."""

    def current(self) -> tuple[Snapshot, float]:
        """The snapshot and its age in seconds since the store last confirmed it. No I/O.

        Raises SnapshotUnavailable when there is none. The path itself applies the age limits:
        over 5 s on_prem only, over 15 minutes nothing.
        """
        ...


class Journal(Protocol):
    """The write-ahead journal."""

    @property
    def fault(self) -> str | None:
        """Why it denies at the moment, for the operator; None: it does not."""
        ...

    def append(self, record: Record) -> None:
        """One write; returns when the operating system has it.

        Raises JournalUnavailable; then nothing may be sent.
        """
        ...


class Commits(Protocol):
    """Strict auditing: the database has a decision before a byte leaves on_prem."""

    async def commit(self, record: DecisionRecord) -> None:
        """Returns when the database has it. Raises JournalUnavailable; then nothing may be sent."""
        ...


class Watch(Protocol):
    """Whoever counts and traces: metrics, spans, log lines. Gets what the journal got, no more."""

    def ended(self, decision: DecisionRecord, outcome: OutcomeRecord) -> None:
        """A request is over. Called on its path: no I/O, never raises."""
        ...


class Contents(Protocol):
    """Keeps prompts and answers of projects that ask for it."""

    def keep(self, decision: DecisionRecord, kept: Kept) -> None:
        """Take it over. Called on the request's path: no I/O, never raises."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A limit said no. `code` is `rate_limited` or `budget_exceeded`.

    `stay_on_prem`: what stays on our machines need not be refused for it.
    """

    code: str
    message: str
    retry_after_s: int | None = None
    stay_on_prem: bool = False


class Reservation(Protocol):
    """What was reserved for one request. Settled or released exactly once."""

    @property
    def output_limit(self) -> int | None:
        """How many tokens an answer may have at most; None: the budget does not care."""
        ...

    @property
    def reserved_nano(self) -> int:
        """What was reserved of each budget, in 10^-9 USD."""
        ...

    @property
    def leased(self) -> Sequence[list[str]]:
        """[budget, subject, window] of each budget it was reserved from."""
        ...

    def settle(self, *, tokens: int, cost_nano: int) -> None:
        """Replace the estimate by what was used. No I/O."""
        ...

    def release(self) -> None:
        """Nothing was sent: give everything back. No I/O."""
        ...


class BudgetGate(Protocol):
    """Leases on requests, tokens, concurrency and money."""

    def state(self, principal: Spender, limits: Limits) -> BudgetState:
        """How the principal's budgets stand, as far as this process knows. No I/O."""
        ...

    def reserve(self, ask: Ask) -> "Reservation | Refusal | None":
        """Reserve from local leases without I/O. None: one is used up, call `renew`."""
        ...

    async def renew(self, ask: Ask) -> "Reservation | Refusal":
        """Renew leases from the shared store, then reserve. A store that cannot be reached
        refuses: an exhausted lease is never overrun."""
        ...
