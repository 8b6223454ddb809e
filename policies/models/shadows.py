"""A policy that is decided beside the one in effect, without effect."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone
from typing_extensions import override


class Shadow(models.Model):
    """A document in shadow in one project: the project's own, or the organisation's.

    The document is a copy, so that what is compared is what was put in shadow, whatever becomes
    of the draft. INVARIANT: it only ever ends, and a project has at most one.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(
        "accounts.Project", on_delete=models.CASCADE, related_name="shadows"
    )
    document = models.JSONField()
    hash = models.CharField(max_length=64)
    source = models.CharField(max_length=40)  # "draft 3", "revision 2", "document"
    started_by = models.CharField(max_length=200)  # "user:<uuid>" or "system:<part>"
    started_at = models.DateTimeField(default=timezone.now)
    ended_by = models.CharField(max_length=200, blank=True, default="")
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["project"],
                condition=Q(ended_at__isnull=True),
                name="policies_one_shadow_a_project",
            )
        ]
        ordering: ClassVar = ["-started_at"]

    @override
    def __str__(self) -> str:
        return f"{self.source} in shadow in {self.project_id}"
