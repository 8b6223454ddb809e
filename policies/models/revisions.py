"""Policies and their immutable revisions.

INVARIANT: a revision is written once. What decided a request can be shown for as long as the
revision exists, so nothing changes or deletes one.
"""

from collections.abc import Iterable
from typing import Any, ClassVar, NoReturn

from django.db import models
from django.db.models import Q
from django.utils import timezone
from typing_extensions import override


class Immutable(Exception):
    """Someone tried to change or delete a policy revision."""


class Policy(models.Model):
    """The organisation's policy (`project` empty) or one project's; `current` is in effect."""

    project = models.OneToOneField(
        "accounts.Project", on_delete=models.CASCADE, null=True, blank=True, related_name="policy"
    )
    current = models.ForeignKey(
        "PolicyRevision", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                models.Value(1),
                condition=Q(project__isnull=True),
                name="policies_one_for_the_organisation",
            )
        ]
        verbose_name_plural = "policies"

    @override
    def __str__(self) -> str:
        return f"project {self.project_id}" if self.project_id else "organisation"


class RevisionQuerySet(models.QuerySet["PolicyRevision"]):
    """Refuses what would change or delete revisions."""

    @override
    def update(self, **kwargs: Any) -> NoReturn:
        raise Immutable("a policy revision never changes: publish a new one")

    @override
    def delete(self) -> NoReturn:
        raise Immutable("a policy revision is never deleted")


class PolicyRevision(models.Model):
    """One numbered state of a policy. `hash` is the SHA-256 (hex) of its canonical JSON."""

    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="revisions")
    number = models.PositiveIntegerField()
    document = models.JSONField()
    hash = models.CharField(max_length=64)
    author = models.CharField(max_length=200)  # "user:<uuid>" or "system:<part>"
    # Who else agreed, where the organisation asks for it.
    approved_by = models.CharField(max_length=200, blank=True, default="", db_default="")
    reason = models.CharField(max_length=500, blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now)
    published_at = models.DateTimeField(default=timezone.now)

    objects = RevisionQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["policy", "number"], name="policies_number_once")
        ]
        ordering: ClassVar = ["policy", "number"]

    @override
    def __str__(self) -> str:
        return f"revision {self.number} of {self.policy_id}"

    @override
    def save(
        self,
        *,
        force_insert: bool | tuple[models.base.ModelBase, ...] = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        if not self._state.adding:
            raise Immutable("a policy revision never changes: publish a new one")
        super().save(force_insert=True, using=using)

    @override
    def delete(self, *args: object, **kwargs: object) -> NoReturn:
        raise Immutable("a policy revision is never deleted")
