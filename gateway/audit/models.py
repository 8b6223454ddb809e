"""Tables of the audit log. Append-only: rows are written once by the loader and `record_event`.

Evidence is the text in `record`, `outcome_record` and `body`, byte for byte as it was hashed;
the other columns are drawn from it so that it can be searched, and `verify` compares them.
Nothing here holds prompts, answers or secrets.
"""

from collections.abc import Iterable
from functools import cached_property
from typing import Any, ClassVar, NoReturn, TypeVar

import msgspec
from django.db import models
from django.db.models.base import ModelBase
from typing_extensions import override

from gateway.audit.records import (
    DecisionRecord,
    OutcomeRecord,
    ShadowRecord,
    ShadowRuleRecord,
)

_HASH_LENGTH = 64
_M = TypeVar("_M", bound=models.Model)
_decode_decision = msgspec.json.Decoder(DecisionRecord).decode
_decode_outcome = msgspec.json.Decoder(OutcomeRecord).decode


class AppendOnlyError(Exception):
    """Somebody tried to change or delete evidence through the ORM."""


def _refuse() -> NoReturn:
    raise AppendOnlyError("audit rows are never changed or deleted")


class AppendOnlyQuerySet(models.QuerySet[_M]):
    """Reads and inserts only."""

    @override
    def update(self, **kwargs: Any) -> int:
        _refuse()

    @override
    def bulk_update(self, *args: Any, **kwargs: Any) -> int:
        _refuse()

    @override
    def delete(self) -> tuple[int, dict[str, int]]:
        _refuse()


class AppendOnly(models.Model):
    """Base of the evidence tables: a row is inserted once."""

    class Meta:
        abstract = True

    @override
    def save(
        self,
        *,
        force_insert: bool | tuple[ModelBase, ...] = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        """Insert. Raises AppendOnlyError for a row that exists."""
        if not self._state.adding or force_update or update_fields is not None:
            _refuse()
        super().save(force_insert=True, using=using)

    @override
    def delete(self, using: str | None = None, keep_parents: bool = False) -> NoReturn:
        """Always raises AppendOnlyError."""
        _refuse()


class Ending(models.TextChoices):
    """How a writer ended."""

    RUNNING = "", "running"
    CLOSED = "closed", "closed cleanly"
    DIED = "died", "died"


class Writer(models.Model):
    """One chain: a process incarnation with its journal, or `control` for the events.

    `last_seq` and `last_hash` say where the chain stands in the database; `first_seq` and
    `base_hash` where it begins there (after a prune: later than 1).
    """

    id = models.CharField(primary_key=True, max_length=64)
    role = models.TextField(default="")
    host = models.TextField(default="")
    pid = models.BigIntegerField(default=0)
    started_at = models.DateTimeField()
    directory = models.TextField(default="", help_text="Which journal directory it writes to.")
    first_seq = models.BigIntegerField(default=1)
    base_hash = models.CharField(max_length=_HASH_LENGTH)
    last_seq = models.BigIntegerField(default=0)
    last_hash = models.CharField(max_length=_HASH_LENGTH)
    ending = models.CharField(max_length=8, choices=Ending.choices, default="", blank=True)
    ended_at = models.DateTimeField(null=True)

    @override
    def __str__(self) -> str:
        return f"{self.role} {self.id}"


class JournalFile(models.Model):
    """How far the loader has read one segment. Changes in the transaction that stores its rows."""

    writer = models.ForeignKey(Writer, on_delete=models.PROTECT, related_name="files")
    segment = models.IntegerField()
    offset = models.BigIntegerField(default=0, help_text="Bytes loaded.")
    finished = models.BooleanField(default=False, help_text="Read to its end; may be removed.")
    faulty = models.BooleanField(default=False, help_text="The chain breaks in it; it is kept.")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["writer", "segment"], name="audit_file_once"),
        ]

    @override
    def __str__(self) -> str:
        return f"{self.writer_id}.{self.segment}"


class LoaderLease(models.Model):
    """Who may load a journal directory. `fence` rises with every holder: an old one's
    transactions find it changed and roll back."""

    name = models.CharField(primary_key=True, max_length=100)
    holder = models.TextField()
    host = models.TextField()
    fence = models.BigIntegerField(default=1)
    expires_at = models.DateTimeField()

    @override
    def __str__(self) -> str:
        return self.name


class OutcomeState(models.TextChoices):
    """What is known of a request's end."""

    PENDING = "pending", "in flight"
    KNOWN = "known", "known"
    WRITER_DIED = "writer_died", "unknown (writer died)"


class RequestRecord(AppendOnly):
    """One request: decision and outcome, each with its place in its writer's chain.

    An outcome whose decision is missing (a broken journal) is kept in a row of its own with an
    empty `record`; `seq` is then the outcome's.
    """

    id = models.BigAutoField(primary_key=True)
    decision_id = models.CharField(max_length=100, unique=True)
    # No index of its own: the constraint's begins with it.
    writer = models.ForeignKey(
        Writer, on_delete=models.PROTECT, related_name="requests", db_index=False
    )
    seq = models.BigIntegerField()
    prev_hash = models.CharField(max_length=_HASH_LENGTH)
    hash = models.CharField(max_length=_HASH_LENGTH)
    record = models.TextField()
    outcome_seq = models.BigIntegerField(null=True)
    outcome_prev_hash = models.CharField(max_length=_HASH_LENGTH, default="")
    outcome_hash = models.CharField(max_length=_HASH_LENGTH, default="")
    outcome_record = models.TextField(default="")
    outcome_state = models.CharField(max_length=12, choices=OutcomeState.choices)
    # Drawn from `record`: gateway.audit.columns.
    request_id = models.TextField()
    at = models.DateTimeField()
    project = models.TextField()
    actor = models.TextField()
    on_behalf_of = models.TextField()
    key_prefix = models.TextField()
    channel = models.TextField()
    endpoint = models.TextField()
    alias = models.TextField()
    stream = models.BooleanField()
    size_bytes = models.BigIntegerField()
    digest = models.TextField()
    sensitivity = models.TextField()
    categories = models.JSONField()
    classes = models.JSONField()
    declared = models.TextField()
    decision = models.TextField()
    reason = models.TextField()
    revision = models.TextField()
    rules = models.JSONField()
    masked = models.BigIntegerField()
    # Drawn from `outcome_record`.
    outcome_at = models.DateTimeField(null=True)
    status = models.BigIntegerField(null=True)
    error = models.TextField(default="")
    deployment = models.TextField(default="")
    zone = models.TextField(default="")
    model = models.TextField(default="")
    prompt_tokens = models.BigIntegerField(null=True)
    completion_tokens = models.BigIntegerField(null=True)
    first_byte_ms = models.BigIntegerField(null=True)
    duration_ms = models.BigIntegerField(null=True)
    bytes_out = models.BigIntegerField(null=True)

    objects = AppendOnlyQuerySet["RequestRecord"].as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["writer", "seq"], name="audit_request_seq_once"),
        ]
        # Every index costs each request 1 to 2 µs. Rows come about in the order of time, so a
        # walk over all projects goes by id.
        indexes: ClassVar = [
            models.Index(fields=["project", "at"], name="audit_request_project_at"),
            models.Index(
                fields=["writer"],
                condition=models.Q(outcome_state="pending"),
                name="audit_request_pending",
            ),
        ]

    @override
    def __str__(self) -> str:
        return self.decision_id

    @cached_property
    def decision_record(self) -> DecisionRecord | None:
        """The decision as it was journalled; None when it is missing. No I/O."""
        return _decode_decision(self.record) if self.record else None

    @cached_property
    def outcome(self) -> OutcomeRecord | None:
        """The outcome as it was journalled; None while in flight or unknown. No I/O."""
        return _decode_outcome(self.outcome_record) if self.outcome_record else None

    @property
    def opaque(self) -> list[str]:
        """What could not be read: places and reasons."""
        return self.decision_record.opaque if self.decision_record else []

    @property
    def inherited(self) -> str:
        """What stored things passed on to the request, as a declaration; empty: nothing."""
        return self.decision_record.inherited if self.decision_record else ""

    @property
    def shadow_rules(self) -> list[str]:
        """Rules that matched without effect."""
        return self.decision_record.shadow_rules if self.decision_record else []

    @property
    def suspended_rules(self) -> list[str]:
        """Rules that matched and were out of effect by an exception or an approval."""
        return self.decision_record.suspended_rules if self.decision_record else []

    @property
    def scans(self) -> list[list[str]]:
        """Which model recognizers were shown it: [recognizer, deployment, how that went]."""
        return self.decision_record.scans if self.decision_record else []

    @property
    def shadow(self) -> ShadowRecord | None:
        """What the project's policy in shadow would have decided; None without one."""
        return self.decision_record.shadow if self.decision_record else None

    @property
    def shadow_effects(self) -> list[ShadowRuleRecord]:
        """What each rule that matched without effect would have done, alone in effect."""
        return self.decision_record.shadow_effects if self.decision_record else []

    @property
    def masks(self) -> dict[str, str]:
        """How the first candidate's bytes are masked, by the data class found."""
        return self.decision_record.masks if self.decision_record else {}

    @property
    def candidates(self) -> list[str]:
        """Deployments of the permit, in order."""
        return self.decision_record.candidates if self.decision_record else []

    @property
    def dropped(self) -> list[list[str]]:
        """[deployment, zone, reason, rule or ""] of each candidate that may not have it."""
        return self.decision_record.dropped if self.decision_record else []

    @property
    def attempts(self) -> list[list[str]]:
        """[deployment, zone, "ok" or error code] of each attempt."""
        return self.outcome.attempts if self.outcome else []

    @property
    def restored(self) -> int:
        """Masked values that were put back into the answer."""
        return self.outcome.restored if self.outcome else 0

    @property
    def unrestored(self) -> int:
        """Placeholders that the caller got as such."""
        return self.outcome.unrestored if self.outcome else 0

    @property
    def reserved_nano(self) -> int:
        """What was reserved of each budget, in 10^-9 USD."""
        return self.decision_record.reserved_nano if self.decision_record else 0

    @property
    def leased(self) -> list[list[str]]:
        """[budget, subject, window] of each budget it was reserved from."""
        return self.decision_record.leased if self.decision_record else []

    @property
    def cached_tokens(self) -> int:
        """Of the prompt's tokens, those that the vendor had in its cache."""
        return self.outcome.cached_tokens if self.outcome else 0

    @property
    def estimated_tokens(self) -> list[int]:
        """[prompt, completion] of our own, where the upstream gave no figures."""
        return self.outcome.estimated_tokens if self.outcome else []

    @property
    def cost_nano(self) -> int | None:
        """The cost in 10^-9 USD; None without an answer or a known price."""
        return self.outcome.cost_nano if self.outcome else None


class AuditEvent(AppendOnly):
    """A change of the control plane, chained under the writer `control`."""

    id = models.BigAutoField(primary_key=True)
    seq = models.BigIntegerField(unique=True)
    prev_hash = models.CharField(max_length=_HASH_LENGTH)
    hash = models.CharField(max_length=_HASH_LENGTH)
    body = models.TextField()
    at = models.DateTimeField(db_index=True)
    actor = models.TextField()
    type = models.CharField(max_length=64)  # EventType; no choices: a new type is no migration
    project = models.TextField(default="", blank=True)
    object_type = models.TextField()
    object_id = models.TextField()
    details = models.JSONField(default=dict, blank=True)

    objects = AppendOnlyQuerySet["AuditEvent"].as_manager()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["project", "at"], name="audit_event_project_at"),
            models.Index(fields=["type", "at"], name="audit_event_type_at"),
        ]

    @override
    def __str__(self) -> str:
        return f"{self.seq} {self.type}"
