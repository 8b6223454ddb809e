"""Stored files and a batch over them in a bucket of a real server that speaks S3."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from gateway.batches.models import Status
from gateway.batches.validating import validate
from gateway.files import services
from gateway.files.encrypted import Unreadable
from gateway.files.models import Purpose, StoredFile
from gateway.files.uploads import Upload
from tests.conftest import require
from tests.gateway.batches.conftest import IBAN, Office, lines, results, row, run_to_end
from tests.support.s3_server import S3Server, s3_installed

# Above eight MiB boto3 sends parts, several at once.
LARGE = bytes(range(256)) * 4 * 1024 * 9


@pytest.fixture
def server(settings: Settings, places: Path) -> Iterator[S3Server]:
    require(s3_installed(), "a server that speaks S3 (.ci/install-s3)")
    started = S3Server().start()
    try:
        started.make_bucket()
        settings.STORAGES = settings.STORAGES | {"files": started.storage()}
        yield started
    finally:
        started.stop()


def test_a_file_lies_there_encrypted_and_is_read_from_any_place(
    server: S3Server, office: Office
) -> None:
    file = office.upload(LARGE)
    ((name, sealed),) = server.objects().items()
    assert name == file.storage_name
    assert len(sealed) > len(LARGE)
    assert LARGE[:64] not in sealed
    with services.reading(file) as reader:
        assert reader.read_at(9_000_001, 1000) == LARGE[9_000_001:9_001_001]
        assert b"".join(reader.pieces()) == LARGE
    assert not any((office.folder / "incoming").iterdir())


def test_what_is_deleted_or_expires_is_gone_from_the_bucket(
    server: S3Server, office: Office
) -> None:
    kept, deleted, expired = (office.upload(text) for text in (b"kept", b"deleted", b"expired"))
    services.delete_file(office.principal, deleted.pk)
    StoredFile.objects.filter(pk=expired.pk).update(
        expires_at=timezone.now() - timedelta(seconds=1)
    )
    services.sweep(timezone.now())
    assert list(server.objects()) == [kept.storage_name]
    assert list(StoredFile.objects.values_list("pk", flat=True)) == [kept.pk]


def test_bytes_that_somebody_changed_do_not_open(server: S3Server, office: Office) -> None:
    file = office.upload(b"a text that matters")
    sealed = bytearray(server.objects()[file.storage_name])
    sealed[-1] ^= 1
    server.client().put_object(Bucket="sluice-files", Key=file.storage_name, Body=bytes(sealed))
    with services.reading(file) as reader, pytest.raises(Unreadable):
        b"".join(reader.pieces())


def test_a_batch_runs_over_it_and_leaves_its_results_there(
    server: S3Server, office: Office
) -> None:
    batch = office.begun(lines([row("a"), row("b", f"pay {IBAN}", model="cloud-first")]))
    ended = run_to_end(office, batch)
    assert (ended.status, ended.completed) == (Status.COMPLETED, 2)
    assert [line["custom_id"] for line in results(ended.output_file_id)] == ["a", "b"]
    stored = server.objects()
    assert len(stored) == 2
    assert IBAN.encode() not in b"".join(stored.values())


def test_a_batch_waits_for_a_bucket_that_is_away(server: S3Server, office: Office) -> None:
    batch = office.created(lines([row("a")]))
    held = server.objects()
    server.kill()
    validate(batch.pk, process=office.presence.name)
    batch.refresh_from_db()
    assert (batch.status, batch.errors, batch.driver) == (Status.VALIDATING, [], "")
    server.start()
    server.make_bucket()
    for name, content in held.items():
        server.client().put_object(Bucket="sluice-files", Key=name, Body=content)
    validate(batch.pk, process=office.presence.name)
    batch.refresh_from_db()
    assert run_to_end(office, batch).completed == 1


def test_an_upload_that_the_bucket_did_not_take_leaves_nothing(
    server: S3Server, office: Office
) -> None:
    server.kill()
    upload = Upload(project=office.project, actor="user:1")
    upload.write(b"text")
    with pytest.raises(OSError, match="the storage failed"):
        upload.finish(name="a", purpose=Purpose.USER_DATA)
    upload.discard()
    assert not any((office.folder / "incoming").iterdir())
    assert not StoredFile.objects.filter(state="ready").exists()
