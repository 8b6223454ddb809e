"""What takes named rules out of effect for a while: exceptions and approvals (semantic rule 8)."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone
from typing_extensions import override

from gateway.deployments.models import WaitingState


class RuleException(models.Model):
    """Suspends named rules in one project until `ends_at`.

    Empty groups, keys or aliases: it does not matter which. INVARIANT: it only ever ends; what
    it suspends, where and until when never changes.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(
        "accounts.Project", on_delete=models.CASCADE, related_name="rule_exceptions"
    )
    name = models.SlugField(max_length=63)
    rules = models.JSONField()  # "organisation:health-stays"
    groups = models.JSONField(default=list, blank=True)
    keys = models.JSONField(default=list, blank=True)  # visible prefixes
    aliases = models.JSONField(default=list, blank=True)
    owner = models.ForeignKey(
        "accounts.User", on_delete=models.PROTECT, related_name="rule_exceptions"
    )
    reason = models.CharField(max_length=500)
    created_by = models.CharField(max_length=200)  # "user:<uuid>" or "system:<part>"
    created_at = models.DateTimeField(default=timezone.now)
    ends_at = models.DateTimeField()
    ended_by = models.CharField(max_length=200, blank=True, default="")
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["project", "name"],
                condition=Q(ended_at__isnull=True),
                name="policies_exception_name_once",
            )
        ]
        ordering: ClassVar = ["project__slug", "ends_at"]

    @override
    def __str__(self) -> str:
        return self.name


class WaitingException(models.Model):
    """An exception that somebody asked for, until a second person agrees. It suspends nothing.

    `says`: the sentence of each rule as its author saw it. INVARIANT: what it would suspend, where,
    until when, and its author never change; of one name at most one waits in a project.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(
        "accounts.Project", on_delete=models.CASCADE, related_name="waiting_exceptions"
    )
    name = models.SlugField(max_length=63)
    says = models.JSONField()  # {"organisation:health-stays": "If …"}
    groups = models.JSONField(default=list, blank=True)
    keys = models.JSONField(default=list, blank=True)  # visible prefixes
    aliases = models.JSONField(default=list, blank=True)
    owner = models.ForeignKey(
        "accounts.User", on_delete=models.PROTECT, related_name="waiting_exceptions"
    )
    reason = models.CharField(max_length=500)
    ends_at = models.DateTimeField()
    author = models.CharField(max_length=200)  # as RuleException.created_by
    requested_at = models.DateTimeField(default=timezone.now)
    state = models.CharField(
        max_length=10, choices=WaitingState.choices, default=WaitingState.WAITING
    )
    decided_by = models.CharField(max_length=200, blank=True, default="")
    decided_at = models.DateTimeField(null=True, blank=True)
    note = models.CharField(max_length=500, blank=True, default="")
    exception = models.OneToOneField(
        RuleException, on_delete=models.SET_NULL, null=True, blank=True, related_name="asked_as"
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["project", "name"],
                condition=Q(state="waiting"),
                name="policies_waiting_exception_once",
            )
        ]
        ordering: ClassVar = ["-requested_at"]

    @override
    def __str__(self) -> str:
        return f"{self.state} exception {self.name}"

    @property
    def rules(self) -> list[str]:
        """What it would suspend, as `RuleException.rules`."""
        return sorted(self.says)


class ApprovalState(models.TextChoices):
    """What became of a request for an approval."""

    WAITING = "waiting", "waiting"
    GRANTED = "granted", "granted"
    REFUSED = "refused", "refused"


class Approval(models.Model):
    """Suspends rules that want an approval, for the bytes with one digest, until `expires_at`.

    What was in the request is not here: who grants it is shown the text by who asks. `classes`
    counts findings, so that both can see whether they speak of the same.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(
        "accounts.Project", on_delete=models.CASCADE, related_name="approvals"
    )
    digest = models.CharField(max_length=64)  # of the request's body: gateway.inference.digests
    decision_id = models.CharField(max_length=64)
    rules = models.JSONField()  # those of kind require_approval that stood in the way
    alias = models.CharField(max_length=200)
    endpoint = models.CharField(max_length=40)
    sensitivity = models.CharField(max_length=12)
    categories = models.JSONField(default=list, blank=True)
    classes = models.JSONField(default=dict, blank=True)
    asked_by = models.CharField(max_length=200)  # as RuleException.created_by
    reason = models.CharField(max_length=500, blank=True, default="")
    asked_at = models.DateTimeField(default=timezone.now)
    state = models.CharField(
        max_length=8, choices=ApprovalState.choices, default=ApprovalState.WAITING
    )
    decided_by = models.CharField(max_length=200, blank=True, default="")
    decided_at = models.DateTimeField(null=True, blank=True)
    note = models.CharField(max_length=500, blank=True, default="")
    expires_at = models.DateTimeField(null=True, blank=True)  # once granted

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["project", "digest"],
                condition=Q(state="waiting"),
                name="policies_one_approval_waits",
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["state", "expires_at"], name="policies_approval_state"),
        ]
        ordering: ClassVar = ["-asked_at"]

    @override
    def __str__(self) -> str:
        return f"{self.state} approval for {self.digest[:12]}"
