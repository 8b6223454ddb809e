"""A storage of the test's own, and a project to store in."""

from pathlib import Path

import pytest
from pytest_django import Settings

from gateway.accounts.models import Project
from gateway.accounts.roles import Role
from gateway.inference.contracts import Principal
from tests.support.world import project_with


@pytest.fixture(autouse=True)
def blob_folder(settings: Settings, tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    settings.INCOMING_DIR = tmp_path / "incoming"
    settings.STORAGES = settings.STORAGES | {
        "files": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": folder},
        }
    }
    return folder


@pytest.fixture
def project(db: None) -> Project:
    return project_with("research", owner=Role.OWNER)[0]


@pytest.fixture
def principal(project: Project) -> Principal:
    return Principal(actor="user:11111111-1111-4111-8111-111111111111", project=project.slug)
