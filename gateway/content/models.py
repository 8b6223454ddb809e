"""Tables of kept content. The text is cipher text; without its two keys nobody reads it again."""

from typing import ClassVar

from django.db import models
from django.utils import timezone
from typing_extensions import override

from gateway.accounts.models import Project


class ContentRule(models.Model):
    """A project that keeps prompts and answers, and for how many days. Without a row: none."""

    project = models.OneToOneField(
        Project, on_delete=models.CASCADE, primary_key=True, related_name="content_rule"
    )
    days = models.PositiveIntegerField()

    @override
    def __str__(self) -> str:
        return f"{self.project_id}: {self.days} days"


class KeyScope(models.TextChoices):
    """Whose key it is."""

    PROJECT = "project", "a project's"
    PERSON = "person", "a person's"


class ErasureKey(models.Model):
    """32 random bytes, sealed under the installation's key. Content takes a project's and a
    person's together, so destroying either erases. `subject`: a project's id, or an actor as audit
    rows name it."""

    scope = models.CharField(max_length=10, choices=KeyScope.choices)
    subject = models.CharField(max_length=100)
    sealed = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["scope", "subject"], name="content_key_once")
        ]

    @override
    def __str__(self) -> str:
        return f"{self.scope} key of {self.subject}"


class KeptContent(models.Model):
    """What one request said and was answered: `sealed` is cipher text of both."""

    decision_id = models.CharField(primary_key=True, max_length=100)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="kept_contents")
    person = models.CharField(max_length=100, db_index=True)  # an actor, as audit rows name it
    at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    whole = models.BooleanField(default=True)  # False: it was longer than what is kept of one
    sealed = models.BinaryField()

    @override
    def __str__(self) -> str:
        return self.decision_id
