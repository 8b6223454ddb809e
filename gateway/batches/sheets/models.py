"""Tables of the spreadsheets. Rows change through the modules of this package only.

No cell is in the database: the table, its prompts and its answers are stored files, encrypted. The
names of file and columns and the setup are sealed, because they say things too.
"""

import secrets
from typing import ClassVar

from django.db import models
from django.utils import timezone
from typing_extensions import override

from gateway.accounts.models import SENSITIVITIES, Project
from gateway.batches.models import Batch


class SheetStatus(models.TextChoices):
    """Where a spreadsheet's job is."""

    DRAFT = "draft", "draft"  # read; nothing was sent
    ESTIMATING = "estimating", "estimating"  # every row is decided, without sending
    READY = "ready", "ready"  # the estimate holds
    RUNNING = "running", "running"
    PAUSING = "pausing", "pausing"  # rows under way are finished
    PAUSED = "paused", "paused"
    CANCELLING = "cancelling", "cancelling"
    CANCELLED = "cancelled", "cancelled"
    COMPLETED = "completed", "completed"
    FAILED = "failed", "failed"  # not one row was answered


# A batch of its rows is under way. INVARIANT: exactly these hold the table's file.
UNDER_WAY = (SheetStatus.RUNNING, SheetStatus.PAUSING, SheetStatus.CANCELLING)
ENDED = (SheetStatus.COMPLETED, SheetStatus.FAILED, SheetStatus.CANCELLED)


def new_sheet_id() -> str:
    """`sheet_` and 24 random characters."""
    return "sheet_" + secrets.token_hex(12)


class Sheet(models.Model):
    """One table and what is done with its rows.

    `completed` and `failed` count rows as of the last run that ended; of the run under way,
    `batch` counts for itself, on top of `base_completed` and `base_failed`. `revision` is the
    policy's that the estimate was made under. `worker` names who estimates or collects until
    `worker_until`.
    """

    id = models.CharField(max_length=40, primary_key=True, default=new_sheet_id)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="sheets")
    actor = models.CharField(max_length=100)  # as audit events write it
    status = models.CharField(max_length=12, choices=SheetStatus.choices, default=SheetStatus.DRAFT)
    reason = models.CharField(max_length=60, blank=True, default="")  # why it stands still
    sealed_table = models.BinaryField()
    sealed_setup = models.BinaryField(null=True)
    model = models.CharField(max_length=200, blank=True, default="")
    declared = models.TextField(blank=True, default="")
    rows = models.PositiveIntegerField(default=0)
    examples = models.PositiveIntegerField(default=0)  # of the rows, those that are not asked for
    table_file_id = models.CharField(max_length=40)
    answers_file_id = models.CharField(max_length=40, blank=True, default="")
    estimate = models.JSONField(null=True)
    estimated = models.PositiveIntegerField(default=0)  # rows, while it is made
    revision = models.CharField(max_length=64, blank=True, default="")
    sensitivity = models.CharField(max_length=12, choices=SENSITIVITIES, blank=True, default="")
    categories = models.JSONField(default=list)
    runs = models.PositiveIntegerField(default=0)
    wish = models.JSONField(default=dict)  # which rows the last run asks for: see `inputs.Wish`
    batch = models.OneToOneField(Batch, on_delete=models.SET_NULL, null=True, related_name="sheet")
    base_completed = models.PositiveIntegerField(default=0)
    base_failed = models.PositiveIntegerField(default=0)
    completed = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    failures = models.JSONField(default=dict)  # code -> rows
    prompt_tokens = models.BigIntegerField(default=0)
    completion_tokens = models.BigIntegerField(default=0)
    cost_nano = models.BigIntegerField(default=0)  # billionths of a US dollar
    unpriced = models.PositiveIntegerField(default=0)  # answers that nobody knows the price of
    notify = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    worker = models.CharField(max_length=80, blank=True, default="")
    worker_until = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["project", "created_at", "id"], name="sheets_by_project"),
            models.Index(fields=["status"], name="sheets_by_status"),
        ]

    @override
    def __str__(self) -> str:
        return self.id

    @property
    def to_ask(self) -> int:
        """How many of its rows are asked for in all."""
        return self.rows - self.examples

    @property
    def done(self) -> tuple[int, int]:
        """(completed, failed) by now, the run under way included. `batch` must be there."""
        if self.batch is None or self.status not in UNDER_WAY:
            return self.completed, self.failed
        return self.base_completed + self.batch.completed, self.base_failed + self.batch.failed
