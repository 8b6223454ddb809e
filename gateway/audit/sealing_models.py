"""Tables around the evidence: heads, what was delivered elsewhere, retention and legal holds."""

from hashlib import sha256
from typing import ClassVar

from django.db import models
from typing_extensions import override

from gateway.audit.models import AppendOnly, AppendOnlyQuerySet, Writer

_HASH_LENGTH = 64


class SignedHeadQuerySet(AppendOnlyQuerySet["SignedHead"]):
    """Heads, by number."""


class SignedHead(AppendOnly):
    """A signed statement of where the chains stood: `gateway.audit.heads`.

    `body` is the text that was signed, `chains` what its root commits to: [writer, seq, hash] of
    each chain that grew since the head before.
    """

    number = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    body = models.TextField()
    signature = models.TextField()
    digest = models.CharField(max_length=_HASH_LENGTH)
    chains = models.JSONField()

    objects = SignedHeadQuerySet.as_manager()

    @override
    def __str__(self) -> str:
        return f"head {self.number}"


class SealedChain(models.Model):
    """Up to where the newest head that names a chain has sealed it. Only sealing writes it, so
    that the loader's rows are never waited for."""

    writer = models.OneToOneField(
        Writer, on_delete=models.PROTECT, primary_key=True, related_name="sealed"
    )
    seq = models.BigIntegerField()
    hash = models.CharField(max_length=_HASH_LENGTH)
    head = models.BigIntegerField()

    @override
    def __str__(self) -> str:
        return f"{self.writer_id} up to {self.seq}"


class Delivery(models.Model):
    """One place that heads or events are sent to, and how that goes.

    `id` is drawn from the purpose and the address, so that an address that changes begins anew;
    `label` is what of the address may be shown.
    """

    id = models.CharField(primary_key=True, max_length=64)
    purpose = models.CharField(max_length=10)  # "anchor", "stream"
    label = models.TextField()
    last_head = models.BigIntegerField(default=0, help_text="The newest head delivered.")
    failures = models.IntegerField(default=0, help_text="In a row; 0: the last one succeeded.")
    failing_since = models.DateTimeField(null=True)
    last_error = models.TextField(default="", blank=True)
    delivered_at = models.DateTimeField(null=True)

    @override
    def __str__(self) -> str:
        return f"{self.purpose} {self.label}"


class StreamPosition(models.Model):
    """How far a stream has sent one chain. Moves only after the receiver took the records."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="positions")
    writer = models.ForeignKey(Writer, on_delete=models.CASCADE, related_name="+")
    seq = models.BigIntegerField(default=0)
    open = models.JSONField(
        default=list, help_text="Requests sent without an outcome: ids of their rows."
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["delivery", "writer"], name="audit_stream_once"),
        ]

    @override
    def __str__(self) -> str:
        return f"{self.writer_id} up to {self.seq}"


class CommittedDecision(models.Model):
    """A decision of strict auditing, committed before a byte left; here until the log has it."""

    decision_id = models.CharField(primary_key=True, max_length=100)
    writer = models.CharField(max_length=64, help_text="Whose journal has it, too.")
    at = models.DateTimeField()
    project = models.TextField()
    record = models.TextField()
    reported = models.BooleanField(default=False, help_text="An event says that it is missing.")

    @override
    def __str__(self) -> str:
        return self.decision_id

    @property
    def digest(self) -> str:
        """SHA-256 of the record, which the event that reports it names."""
        return sha256(self.record.encode()).hexdigest()


class RetentionRule(models.Model):
    """How many days a kind of data is kept. Without a rule it is kept for ever."""

    kind = models.CharField(primary_key=True, max_length=40)
    days = models.PositiveIntegerField()

    @override
    def __str__(self) -> str:
        return f"{self.kind}: {self.days} days"


class HoldSubject(models.TextChoices):
    """Whose records a hold keeps."""

    PROJECT = "project", "a project"
    PERSON = "person", "a person"


class LegalHold(models.Model):
    """While it lasts nothing of its subject is pruned. `subject`: a project's slug, or a person's
    id as audit rows name it (`user:<uuid>`)."""

    kind = models.CharField(max_length=10, choices=HoldSubject.choices)
    subject = models.TextField()
    reason = models.TextField()
    since = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["kind", "subject"],
                condition=models.Q(ended_at__isnull=True),
                name="audit_hold_once",
            ),
        ]

    @override
    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"
