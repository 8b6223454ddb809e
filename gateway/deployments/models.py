"""Upstream models and where they are, the aliases that clients send, and who may use which.

Rows change through `gateway.deployments.services` only. `credential` holds Fernet cipher text.
"""

import uuid
from datetime import date
from typing import ClassVar

from django.db import models
from django.utils import timezone
from typing_extensions import override

from policies.engine.facts import Clearance, DeploymentFacts, Endpoint, Evidence, Zone
from policies.engine.labels import Sensitivity

SENSITIVITIES = [(member.word, member.word) for member in Sensitivity]
ENDPOINTS = tuple(endpoint.value for endpoint in Endpoint)


class Provider(models.TextChoices):
    """The kinds of adapter."""

    OPENAI_COMPATIBLE = "openai_compatible", "OpenAI-compatible server"
    LITELLM_CLOUD = "litellm_cloud", "Cloud vendor through LiteLLM"


class ZoneChoice(models.TextChoices):
    """Zones as the database knows them; the words are the engine's."""

    ON_PREM = Zone.ON_PREM.value, "on-prem"
    PRIVATE_CLOUD = Zone.PRIVATE_CLOUD.value, "private cloud"
    CLOUD = Zone.CLOUD.value, "cloud"


def default_endpoints() -> list[str]:
    """What a deployment serves when nothing was said."""
    return [Endpoint.CHAT_COMPLETIONS.value]


def default_modalities() -> list[str]:
    """What a deployment takes when nothing was said."""
    return ["text"]


class Deployment(models.Model):
    """One upstream model in one place.

    `clearance_categories` None means every category, those added later included. `proposed`: found
    by discovery and confirmed by nobody. `builtin`: one of the two demo models of this
    installation; no service but the bootstrap sets it.
    """

    name = models.SlugField(max_length=63, unique=True)
    provider = models.CharField(
        max_length=20, choices=Provider.choices, default=Provider.OPENAI_COMPATIBLE
    )
    base_url = models.CharField(max_length=500, blank=True, default="")
    upstream_model = models.CharField(max_length=200)
    zone = models.CharField(max_length=13, choices=ZoneChoice.choices)
    clearance_sensitivity = models.CharField(
        max_length=12, choices=SENSITIVITIES, default=Sensitivity.PUBLIC.word
    )
    clearance_categories = models.JSONField(null=True, blank=True, default=list)
    endpoints = models.JSONField(default=default_endpoints)
    modalities = models.JSONField(default=default_modalities)
    vendor = models.CharField(max_length=100, blank=True, default="")
    region = models.CharField(max_length=100, blank=True, default="")
    retention_days = models.PositiveIntegerField(null=True, blank=True)
    trains_on_data = models.BooleanField(null=True, blank=True)
    evidence = models.JSONField(default=list, blank=True)
    credential = models.TextField(blank=True, default="")
    credential_source = models.CharField(max_length=500, blank=True, default="")
    options = models.JSONField(default=dict, blank=True)
    connect_timeout_s = models.FloatField(default=5.0)
    first_byte_timeout_s = models.FloatField(default=120.0)
    idle_timeout_s = models.FloatField(default=60.0)
    enabled = models.BooleanField(default=False)
    proposed = models.BooleanField(default=False)
    builtin = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["name"]

    @override
    def __str__(self) -> str:
        return self.name

    def clearance(self) -> Clearance:
        """What this deployment may receive."""
        return Clearance(
            Sensitivity.from_word(self.clearance_sensitivity),
            None if self.clearance_categories is None else frozenset(self.clearance_categories),
        )

    def facts(self) -> DeploymentFacts:
        """What policies see of this deployment. A proposal counts as disabled."""
        return DeploymentFacts(
            name=self.name,
            zone=Zone(self.zone),
            clearance=self.clearance(),
            endpoints=frozenset(self.endpoints),
            modalities=frozenset(self.modalities),
            vendor=self.vendor or None,
            region=self.region or None,
            retention_days=self.retention_days,
            trains_on_data=self.trains_on_data,
            evidence=tuple(_evidence(item) for item in self.evidence),
            enabled=self.enabled and not self.proposed,
        )


def _evidence(item: dict[str, str]) -> Evidence:
    until = item.get("valid_until")
    return Evidence(
        kind=item.get("kind", ""),
        reference=item.get("reference", ""),
        valid_until=date.fromisoformat(until) if until else None,
    )


class WaitingState(models.TextChoices):
    """What became of a change that needed a second person."""

    WAITING = "waiting", "waiting"
    APPROVED = "approved", "approved"
    REJECTED = "rejected", "rejected"
    WITHDRAWN = "withdrawn", "withdrawn"


class WaitingChange(models.Model):
    """A change of a deployment that widens what may be sent there, until a second person agrees.

    INVARIANT: `spec`, `before` and `author` never change; a deployment has at most one that waits.
    Neither holds a credential.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    deployment = models.ForeignKey(
        Deployment, on_delete=models.CASCADE, related_name="waiting_changes"
    )
    spec = models.JSONField()  # gateway.deployments.spec_data
    before = models.JSONField()  # what the author saw
    author = models.CharField(max_length=200)  # as audit events write it
    reason = models.CharField(max_length=500, blank=True, default="")
    requested_at = models.DateTimeField(default=timezone.now)
    state = models.CharField(
        max_length=10, choices=WaitingState.choices, default=WaitingState.WAITING
    )
    decided_by = models.CharField(max_length=200, blank=True, default="")
    decided_at = models.DateTimeField(null=True, blank=True)
    note = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["deployment"],
                condition=models.Q(state="waiting"),
                name="deployments_one_change_waits",
            )
        ]
        ordering: ClassVar = ["-requested_at"]

    @override
    def __str__(self) -> str:
        return f"{self.state} change of {self.deployment_id}"


class ModelAlias(models.Model):
    """A model name that clients send, and the deployments behind it in order."""

    name = models.CharField(max_length=100, unique=True)
    created_at = models.DateTimeField(default=timezone.now)
    deployments = models.ManyToManyField(Deployment, through="AliasTarget", related_name="aliases")

    class Meta:
        ordering: ClassVar = ["name"]
        verbose_name_plural = "model aliases"

    @override
    def __str__(self) -> str:
        return self.name

    def target_names(self) -> list[str]:
        """Names of the deployments in order. One query."""
        return list(self.targets.values_list("deployment__name", flat=True))


class AliasTarget(models.Model):
    """The place of a deployment behind an alias; 0 comes first."""

    alias = models.ForeignKey(ModelAlias, on_delete=models.CASCADE, related_name="targets")
    deployment = models.ForeignKey(Deployment, on_delete=models.PROTECT, related_name="targets")
    position = models.PositiveSmallIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["alias", "deployment"], name="deployments_target_once"),
        ]
        ordering: ClassVar = ["alias__name", "position"]

    @override
    def __str__(self) -> str:
        return f"{self.alias_id}[{self.position}]"


class Grant(models.Model):
    """A project may use a deployment. A grant never widens a clearance."""

    project = models.ForeignKey("accounts.Project", on_delete=models.CASCADE, related_name="grants")
    deployment = models.ForeignKey(Deployment, on_delete=models.CASCADE, related_name="grants")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "deployment"], name="deployments_grant_once")
        ]
        ordering: ClassVar = ["project__slug", "deployment__name"]

    @override
    def __str__(self) -> str:
        return f"{self.project_id} may use {self.deployment_id}"
