"""Signed heads: what `verify` finds with them that the chains do not show by themselves."""

import json
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from pytest_django.fixtures import Settings

from gateway.audit.chain import genesis, link
from gateway.audit.event_types import EventType
from gateway.audit.heads import KEPT_CHECKPOINTS, Checkpoint, Malformed, Sealed, load_keys
from gateway.audit.journal import FileJournal
from gateway.audit.loader import Loader
from gateway.audit.models import AppendOnlyError, RequestRecord, Writer
from gateway.audit.sealing import heads_of_database, public_keys, seal
from gateway.audit.sealing_models import SealedChain, SignedHead
from gateway.audit.services import record_event
from gateway.audit.signing import KeyUnreadable, public_pem, signing_key
from gateway.audit.verify import Report, verify

pytestmark = pytest.mark.django_db


@pytest.fixture
def now() -> float:
    """When this test began; a time taken at import may be a quarter of an hour old."""
    return time.time()


@pytest.fixture
def sealed(
    directory: Path, loader: Loader, journal: FileJournal, writing: ModuleType, now: float
) -> Iterator[FileJournal]:
    """Records 1 to 6 sealed by head 1, 7 to 10 by head 2, and two events."""
    for number in range(1, 6):
        journal.append(writing.decision(number, at=now + number))
        journal.append(writing.outcome(number))
        if number in {3, 5}:
            record_event(
                actor="system:test",
                type=EventType.USER_LOGGED_OUT,
                object_type="user",
                object_id="1",
            )
            loader.load()
            assert seal() is not None
    yield journal


def change(statement: str, *values: str | int | datetime | None) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)


def verified(directory: Path) -> Report:
    return verify(directory, heads=heads_of_database(public_keys()))


def test_a_log_as_it_was_written_verifies_with_its_heads(sealed: FileJournal) -> None:
    report = verified(sealed.directory)
    assert (report.breaks, report.notes) == ((), ())
    assert (report.records, report.heads, report.unsealed) == (12, 2, 0)


def test_nothing_new_means_no_new_head_for_an_hour(sealed: FileJournal, settings: Settings) -> None:
    assert seal() is None
    change("UPDATE audit_signedhead SET at = %s WHERE number = 2", timezone.now() - timedelta(1))
    idle = seal()
    assert idle is not None
    assert (idle.number, idle.chains) == (3, [])
    forced = seal(even_idle=True)
    assert forced is not None
    kept = (settings.VAR_DIR / "audit.head").read_text()
    assert json.loads(kept)["body"] == forced.body


def test_a_head_is_never_dated_before_the_one_before_it(sealed: FileJournal) -> None:
    ahead = timezone.now() + timedelta(days=1)
    change("UPDATE audit_signedhead SET at = %s WHERE number = 2", ahead)
    head = seal(even_idle=True)
    assert head is not None
    assert head.at == ahead


def cut_off_the_end(writer: str, *, last: int) -> None:
    """Rows and the writer's position, consistently."""
    change("DELETE FROM audit_requestrecord WHERE seq > %s", last)
    row = RequestRecord.objects.order_by("-seq")[0]
    change(
        "UPDATE audit_writer SET last_seq = %s, last_hash = %s WHERE id = %s",
        row.outcome_seq,
        row.outcome_hash,
        writer,
    )


def test_a_tail_that_was_cut_off_is_missed(sealed: FileJournal) -> None:
    cut_off_the_end(sealed.writer.id, last=7)
    assert verify(None).breaks == ()
    [found] = verify(None, heads=heads_of_database(public_keys())).breaks
    assert found.writer == sealed.writer.id
    assert "ends at record 8, head 2 sealed more: 9 to 10 are missing" in found.why


def test_a_tail_that_was_cut_off_is_never_sealed_anew(
    sealed: FileJournal, caplog: pytest.LogCaptureFixture
) -> None:
    cut_off_the_end(sealed.writer.id, last=7)
    head = seal(even_idle=True)
    assert head is not None
    assert head.chains == []
    assert "ends at record 8, a head sealed 10" in caplog.text
    assert SealedChain.objects.get(pk=sealed.writer.id).seq == 10


def rewrite(writer: str, *, seq: int) -> None:
    """Alter one record and compute every hash after it anew."""
    prev = genesis(writer)
    for row in RequestRecord.objects.order_by("seq"):
        record = row.record.replace("sk-abc", "sk-xyz") if row.seq == seq else row.record
        hash_ = link(prev, row.seq, record.encode())
        after = link(hash_, row.seq + 1, row.outcome_record.encode())
        change(
            "UPDATE audit_requestrecord SET record = %s, key_prefix = %s, prev_hash = %s,"
            " hash = %s, outcome_prev_hash = %s, outcome_hash = %s WHERE id = %s",
            *(record, "sk-xyz" if row.seq == seq else "sk-abc"),
            *(prev, hash_, hash_, after, row.pk),
        )
        prev = after
    change("UPDATE audit_writer SET last_hash = %s WHERE id = %s", prev, writer)


@pytest.mark.parametrize(("seq", "span", "head"), [(3, "1 to 6", 1), (9, "7 to 10", 2)])
def test_a_chain_that_was_written_anew_is_found_between_two_heads(
    sealed: FileJournal, seq: int, span: str, head: int
) -> None:
    rewrite(sealed.writer.id, seq=seq)
    assert verify(None).breaks == ()
    [found] = verify(None, heads=heads_of_database(public_keys())).breaks
    assert f"records {span} are not what head {head} sealed" in found.why


def test_a_chain_that_vanished_with_its_row_is_missed(sealed: FileJournal) -> None:
    writer = sealed.writer.id
    for table, column in (
        ("audit_requestrecord", "writer_id"),
        ("audit_journalfile", "writer_id"),
        ("audit_sealedchain", "writer_id"),
        ("audit_writer", "id"),
    ):
        assert change(f"DELETE FROM {table} WHERE {column} = %s", writer)  # noqa: S608
    [found] = verify(None, heads=heads_of_database(public_keys())).breaks
    assert (found.writer, found.where) == (writer, "its rows")


HEADS = {
    "text": (
        'UPDATE audit_signedhead SET body = REPLACE(body, \'"at":"2\', \'"at":"3\')'
        " WHERE number = 1",
        "head 1: its signature is not of its text",
    ),
    "signature": (
        "UPDATE audit_signedhead SET signature = (SELECT signature FROM audit_signedhead"
        " WHERE number = 2) WHERE number = 1",
        "head 1: its signature",
    ),
    "chains": (
        "UPDATE audit_signedhead SET chains = '[]' WHERE number = 2",
        "head 2: its chains were changed",
    ),
    "absence": ("DELETE FROM audit_signedhead WHERE number = 1", "head 2: it stands where head 1"),
    "number": ("UPDATE audit_signedhead SET number = 3 WHERE number = 2", "head 2: its row says"),
}


@pytest.mark.parametrize("what", HEADS)
def test_a_head_that_was_changed_is_named(sealed: FileJournal, what: str) -> None:
    statement, why = HEADS[what]
    assert change(statement) == 1
    assert any(why in str(found) for found in verified(sealed.directory).breaks)


def test_the_command_misses_heads_that_only_the_file_beside_the_database_has(
    sealed: FileJournal, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.JOURNAL_DIR = sealed.directory
    call_command("audit", "verify")
    assert "12 records of 2 chains verified (2 heads, 0 records" in capsys.readouterr().out
    change("DELETE FROM audit_signedhead WHERE number = 2")
    with pytest.raises(CommandError, match="1 of 2 chains broken"):
        call_command("audit", "verify")
    assert "anchored head 2" in capsys.readouterr().err


def test_a_record_that_is_older_than_those_before_it_is_named(
    directory: Path, loader: Loader, journal: FileJournal, writing: ModuleType, now: float
) -> None:
    for number, at in ((1, now), (2, now + 100), (3, now - 1000)):
        journal.append(writing.decision(number, at=at))
    loader.load()
    [found] = verified(directory).breaks
    assert "record 3" in found.where
    assert "back-dated" in found.why


def test_a_record_that_came_long_after_a_head_that_should_have_it_is_noted(
    directory: Path, loader: Loader, journal: FileJournal, writing: ModuleType, now: float
) -> None:
    journal.append(writing.decision(1, at=now))
    loader.load()
    seal()
    with FileJournalOf(directory) as other:
        other.append(writing.decision(2, at=now - 10_000))
        loader.load()
        seal()
        report = verified(directory)
    assert report.breaks == ()
    [note] = report.notes
    assert "loaded late, or back-dated" in note


class FileJournalOf:
    """A second writer."""

    def __init__(self, directory: Path) -> None:
        self._journal = FileJournal(directory)

    def __enter__(self) -> FileJournal:
        return self._journal

    def __exit__(self, *_: object) -> None:
        self._journal.close()


def test_heads_are_never_changed_or_deleted_through_the_orm(sealed: FileJournal) -> None:
    head = SignedHead.objects.get(number=1)
    for act in (head.save, head.delete, SignedHead.objects.all().delete):
        with pytest.raises(AppendOnlyError):
            act()


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "some.key"
    pem = public_pem(signing_key(path))
    assert public_pem(signing_key(path)) == pem
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["some.key"]
    assert len(load_keys(pem + pem)) == 1


def test_a_key_that_is_none_is_refused_without_quoting_it(tmp_path: Path) -> None:
    path = tmp_path / "some.key"
    path.write_text("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")
    with pytest.raises(KeyUnreadable) as caught:
        signing_key(path)
    assert "c2VjcmV0" not in str(caught.value)
    with pytest.raises(KeyUnreadable, match="cannot be made"):
        signing_key(tmp_path / "nowhere" / "some.key")
    with pytest.raises(Malformed, match="no public key"):
        load_keys("")


def test_a_key_that_was_replaced_still_verifies_what_it_signed(
    sealed: FileJournal, settings: Settings, writing: ModuleType, loader: Loader, now: float
) -> None:
    path = settings.AUDIT_KEY_FILE
    old = public_pem(signing_key(path))
    path.unlink()
    sealed.append(writing.decision(6, at=now + 6))
    loader.load()
    seal()
    assert "signed with another key" in str(verified(sealed.directory).breaks[0])
    path.with_suffix(".old.pem").write_text(old)
    assert verified(sealed.directory).breaks == ()


def test_the_checkpoints_of_a_chain_stay_few_and_keep_the_last() -> None:
    sealed = Sealed()
    for seq in range(1, 3 * KEPT_CHECKPOINTS):
        assert sealed.add(Checkpoint(seq, "h", seq, None))
        assert sealed.last_seq == seq
    assert len(sealed.points) <= KEPT_CHECKPOINTS
    assert not sealed.add(Checkpoint(1, "h", 1, None))
    assert sealed.begin(seq=0, hash_="") == ""
    assert [sealed.passed(seq=seq, hash_="h") for seq in range(1, 3 * KEPT_CHECKPOINTS)] == [""] * (
        3 * KEPT_CHECKPOINTS - 1
    )
    assert sealed.ended(seq=3 * KEPT_CHECKPOINTS) == ""


def test_a_writer_that_wrote_nothing_is_in_no_head(
    directory: Path, loader: Loader, journal: FileJournal
) -> None:
    loader.load()
    assert Writer.objects.count() == 1
    head = seal()
    assert head is not None
    assert head.chains == []
