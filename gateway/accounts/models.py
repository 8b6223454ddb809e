"""Who there is: the organisation, people, projects, memberships, service accounts, API keys.

Rows change through `gateway.accounts.services` only, which record an audit event and move the
control version in the same transaction. An API key is stored as a SHA-256 digest: its text has
more than 200 random bits, so a slow hash would cost every request and gain nothing.
"""

import unicodedata
import uuid
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models import Q
from django.utils import timezone
from typing_extensions import override

from gateway.accounts.roles import OrganisationRole, Role
from gateway.protocol.restores import Restores
from policies.engine.labels import Sensitivity

SENSITIVITIES = [(member.word, member.word) for member in Sensitivity]
RESTORES = [(member.value, member.value) for member in Restores]


def normalise_email(email: str) -> str:
    """One spelling for each address: NFKC, no surrounding space, lower case throughout.

    The local part is lowered too. No large mail service tells `Ada@` from `ada@`, and two
    accounts that look alike to people are worse than the rare mailbox this joins.
    """
    return unicodedata.normalize("NFKC", email).strip().lower()


class ControlVersion(models.Model):
    """One row that counts the changes of the control plane; snapshots poll it."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    version = models.BigIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(id=1), name="accounts_control_version_is_one")
        ]

    @override
    def __str__(self) -> str:
        return str(self.version)


class Organisation(models.Model):
    """The installation's only organisation. Read it with `Organisation.load()`."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    name = models.CharField(max_length=200, default="Sluice")
    egress_stopped = models.BooleanField(default=False)
    second_person_for_widening = models.BooleanField(default=False)
    # Whether every publication of such a policy takes a second person, widening or not.
    second_person_for_organisation_policy = models.BooleanField(default=False, db_default=False)
    second_person_for_project_policies = models.BooleanField(default=False, db_default=False)
    # The organisation roles whose people need a second factor; `none`: people without one.
    second_factor_for = models.JSONField(default=list, blank=True)
    # What claims of the identity provider give; see gateway.accounts.login.claims.
    claim_rules = models.JSONField(default=list, blank=True)
    # SHA-256 (hex) of the configuration file applied last, so that a restart with the same file
    # does not undo what an admin narrowed since.
    config_digest = models.CharField(max_length=64, blank=True, default="")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(id=1), name="accounts_organisation_is_one")
        ]

    @override
    def __str__(self) -> str:
        return self.name

    @classmethod
    def load(cls) -> "Organisation":
        """The organisation, made with its defaults on first use."""
        return cls.objects.get_or_create(pk=1)[0]


class UserQuerySet(BaseUserManager["User"]):
    """Finds people by any spelling of their e-mail address."""

    @override
    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=normalise_email(username or ""))


class User(AbstractBaseUser):
    """A person. Logs in by e-mail address; holds rights through roles only."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=200, blank=True, default="")
    is_active = models.BooleanField(default=True)
    organisation_role = models.CharField(
        max_length=10, choices=OrganisationRole.choices, default=OrganisationRole.NONE
    )
    created_at = models.DateTimeField(default=timezone.now)

    objects = UserQuerySet()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        ordering: ClassVar = ["email"]

    @override
    def __str__(self) -> str:
        return self.name or self.email

    @override
    def clean(self) -> None:
        self.email = normalise_email(self.email)

    @override
    def save(self, *args: Any, **kwargs: Any) -> None:
        self.email = normalise_email(self.email)
        super().save(*args, **kwargs)

    @property
    def is_admin(self) -> bool:
        """Whether this person administers the installation."""
        return self.is_active and self.organisation_role == OrganisationRole.ADMIN

    @property
    def is_staff(self) -> bool:
        """Whether this person may look at the (read-only) Django admin."""
        return self.is_active and self.organisation_role in {
            OrganisationRole.ADMIN,
            OrganisationRole.AUDITOR,
        }

    def has_perm(self, permission: str, obj: object = None) -> bool:
        """Django's permissions: staff may view, nobody may do anything else."""
        del obj
        return self.is_staff and permission.partition(".")[2].startswith("view_")

    def has_module_perms(self, app_label: str) -> bool:
        """Whether the Django admin lists an application."""
        del app_label
        return self.is_staff


class Project(models.Model):
    """A tenant. `floor_*` is the least label of everything sent in it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slug = models.SlugField(max_length=63, unique=True)
    name = models.CharField(max_length=200)
    archived = models.BooleanField(default=False)
    floor_sensitivity = models.CharField(
        max_length=12, choices=SENSITIVITIES, default=Sensitivity.INTERNAL.word
    )
    floor_categories = models.JSONField(default=list, blank=True)
    # Sealed; see gateway.accounts.masking_secrets. Empty: the project cannot mask.
    masking_secret = models.TextField(blank=True, default="", db_default="")
    created_at = models.DateTimeField(default=timezone.now)
    members = models.ManyToManyField(User, through="Membership", related_name="projects")

    class Meta:
        ordering: ClassVar = ["slug"]

    @override
    def __str__(self) -> str:
        return self.slug


class ProjectLimits(models.Model):
    """What `gateway.accounts.limits` says of a project; None: the default."""

    project = models.OneToOneField(
        Project, on_delete=models.CASCADE, primary_key=True, related_name="limits"
    )
    file_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    stored_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    stored_files = models.PositiveBigIntegerField(null=True, blank=True)
    retention_days = models.PositiveBigIntegerField(null=True, blank=True)
    batch_rows = models.PositiveBigIntegerField(null=True, blank=True)
    active_batches = models.PositiveBigIntegerField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "project limits"

    @override
    def __str__(self) -> str:
        return f"limits of {self.project_id}"


class Membership(models.Model):
    """A person's role in a project."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.MEMBER)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "user"], name="accounts_membership_once")
        ]
        ordering: ClassVar = ["project__slug", "user__email"]

    @override
    def __str__(self) -> str:
        return f"{self.user_id} in {self.project_id} as {self.role}"


class Group(models.Model):
    """People whom policies name together. `slug` is what a rule's condition writes."""

    slug = models.SlugField(max_length=63, unique=True)
    members = models.ManyToManyField(User, related_name="access_groups", blank=True)

    class Meta:
        ordering: ClassVar = ["slug"]

    @override
    def __str__(self) -> str:
        return self.slug


class ServiceAccount(models.Model):
    """A program that acts in one project, possibly on behalf of a person."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="service_accounts")
    name = models.SlugField(max_length=63)
    on_behalf_of = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="service_accounts"
    )
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["project", "name"], name="accounts_service_account_name_once"
            )
        ]
        ordering: ClassVar = ["project__slug", "name"]

    @override
    def __str__(self) -> str:
        return self.name


class APIKey(models.Model):
    """A key of a person or a service account in one project.

    `prefix` is what people see of it (`sk-sluice-` and eight characters). `scopes` empty: every
    relay endpoint, and not the admin API. `restores`: where in an answer masked values come back.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="keys")
    user = models.ForeignKey(
        User, on_delete=models.CASCADE, null=True, blank=True, related_name="keys"
    )
    service_account = models.ForeignKey(
        ServiceAccount, on_delete=models.CASCADE, null=True, blank=True, related_name="keys"
    )
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=24, unique=True)
    digest = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list, blank=True)
    floor_sensitivity = models.CharField(
        max_length=12, choices=SENSITIVITIES, default=Sensitivity.PUBLIC.word
    )
    floor_categories = models.JSONField(default=list, blank=True)
    requests_per_minute = models.PositiveIntegerField(null=True, blank=True)
    restores = models.CharField(
        max_length=10,
        choices=RESTORES,
        default=Restores.EVERYTHING.value,
        db_default=Restores.EVERYTHING.value,
    )
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(user__isnull=True) ^ Q(service_account__isnull=True),
                name="accounts_key_has_one_owner",
            )
        ]
        ordering: ClassVar = ["created_at"]

    @override
    def __str__(self) -> str:
        return self.prefix
