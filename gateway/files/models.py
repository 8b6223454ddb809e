"""Tables of the stored files. Rows change through `gateway.files.services` only.

The text of a file is never in the database; its name is, sealed, because names say things too.
"""

import secrets
from typing import ClassVar

from django.db import models
from django.utils import timezone
from typing_extensions import override

from gateway.accounts.models import SENSITIVITIES, Project


class FileState(models.TextChoices):
    """Whether a file is there yet."""

    WRITING = "writing", "writing"  # its bytes are on their way into the storage
    READY = "ready", "ready"
    DELETING = "deleting", "deleting"  # nobody sees it any more; its bytes are about to go


class Purpose(models.TextChoices):
    """What a file is for, in OpenAI's words."""

    ASSISTANTS = "assistants", "assistants"
    BATCH = "batch", "batch"
    BATCH_OUTPUT = "batch_output", "batch_output"
    EVALS = "evals", "evals"
    FINE_TUNE = "fine-tune", "fine-tune"
    USER_DATA = "user_data", "user_data"
    VISION = "vision", "vision"


def new_file_id() -> str:
    """`file-` and 24 random characters."""
    return "file-" + secrets.token_hex(12)


class ProjectKey(models.Model):
    """The key under which a project's files are encrypted, sealed under the installation's."""

    project = models.OneToOneField(
        Project, on_delete=models.CASCADE, primary_key=True, related_name="file_key"
    )
    sealed = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)

    @override
    def __str__(self) -> str:
        return f"file key of {self.project_id}"


class StoredFile(models.Model):
    """One file. `sensitivity` is empty until somebody has labelled its text; then it and
    `categories` govern who may download and attach it, never how a part of it is routed. `declared`
    holds for whatever is made of it: what was said of the file and, of answers, what their rows
    passed on."""

    id = models.CharField(max_length=40, primary_key=True, default=new_file_id)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="files")
    created_by = models.CharField(max_length=100)  # as audit events write an actor
    state = models.CharField(max_length=10, choices=FileState.choices, default=FileState.WRITING)
    purpose = models.CharField(max_length=20, choices=Purpose.choices)
    sealed_name = models.BinaryField()
    bytes = models.BigIntegerField(default=0)
    storage_name = models.CharField(max_length=200)
    # Who still reads it (running batches): as long as there is one, it is not deleted.
    holds = models.PositiveIntegerField(default=0)
    declared = models.TextField(blank=True, default="")
    sensitivity = models.CharField(max_length=12, choices=SENSITIVITIES, blank=True, default="")
    categories = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["project", "created_at", "id"], name="files_by_project"),
            models.Index(fields=["expires_at"], name="files_by_expiry"),
        ]

    @override
    def __str__(self) -> str:
        return self.id
