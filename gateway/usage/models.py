"""What was used, what it cost, and what may be: usage records, budgets, limits, prices.

Usage comes from the audit's journal, in the loader's own transaction (`gateway.usage.recording`),
and is the truth that the shared store is rebuilt from. Budgets, limits and prices change through
`gateway.usage.services` only. Money is in whole nano-dollars: `gateway.inference.prices`.
"""

from decimal import Decimal
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone
from typing_extensions import override

from gateway.accounts.models import APIKey, Project, User
from gateway.deployments.models import Deployment
from gateway.inference.limits import AtEnd, Period, Scope
from gateway.inference.prices import usd


class UsageRecord(models.Model):
    """One request that was answered, or whose outcome died with its process.

    `person` is on whose behalf it was made, or who made it. `estimated`: the tokens are ours,
    for want of the vendor's. `cost_nano` null: no price was known.
    """

    decision_id = models.CharField(max_length=100, primary_key=True)
    at = models.DateTimeField()
    project = models.TextField()
    person = models.TextField()
    key_prefix = models.TextField()
    channel = models.TextField()
    endpoint = models.TextField()
    alias = models.TextField()
    deployment = models.TextField()
    zone = models.TextField()
    model = models.TextField()
    prompt_tokens = models.BigIntegerField()
    completion_tokens = models.BigIntegerField()
    cached_tokens = models.BigIntegerField()
    cost_nano = models.BigIntegerField(null=True)
    estimated = models.BooleanField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["project", "at"], name="usage_record_project")]
        ordering: ClassVar = ["-at"]

    @override
    def __str__(self) -> str:
        return self.decision_id

    @property
    def cost_usd(self) -> Decimal | None:
        """The cost in USD; None where no price was known."""
        return None if self.cost_nano is None else usd(self.cost_nano)


class UsageDay(models.Model):
    """The sum of one day's records (UTC) that share everything but their time.

    Written together with them; it stays when they are pruned. Pages, files and budgets read it.
    """

    day = models.DateField()
    project = models.TextField()
    person = models.TextField()
    key_prefix = models.TextField()
    channel = models.TextField()
    alias = models.TextField()
    deployment = models.TextField()
    zone = models.TextField()
    requests = models.BigIntegerField()
    prompt_tokens = models.BigIntegerField()
    completion_tokens = models.BigIntegerField()
    cached_tokens = models.BigIntegerField()
    cost_nano = models.BigIntegerField()
    estimated = models.BigIntegerField()  # requests whose tokens are estimates
    unpriced = models.BigIntegerField()  # requests without a known price

    class Meta:
        constraints: ClassVar = [
            # Begins with the day: most questions are about a span of days.
            models.UniqueConstraint(
                fields=[
                    *("day", "project", "person", "key_prefix", "channel", "alias"),
                    *("deployment", "zone"),
                ],
                name="usage_day_once",
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["project", "day"], name="usage_day_project"),
            models.Index(fields=["person", "day"], name="usage_day_person"),
            models.Index(fields=["key_prefix", "day"], name="usage_day_key"),
        ]

    @override
    def __str__(self) -> str:
        return f"{self.day} {self.project} {self.deployment}"


class Budget(models.Model):
    """An amount of money for a period, for one subject or for each one of a kind.

    `project` null: of the organisation. `person` and `key` null in their scopes: each of them
    has the amount.
    """

    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, null=True, blank=True, related_name="budgets"
    )
    name = models.SlugField(max_length=63)
    scope = models.CharField(max_length=12, choices=[(each.value, each.value) for each in Scope])
    person = models.ForeignKey(
        User, on_delete=models.CASCADE, null=True, blank=True, related_name="budgets"
    )
    key = models.ForeignKey(
        APIKey, on_delete=models.CASCADE, null=True, blank=True, related_name="budgets"
    )
    amount_nano = models.BigIntegerField()
    period = models.CharField(max_length=5, choices=[(each.value, each.value) for each in Period])
    hard = models.BooleanField(default=False)
    at_end = models.CharField(
        max_length=7,
        choices=[(each.value, each.value) for each in AtEnd],
        default=AtEnd.REFUSE.value,
    )
    emails = models.JSONField(default=list, blank=True)
    webhook = models.CharField(max_length=500, blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "name"], name="usage_budget_name_once"),
            models.UniqueConstraint(
                fields=["name"], condition=Q(project=None), name="usage_budget_own_name_once"
            ),
        ]
        ordering: ClassVar = ["name"]

    @override
    def __str__(self) -> str:
        return self.name

    @property
    def amount_usd(self) -> Decimal:
        """The amount in USD."""
        return usd(self.amount_nano)


class BudgetSpend(models.Model):
    """What requests of one process spent out of its leases on a budget, in one of its windows.

    Rows come from the journal with the usage. What a budget's subject spent beside leases (before
    the budget came into being) is in `UsageDay` alone.
    """

    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="spends")
    subject = models.TextField()
    window = models.CharField(max_length=10)
    writer = models.CharField(max_length=100)
    nano = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["budget", "subject", "window", "writer"], name="usage_spend_once"
            )
        ]

    @override
    def __str__(self) -> str:
        return f"{self.budget_id} {self.subject} {self.window}"


class BudgetAlert(models.Model):
    """A budget reached a part of its amount, once in a window. `sent_at` null: not told yet."""

    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="alerts")
    subject = models.TextField()
    window = models.CharField(max_length=10)
    percent = models.PositiveSmallIntegerField()
    spent_nano = models.BigIntegerField()
    at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["budget", "subject", "window", "percent"], name="usage_alert_once"
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["at"], condition=Q(sent_at=None), name="usage_alert_unsent")
        ]

    @override
    def __str__(self) -> str:
        return f"{self.budget_id} {self.percent} %"


class RateLimit(models.Model):
    """What one project, key or deployment may take at most. Null: no limit of that kind.

    A key's requests per minute stand with the key.
    """

    project = models.OneToOneField(
        Project, on_delete=models.CASCADE, null=True, blank=True, related_name="rate_limit"
    )
    key = models.OneToOneField(
        APIKey, on_delete=models.CASCADE, null=True, blank=True, related_name="rate_limit"
    )
    deployment = models.OneToOneField(
        Deployment, on_delete=models.CASCADE, null=True, blank=True, related_name="rate_limit"
    )
    requests_per_minute = models.PositiveIntegerField(null=True, blank=True)
    tokens_per_minute = models.PositiveBigIntegerField(null=True, blank=True)
    concurrency = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(project__isnull=False, key__isnull=True, deployment__isnull=True)
                | Q(project__isnull=True, key__isnull=False, deployment__isnull=True)
                | Q(project__isnull=True, key__isnull=True, deployment__isnull=False),
                name="usage_limit_has_one_subject",
            )
        ]

    @override
    def __str__(self) -> str:
        return f"limit of {self.project_id or self.key_id or self.deployment_id}"


class DeploymentPrice(models.Model):
    """What the operator says a deployment costs. `terms`: names of `price` in sluice.yaml with
    decimals as text."""

    deployment = models.OneToOneField(Deployment, on_delete=models.CASCADE, related_name="price")
    terms = models.JSONField()

    @override
    def __str__(self) -> str:
        return str(self.deployment_id)
