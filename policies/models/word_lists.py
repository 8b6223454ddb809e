"""Projects' own words."""

from typing import ClassVar

from django.db import models
from typing_extensions import override

from policies.classification import word_lists


class WordList(models.Model):
    """Words that are findings of `category` in one project (codenames, clients' names)."""

    project = models.ForeignKey(
        "accounts.Project", on_delete=models.CASCADE, related_name="word_lists"
    )
    name = models.SlugField(max_length=63)
    category = models.SlugField(max_length=63)
    words = models.JSONField(default=list)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "name"], name="policies_word_list_once")
        ]
        ordering: ClassVar = ["project__slug", "name"]

    @override
    def __str__(self) -> str:
        return self.name

    def as_list(self) -> word_lists.WordList:
        """As the recognizers take it."""
        return word_lists.WordList(name=self.name, category=self.category, words=tuple(self.words))
