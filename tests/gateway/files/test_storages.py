"""Any of Django's storages will do: nothing here needs a path of the stored file."""

import pytest
from django.core.files.storage import storages
from pytest_django import Settings

from gateway.accounts.models import Project
from gateway.files import services
from gateway.files.models import Purpose
from gateway.files.uploads import Upload
from gateway.inference.contracts import Principal

TEXT = bytes(range(256)) * 1024  # four chunks


@pytest.fixture
def elsewhere(settings: Settings) -> None:
    settings.STORAGES = settings.STORAGES | {
        "files": {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    }


def test_a_storage_without_paths_holds_reads_anywhere_and_deletes(
    elsewhere: None, project: Project, principal: Principal
) -> None:
    upload = Upload(project=project, actor="user:1")
    upload.write(TEXT)
    row = upload.finish(name="a", purpose=Purpose.USER_DATA)
    held = storages["files"]
    assert held.size(row.storage_name) > len(TEXT)
    with held.open(row.storage_name) as sealed:
        assert TEXT[:64] not in sealed.read()
    with services.reading(row) as reader:
        assert reader.read_at(70_000, 1000) == TEXT[70_000:71_000]
        assert b"".join(reader.pieces()) == TEXT
    services.delete_file(principal, row.pk)
    assert not held.exists(row.storage_name)
