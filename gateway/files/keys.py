"""A project's file key: made on first use, sealed in the database.

Without the row nothing of the project's files can be read any more, wherever copies lie.
"""

import base64
import os

from django.utils import timezone

from gateway.accounts.models import Project
from gateway.deployments.credentials import decrypt, encrypt
from gateway.files.models import ProjectKey


def project_key(project: Project) -> bytes:
    """32 bytes. One query, two on first use. Raises CredentialUnreadable."""
    row = ProjectKey.objects.filter(project=project).first()
    if row is None:
        fresh = base64.b64encode(os.urandom(32)).decode("ascii")
        row, _ = ProjectKey.objects.get_or_create(
            project=project, defaults={"sealed": encrypt(fresh), "created_at": timezone.now()}
        )
    return base64.b64decode(decrypt(row.sealed))
