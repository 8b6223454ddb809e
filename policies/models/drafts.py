"""What is not in effect: a policy's draft, and a publication that waits for a second person."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone
from typing_extensions import override

from policies.models.revisions import Policy, PolicyRevision


class PolicyDraft(models.Model):
    """The one working copy of a policy, shared by everyone who may edit it.

    Shared, because a policy is one thing that its editors agree on: of two private copies the
    one published last would silently undo the other. `version` counts the saves, so that a save
    over another person's is refused; `base` is the revision it began from, so that publishing
    over a newer one is.
    """

    policy = models.OneToOneField(Policy, on_delete=models.CASCADE, related_name="draft")
    document = models.JSONField()
    version = models.PositiveIntegerField(default=1)
    base = models.ForeignKey(
        PolicyRevision, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    updated_by = models.CharField(max_length=200)  # as PolicyRevision.author
    updated_at = models.DateTimeField(default=timezone.now)

    @override
    def __str__(self) -> str:
        return f"draft {self.version} of {self.policy_id}"


class PublicationState(models.TextChoices):
    """What became of a publication that needed a second person."""

    WAITING = "waiting", "waiting"
    APPROVED = "approved", "approved"
    REJECTED = "rejected", "rejected"
    WITHDRAWN = "withdrawn", "withdrawn"


class PendingPublication(models.Model):
    """A document that takes effect once a second person agrees. `base`: what it would replace.

    INVARIANT: document and author never change; a policy has at most one that waits.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    policy = models.ForeignKey(Policy, on_delete=models.CASCADE, related_name="publications")
    document = models.JSONField()
    hash = models.CharField(max_length=64)
    base = models.ForeignKey(
        PolicyRevision, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    author = models.CharField(max_length=200)  # as PolicyRevision.author
    reason = models.CharField(max_length=500, blank=True, default="")
    widens = models.JSONField(default=list)  # sentences
    requested_at = models.DateTimeField(default=timezone.now)
    state = models.CharField(
        max_length=10, choices=PublicationState.choices, default=PublicationState.WAITING
    )
    decided_by = models.CharField(max_length=200, blank=True, default="")
    decided_at = models.DateTimeField(null=True, blank=True)
    note = models.CharField(max_length=500, blank=True, default="")
    revision = models.ForeignKey(
        PolicyRevision, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["policy"],
                condition=Q(state="waiting"),
                name="policies_one_publication_waits",
            )
        ]
        ordering: ClassVar = ["-requested_at"]

    @override
    def __str__(self) -> str:
        return f"{self.state} publication of {self.policy_id}"
