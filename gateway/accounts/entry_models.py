"""How people come in: invitations, what claims of an identity provider gave them, and what is
counted at the door."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone
from typing_extensions import override

from gateway.accounts.models import Group, Project, User
from gateway.accounts.roles import OrganisationRole, Role


class Invitation(models.Model):
    """A link that lets one person in, once. Its secret is stored as a SHA-256 digest."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    digest = models.CharField(max_length=64, unique=True)
    email = models.EmailField()
    organisation_role = models.CharField(
        max_length=10, choices=OrganisationRole.choices, default=OrganisationRole.NONE
    )
    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, null=True, blank=True, related_name="invitations"
    )
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.MEMBER)
    invited_by = models.ForeignKey(
        User, on_delete=models.CASCADE, null=True, blank=True, related_name="invitations_made"
    )
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="invitations_accepted"
    )

    class Meta:
        ordering: ClassVar = ["-created_at"]

    @override
    def __str__(self) -> str:
        return str(self.pk)


class ClaimGrant(models.Model):
    """Something that a claim gave a person; it goes when the claim does.

    What somebody was given by hand has no row here, so no claim takes it away. Both of `group` and
    `project` empty: an organisation role.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="claim_grants")
    group = models.ForeignKey(Group, on_delete=models.CASCADE, null=True, blank=True)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, null=True, blank=True)
    role = models.CharField(max_length=10, blank=True, default="")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user", "group"],
                name="accounts_claim_grant_group_once",
                condition=Q(group__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["user", "project"],
                name="accounts_claim_grant_project_once",
                condition=Q(project__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["user"],
                name="accounts_claim_grant_role_once",
                condition=Q(group__isnull=True, project__isnull=True),
            ),
        ]

    @override
    def __str__(self) -> str:
        return f"claim grant of {self.user_id}"


class Counted(models.Model):
    """Django's database cache: attempts at the door and codes that were used.

    In the database, so that every web process counts the same, and nothing is let in when it
    cannot count. The columns are Django's.
    """

    cache_key = models.CharField(max_length=255, primary_key=True)
    value = models.TextField()
    expires = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "accounts_counted"
        verbose_name_plural = "counted"

    @override
    def __str__(self) -> str:
        return self.cache_key
