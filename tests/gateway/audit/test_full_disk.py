"""A full disk under the database or the heads: said, waited for, and nothing lost."""

import errno
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest
from django.db import OperationalError, connection
from pytest_django.fixtures import Settings

from gateway.audit import loader as loading
from gateway.audit.anchors import anchor_heads
from gateway.audit.journal import FileJournal
from gateway.audit.loader import Loader
from gateway.audit.models import AuditEvent, RequestRecord
from gateway.audit.retention import kept_days, set_retention
from gateway.audit.sealing import heads_of_database, public_keys, seal
from gateway.audit.sealing_models import Delivery
from gateway.audit.verify import verify

pytestmark = pytest.mark.django_db(transaction=True)
COUNT = 400


@contextmanager
def full_disk() -> Iterator[None]:
    """SQLite's own limit of pages: it fails as it does on a full disk, "database or disk is full".

    Of PostgreSQL it is the same to Sluice: an OperationalError (DiskFull)."""
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL's disk cannot be filled for one database")
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")
        cursor.execute("PRAGMA page_count")
        (pages,) = cursor.fetchone()
        cursor.execute(f"PRAGMA max_page_count = {pages}")
        try:
            yield
        finally:
            cursor.execute("PRAGMA max_page_count = 1073741823")


def written(journal: FileJournal, writing: ModuleType) -> None:
    for number in range(COUNT):
        journal.append(writing.decision(number))
        journal.append(writing.outcome(number))


def verified(directory: Path) -> tuple[str, ...]:
    heads = heads_of_database(public_keys())
    return tuple(str(each) for each in verify(directory, heads=heads).breaks)


def test_what_cannot_be_loaded_waits_in_the_journal_and_is_loaded_later(
    directory: Path, journal: FileJournal, loader: Loader, writing: ModuleType
) -> None:
    written(journal, writing)
    with full_disk():
        with pytest.raises(OperationalError, match="full"):
            loader.load()
        assert RequestRecord.objects.count() < COUNT
        assert list(directory.glob("*.jsonl"))
    loader.load()
    assert RequestRecord.objects.count() == COUNT
    assert verified(directory) == ()


def test_the_loading_process_says_so_and_goes_on_by_itself(
    directory: Path,
    journal: FileJournal,
    writing: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    written(journal, writing)
    stop = threading.Event()
    failures: list[int] = []
    step = Loader._store

    def store(self: Loader, reading: object) -> None:
        if len(failures) < 3:
            failures.append(1)
            raise OperationalError("database or disk is full: jane@clinic.example")
        step(self, reading)  # type: ignore[arg-type]
        if self.loaded + 2 * COUNT >= 2 * COUNT:
            stop.set()

    monkeypatch.setattr(Loader, "_store", store)
    monkeypatch.setattr(loading, "RETRY_WAIT_S", 0.0)
    loading.run(directory, stop=stop)
    assert caplog.text.count("cannot load now (OperationalError)") == 3
    assert "jane" not in caplog.text
    assert RequestRecord.objects.count() == COUNT


def test_a_change_is_refused_whole(caplog: pytest.LogCaptureFixture) -> None:
    with full_disk(), pytest.raises(OperationalError):
        for days in range(1, 4_000):  # until the pages that are free are used
            set_retention(actor="system:test", kind="requests", days=days)
    kept = kept_days("requests")
    events = AuditEvent.objects.filter(type="retention.changed")
    assert (events.latest("seq").details["days"] if kept else None) == kept
    assert set_retention(actor="system:test", kind="requests", days=5_000)


def test_a_head_that_an_anchor_cannot_take_is_told_and_comes_later(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    anchor = tmp_path / "heads.jsonl"
    settings.AUDIT_ANCHORS = [f"file://{anchor}"]
    seal(even_idle=True)
    real = Path.open

    def full(self: Path, *args: object, **kwargs: object) -> object:
        if self == anchor:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, *args, **kwargs)  # type: ignore[call-overload]

    with monkeypatch.context() as disk:
        disk.setattr(Path, "open", full)
        disk.setattr("os.open", _refusing(anchor))
        assert not anchor_heads()
    [row] = Delivery.objects.all()
    assert row.failures == 1
    assert "No space" in row.last_error
    assert anchor_heads()
    assert anchor.read_text().count('"kind":"head"') == 1


def _refusing(anchor: Path) -> object:
    import os  # noqa: PLC0415 - the real one, before it is replaced

    real = os.open

    def open_(path: object, *args: object, **kwargs: object) -> int:
        if str(path) == str(anchor):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, *args, **kwargs)  # type: ignore[arg-type]

    return open_


def test_a_head_that_cannot_be_kept_beside_the_database_is_said_and_anchored_all_the_same(
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings.AUDIT_ANCHORS = [f"file://{tmp_path / 'heads.jsonl'}"]

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(Path, "write_text", full)
        assert seal(even_idle=True) is not None
    assert "cannot be kept" in caplog.text
    assert anchor_heads()
