"""Model recognizers that the organisation or a project asks."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from typing_extensions import override

from policies.classification.model_recognizers import (
    DEFAULT_OVERLAP,
    DEFAULT_TIMEOUT_S,
    DEFAULT_WINDOW,
    Asks,
    Finds,
)
from policies.classification.model_recognizers import ModelRecognizer as Definition


class ModelRecognizer(models.Model):
    """A model that is shown the texts of requests: of one project, or of all (`project` empty).

    `deployment` is a name and no relation: one that is gone makes texts opaque, so nobody removes
    a recognizer by removing a deployment.
    """

    project = models.ForeignKey(
        "accounts.Project",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="model_recognizers",
    )
    name = models.SlugField(max_length=63)
    deployment = models.SlugField(max_length=63)
    asks = models.CharField(max_length=20, choices=[(each.value, each.value) for each in Asks])
    labels = models.JSONField(default=list)
    finds = models.JSONField(default=list)
    window = models.PositiveIntegerField(default=DEFAULT_WINDOW)
    overlap = models.PositiveIntegerField(default=DEFAULT_OVERLAP)
    timeout_s = models.FloatField(default=DEFAULT_TIMEOUT_S)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["project", "name"], name="policies_model_recognizer_once_in_a_project"
            ),
            models.UniqueConstraint(
                fields=["name"],
                condition=Q(project__isnull=True),
                name="policies_model_recognizer_once_in_the_organisation",
            ),
        ]
        ordering: ClassVar = ["project__slug", "name"]

    @override
    def __str__(self) -> str:
        return self.name

    def definition(self) -> Definition:
        """As the path takes it."""
        return Definition(
            name=self.name,
            deployment=self.deployment,
            asks=Asks(self.asks),
            labels=tuple(self.labels),
            finds=tuple(
                Finds(
                    data_class=each["data_class"],
                    category=each["category"],
                    labels=tuple(each.get("labels", ())),
                    at_least=float(each.get("at_least", 0.5)),
                    what=each.get("what", ""),
                )
                for each in self.finds
            ),
            window=self.window,
            overlap=self.overlap,
            timeout_s=self.timeout_s,
        )
