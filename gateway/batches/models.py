"""Tables of the batches. Rows change through the modules of `gateway.batches` only.

The database is the truth of what is done; the broker's messages only wake somebody up. No text of
a request is here: a row says where in the input file it stands. Answers are sealed under the
project's file key and emptied once the output file is written.
"""

import secrets
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone
from typing_extensions import override

from gateway.accounts.models import SENSITIVITIES, Project
from policies.engine.labels import Sensitivity


class Status(models.TextChoices):
    """OpenAI's eight statuses of a batch."""

    VALIDATING = "validating", "validating"
    FAILED = "failed", "failed"
    IN_PROGRESS = "in_progress", "in progress"
    FINALIZING = "finalizing", "finalizing"
    COMPLETED = "completed", "completed"
    EXPIRED = "expired", "expired"
    CANCELLING = "cancelling", "cancelling"
    CANCELLED = "cancelled", "cancelled"


class Ending(models.TextChoices):
    """Why a batch is being finalized."""

    DONE = "done", "every row has its result"
    EXPIRED = "expired", "its completion window is over"
    CANCELLED = "cancelled", "somebody cancelled it"


# Something is still to be done. INVARIANT: exactly these hold their input file, once they have it.
ACTIVE = (Status.VALIDATING, Status.IN_PROGRESS, Status.FINALIZING, Status.CANCELLING)


class RowState(models.TextChoices):
    """Where one row is. A row leaves `completed` and `failed` only by a person's retry."""

    PENDING = "pending", "pending"
    LEASED = "leased", "leased"
    COMPLETED = "completed", "completed"
    FAILED = "failed", "failed"


def new_batch_id() -> str:
    """`batch_` and 24 random characters."""
    return "batch_" + secrets.token_hex(12)


class Batch(models.Model):
    """One batch. Its counters move in the transactions that settle rows, so that asking for its
    progress reads one row.

    `kind` names the format its rows are read and its results written in. `driver` names the
    process that runs its rows until `driver_until`. The label is the join of the rows' labels so
    far; it governs the output files, and the input file once every row was labelled, never how a
    row is routed. `passes_on` is the part of it that the answers inherit (what rows declared, what
    was opaque in them), in the words of a declaration.
    """

    id = models.CharField(max_length=40, primary_key=True, default=new_batch_id)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="batches")
    kind = models.CharField(max_length=20, default="openai")
    actor = models.CharField(max_length=100)  # as audit events write it
    key_id = models.CharField(max_length=40, blank=True, default="")  # empty: a person's session
    revision = models.CharField(
        max_length=64, blank=True, default=""
    )  # of the one policy it runs by
    endpoint = models.CharField(max_length=40)  # the engine's word: chat.completions
    completion_window = models.CharField(max_length=10)
    sealed_metadata = models.BinaryField(null=True)
    declared = models.TextField(blank=True, default="")
    passes_on = models.TextField(blank=True, default="")
    # The alias that rows which are retried are asked of instead of their own; empty: their own.
    retry_model = models.CharField(max_length=200, blank=True, default="")
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.VALIDATING)
    ending = models.CharField(max_length=10, choices=Ending.choices, blank=True, default="")
    input_file_id = models.CharField(max_length=40)  # empty until a worker wrote it: a table's
    output_file_id = models.CharField(max_length=40, blank=True, default="")
    error_file_id = models.CharField(max_length=40, blank=True, default="")
    output_expires_after_s = models.PositiveIntegerField(null=True)
    errors = models.JSONField(default=list)  # [{code, message, param, line}]
    total = models.PositiveIntegerField(default=0)
    completed = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    unlabelled = models.PositiveIntegerField(default=0)  # failed before anybody read their text
    prompt_tokens = models.BigIntegerField(default=0)
    completion_tokens = models.BigIntegerField(default=0)
    sensitivity = models.CharField(
        max_length=12, choices=SENSITIVITIES, default=Sensitivity.PUBLIC.word
    )
    categories = models.JSONField(default=list)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    in_progress_at = models.DateTimeField(null=True)
    finalizing_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    expired_at = models.DateTimeField(null=True)
    cancelling_at = models.DateTimeField(null=True)
    cancelled_at = models.DateTimeField(null=True)
    driver = models.CharField(max_length=80, blank=True, default="")
    driver_until = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "batches"
        indexes: ClassVar = [
            models.Index(fields=["project", "created_at", "id"], name="batches_by_project"),
            models.Index(
                fields=["status"],
                name="batches_active",
                condition=Q(status__in=["validating", "in_progress", "finalizing", "cancelling"]),
            ),
        ]

    @override
    def __str__(self) -> str:
        return self.id

    @property
    def is_active(self) -> bool:
        """Whether something is still to be done."""
        return self.status in ACTIVE


class BatchRow(models.Model):
    """One request of a batch: `length` bytes of its input file from `offset`.

    `attempt` counts leases and fences them: whoever settles a row names the attempt that was its
    own, and changes nothing when another began meanwhile. `tries` counts how often it was asked for
    in vain, `failures` those of them that count as one of the few. `lost` says that a try ended
    without a word: the row may have been answered, and paid for, before its answer could be kept.
    `sealed_result` is its line of a result file; of a row that is pending, that of its last try.
    """

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="rows")
    index = models.PositiveIntegerField()  # from 0, in input order
    line = models.PositiveIntegerField()  # from 1, in the input file
    offset = models.BigIntegerField()
    length = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=RowState.choices, default=RowState.PENDING)
    attempt = models.PositiveIntegerField(default=0)
    tries = models.PositiveIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)
    lost = models.BooleanField(default=False)
    retried = models.BooleanField(default=False)  # asked for again after it had failed
    not_before = models.DateTimeField(default=timezone.now)
    lease_until = models.DateTimeField(null=True)
    driver = models.CharField(max_length=80, blank=True, default="")
    code = models.CharField(max_length=60, blank=True, default="")  # why it failed
    sealed_result = models.BinaryField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["batch", "index"], name="batches_row_once")
        ]
        indexes: ClassVar = [
            # What is due next is found without looking at what waits.
            models.Index(fields=["batch", "state", "not_before", "index"], name="batches_rows_due"),
        ]

    @override
    def __str__(self) -> str:
        return f"row {self.index} of {self.batch_id}"
