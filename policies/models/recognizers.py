"""Recognizers that the organisation or a project defined for itself."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from typing_extensions import override

from policies.classification.custom_patterns import DEFAULT_SCORE
from policies.classification.custom_patterns import CustomRecognizer as Definition


class CustomRecognizer(models.Model):
    """A data class by patterns: of one project, or of every one (`project` empty).

    Examples may be real values: they are written to no event and no log.
    """

    project = models.ForeignKey(
        "accounts.Project",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="custom_recognizers",
    )
    name = models.SlugField(max_length=63)
    category = models.SlugField(max_length=64)
    patterns = models.JSONField(default=list)
    context = models.JSONField(default=list)
    checksum = models.CharField(max_length=32, blank=True, default="")
    ignore_case = models.BooleanField(default=False)
    score = models.FloatField(default=DEFAULT_SCORE)
    must_match = models.JSONField(default=list)
    must_not_match = models.JSONField(default=list)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["project", "name"], name="policies_recognizer_once_in_a_project"
            ),
            models.UniqueConstraint(
                fields=["name"],
                condition=Q(project__isnull=True),
                name="policies_recognizer_once_in_the_organisation",
            ),
        ]
        ordering: ClassVar = ["project__slug", "name"]

    @override
    def __str__(self) -> str:
        return self.name

    def definition(self) -> Definition:
        """As the analyser takes it."""
        return Definition(
            name=self.name,
            category=self.category,
            patterns=tuple(self.patterns),
            context=tuple(self.context),
            checksum=self.checksum,
            ignore_case=self.ignore_case,
            score=self.score,
            must_match=tuple(self.must_match),
            must_not_match=tuple(self.must_not_match),
        )
