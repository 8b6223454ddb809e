"""Stored files: what is kept, for whom, and that deleting deletes."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.utils import timezone

from gateway.accounts.limits import Limits
from gateway.accounts.models import Project
from gateway.accounts.roles import Role
from gateway.accounts.services import set_limits
from gateway.audit.models import AuditEvent
from gateway.files import services, uploads
from gateway.files.encrypted import Unreadable
from gateway.files.models import FileState, ProjectKey, Purpose, StoredFile
from gateway.inference.contracts import Principal
from gateway.protocol.errors import FileInUse, InvalidRequest, NotFound, RequestTooLarge
from policies.engine.labels import Label, Sensitivity
from tests.support.world import SETUP, project_with

TEXT = b"Jane Roe, IBAN DE89 3704 0044 0532 0130 00\n"


def stored(
    project: Project,
    text: bytes = TEXT,
    *,
    name: str = "rows of Jane Roe.jsonl",
    purpose: Purpose = Purpose.USER_DATA,
    expires_after_s: int | None = None,
) -> StoredFile:
    upload = uploads.Upload(project=project, actor="user:1")
    upload.write(text)
    return upload.finish(name=name, purpose=purpose, expires_after_s=expires_after_s)


def text_of(row: StoredFile) -> bytes:
    with services.reading(row) as opened:
        return b"".join(opened.pieces())


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def event_types() -> list[str]:
    found = AuditEvent.objects.filter(object_type="file").order_by("pk")
    return list(found.values_list("type", flat=True))


def test_a_file_comes_back_as_it_was(project: Project, principal: Principal) -> None:
    row = stored(project)
    found = services.get_file(principal, row.pk)
    assert text_of(found) == TEXT
    assert services.name_of(found) == "rows of Jane Roe.jsonl"
    assert found.bytes == len(TEXT)


def test_neither_disk_nor_database_holds_the_text_or_the_name(
    project: Project, blob_folder: Path
) -> None:
    stored(project)
    kept = b"".join(path.read_bytes() for path in files_in(blob_folder.parent))
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM files_storedfile")
        kept += repr(cursor.fetchall()).encode()
    kept += repr(list(AuditEvent.objects.values_list("body", flat=True))).encode()
    assert b"Jane" not in kept
    assert b"3704" not in kept


def test_without_the_projects_key_nothing_can_be_read(project: Project) -> None:
    row = stored(project)
    ProjectKey.objects.all().delete()
    with pytest.raises(Unreadable):
        text_of(row)


def test_deleting_removes_the_bytes_and_says_so(
    project: Project, principal: Principal, blob_folder: Path
) -> None:
    row = stored(project)
    assert len(files_in(blob_folder)) == 1
    services.delete_file(principal, row.pk)
    assert files_in(blob_folder) == []
    assert not StoredFile.objects.exists()
    with pytest.raises(NotFound):
        services.get_file(principal, row.pk)
    assert event_types() == ["file.created", "file.deleted"]


def test_an_expired_file_is_gone_at_once_and_its_bytes_with_the_next_sweep(
    project: Project, principal: Principal, blob_folder: Path
) -> None:
    row = stored(project, expires_after_s=3600)
    later = timezone.now() + timedelta(seconds=3601)
    assert services.sweep(timezone.now()) == 0
    StoredFile.objects.filter(pk=row.pk).update(expires_at=timezone.now())
    with pytest.raises(NotFound):
        services.get_file(principal, row.pk)
    assert services.sweep(later) == 1
    assert files_in(blob_folder) == []
    assert AuditEvent.objects.get(type="file.deleted").details["reason"] == "expired"


def test_batch_files_live_thirty_days_and_others_until_deleted(project: Project) -> None:
    batch = stored(project, purpose=Purpose.BATCH)
    assert batch.expires_at is not None
    assert batch.expires_at - batch.created_at == timedelta(days=30)
    assert stored(project).expires_at is None


def test_a_projects_retention_shortens_every_life(project: Project) -> None:
    set_limits(by=SETUP, project=project, limits=Limits(retention_days=2))
    row = stored(project, expires_after_s=30 * 24 * 3600)
    assert row.expires_at is not None
    assert row.expires_at - row.created_at == timedelta(days=2)


def limited(project: Project, **changes: int) -> None:
    set_limits(by=SETUP, project=project, limits=Limits(**changes))


def test_too_large_a_file_leaves_nothing(project: Project, blob_folder: Path) -> None:
    limited(project, file_bytes=10)
    upload = uploads.Upload(project=project, actor="user:1")
    with pytest.raises(RequestTooLarge):
        upload.write(TEXT)
    upload.discard()
    assert files_in(blob_folder.parent) == []


@pytest.mark.parametrize("limit", [{"stored_bytes": 2 * len(TEXT) - 1}, {"stored_files": 1}])
def test_a_full_store_takes_nothing_more(
    project: Project, blob_folder: Path, limit: dict[str, int]
) -> None:
    limited(project, **limit)
    stored(project)
    upload = uploads.Upload(project=project, actor="user:1")
    upload.write(TEXT)
    with pytest.raises(InvalidRequest) as refused:
        upload.finish(name="a", purpose=Purpose.USER_DATA)
    upload.discard()
    assert refused.value.code == "storage_full"
    assert len(files_in(blob_folder.parent)) == 1


def test_only_an_admin_sets_limits_and_it_is_on_the_record(db: None) -> None:
    project, people = project_with("lab", owner=Role.OWNER)
    with pytest.raises(PermissionDenied):
        set_limits(by=people["owner"], project=project, limits=Limits(file_bytes=1))
    limited(project, file_bytes=1)
    assert AuditEvent.objects.filter(type="project.changed", project="lab").exists()


def test_a_held_file_is_not_deleted(project: Project, principal: Principal) -> None:
    row = stored(project)
    assert services.hold(row)
    with pytest.raises(FileInUse):
        services.delete_file(principal, row.pk)
    services.let_go(row.pk)
    services.delete_file(principal, row.pk)
    assert not services.hold(row)


def test_another_projects_file_looks_like_none(project: Project, principal: Principal) -> None:
    theirs = stored(project_with("other")[0])
    with pytest.raises(NotFound) as foreign:
        services.get_file(principal, theirs.pk)
    with pytest.raises(NotFound) as unknown:
        services.get_file(principal, "file-" + "0" * 24)
    assert foreign.value.message.replace(theirs.pk, "") == unknown.value.message.replace(
        "file-" + "0" * 24, ""
    )
    with pytest.raises(NotFound):
        services.delete_file(principal, theirs.pk)
    assert services.list_files(principal, limit=10).files == ()
    with pytest.raises(NotFound):
        services.list_files(principal, limit=10, after=theirs.pk)


def test_lists_go_page_by_page_in_both_orders(project: Project, principal: Principal) -> None:
    made = [stored(project, name=str(number)) for number in range(5)]
    same = timezone.now()
    StoredFile.objects.filter(pk__in=[row.pk for row in made[:3]]).update(created_at=same)
    for newest_first in (True, False):
        seen: list[str] = []
        after = ""
        while True:
            page = services.list_files(principal, limit=2, after=after, newest_first=newest_first)
            seen += [row.pk for row in page.files]
            if not page.has_more:
                break
            after = page.files[-1].pk
        assert sorted(seen) == sorted(row.pk for row in made)


def test_lists_can_be_of_one_purpose(project: Project, principal: Principal) -> None:
    stored(project)
    batch = stored(project, purpose=Purpose.BATCH)
    page = services.list_files(principal, limit=5, purpose="batch")
    assert [row.pk for row in page.files] == [batch.pk]


def test_a_half_written_file_is_never_seen_and_swept_after_an_hour(
    project: Project, principal: Principal, blob_folder: Path
) -> None:
    row = stored(project)
    StoredFile.objects.filter(pk=row.pk).update(state=FileState.WRITING)
    assert services.list_files(principal, limit=5).files == ()
    assert services.sweep(timezone.now()) == 0
    assert services.sweep(timezone.now() + timedelta(hours=2)) == 1
    assert files_in(blob_folder) == []


def test_an_interrupted_deletion_is_finished(project: Project, blob_folder: Path) -> None:
    row = stored(project)
    StoredFile.objects.filter(pk=row.pk).update(state=FileState.DELETING)
    assert services.sweep(timezone.now()) == 1
    assert files_in(blob_folder) == []


def test_a_label_is_kept_with_the_file(project: Project, principal: Principal) -> None:
    row = stored(project)
    assert services.label_of(row) is None
    label = Label(Sensitivity.CONFIDENTIAL, frozenset({"personal"}))
    services.set_label(row.pk, label)
    assert services.label_of(services.get_file(principal, row.pk)) == label
