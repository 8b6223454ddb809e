"""Retention, legal holds and pruning: what goes, what stays, and that the rest still verifies."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import msgspec
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from gateway.audit import offline
from gateway.audit.event_types import EventType
from gateway.audit.evidence import export_evidence
from gateway.audit.holds import NotKept, end_hold, place_hold
from gateway.audit.journal import FileJournal
from gateway.audit.loader import Loader
from gateway.audit.models import AuditEvent, RequestRecord, Writer
from gateway.audit.retention import kept_days, prune, set_retention
from gateway.audit.sealing import heads_of_database, public_keys, seal
from gateway.audit.sealing_models import HoldSubject
from gateway.audit.services import record_event
from gateway.audit.tasks import prune_evidence
from gateway.audit.verify import verify

pytestmark = pytest.mark.django_db
DAY = 86_400.0
WHO = "system:test"
Write = Callable[[], None]


@pytest.fixture
def old_and_new(
    directory: Path, loader: Loader, journal: FileJournal, writing: ModuleType
) -> Iterator[FileJournal]:
    """Requests 1 to 4 are forty days old, 5 and 6 of today; all sealed. 2 is of another project,
    3 was sent for another person, the outcome of 4 comes after 5."""
    old, now = time.time() - 40 * DAY, time.time()
    for number in range(1, 7):
        record = writing.decision(number, at=(old if number < 5 else now) + number)
        if number == 2:
            record = msgspec.structs.replace(record, project="clinic")
        if number == 3:
            record = msgspec.structs.replace(record, on_behalf_of="user:3")
        journal.append(record)
        if number != 4:
            journal.append(writing.outcome(number, at=record.at + 1))
        if number == 5:
            journal.append(writing.outcome(4, at=now))
    loader.load()
    assert seal() is not None
    set_retention(actor=WHO, kind="requests", days=30)
    yield journal


def verified(directory: Path) -> tuple[str, ...]:
    return tuple(str(each) for each in verify(directory, heads=heads_of_database(keys())).breaks)


keys = public_keys


def left() -> list[int]:
    return [int(row.request_id[2:]) for row in RequestRecord.objects.order_by("seq")]


def test_what_is_old_goes_and_the_rest_verifies_here_and_elsewhere(
    old_and_new: FileJournal,
) -> None:
    [cut] = prune()
    assert left() == [4, 5, 6]  # the outcome of 4 stands after the cut
    assert (cut.records, cut.kept) == (3, 1)
    event = AuditEvent.objects.get(type=EventType.AUDIT_PRUNED)
    assert (event.actor, event.object_id) == ("system:retention", old_and_new.writer.id)
    assert (event.details["records"], event.details["days"]) == (3, 30)
    assert verified(old_and_new.directory) == ()
    seal()
    lines = list(export_evidence())
    assert offline.verify_export(lines, keys=keys()).breaks == []
    assert prune() == []


def test_the_task_prunes_and_a_journal_goes_on_behind_the_cut(
    old_and_new: FileJournal, loader: Loader, writing: ModuleType
) -> None:
    prune_evidence()
    old_and_new.append(writing.decision(7, at=time.time() + 9))
    loader.load()
    assert seal() is not None
    assert left() == [4, 5, 6, 7]
    assert verified(old_and_new.directory) == ()


@pytest.mark.parametrize(
    ("kind", "subject", "stays"),
    [
        (HoldSubject.PROJECT, "clinic", [2, 4, 5, 6]),
        (HoldSubject.PROJECT, "research", [1, 3, 4, 5, 6]),
        (HoldSubject.PERSON, "user:3", [3, 4, 5, 6]),
        (HoldSubject.PERSON, "user:1", [1, 2, 3, 4, 5, 6]),
    ],
)
def test_a_hold_keeps_what_it_names_until_it_ends(
    old_and_new: FileJournal, kind: HoldSubject, subject: str, stays: list[int]
) -> None:
    place_hold(actor=WHO, kind=kind, subject=subject, reason="a court asks")
    prune()
    assert left() == stays
    assert verified(old_and_new.directory) == ()
    seal()
    assert offline.verify_export(list(export_evidence()), keys=keys()).breaks == []
    end_hold(actor=WHO, kind=kind, subject=subject, reason="it is settled")
    types = AuditEvent.objects.filter(type__startswith="hold.").values_list("type", flat=True)
    assert list(types.order_by("seq")) == ["hold.placed", "hold.ended"]


def test_what_a_hold_kept_cannot_be_changed_or_taken_away_unseen(
    old_and_new: FileJournal,
) -> None:
    place_hold(actor=WHO, kind=HoldSubject.PROJECT, subject="clinic", reason="a court asks")
    prune()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM audit_requestrecord WHERE project = 'clinic'")
    [found] = verified(old_and_new.directory)
    assert old_and_new.writer.id in found


def test_a_beginning_that_was_cut_off_without_a_record_is_found(old_and_new: FileJournal) -> None:
    second = RequestRecord.objects.order_by("seq")[1]
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM audit_requestrecord WHERE seq = 1")
        cursor.execute(
            "UPDATE audit_writer SET first_seq = %s, base_hash = %s WHERE id = %s",
            [second.seq, second.prev_hash, old_and_new.writer.id],
        )
    assert verified(old_and_new.directory)
    assert offline.verify_export(list(export_evidence()), keys=keys()).breaks


def test_what_no_head_has_sealed_stays(
    directory: Path, loader: Loader, journal: FileJournal, writing: ModuleType
) -> None:
    journal.append(writing.decision(1, at=time.time() - 40 * DAY))
    journal.append(writing.outcome(1))
    loader.load()
    set_retention(actor=WHO, kind="requests", days=30)
    assert prune() == []
    assert left() == [1]


def test_a_chain_that_is_broken_is_not_cut_where_it_breaks(old_and_new: FileJournal) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE audit_requestrecord SET record = '' WHERE seq = 7")
    prune()
    assert 4 in left()
    assert verified(old_and_new.directory)


def test_events_are_pruned_by_a_rule_of_their_own_but_never_the_prune_records(
    old_and_new: FileJournal,
) -> None:
    prune()
    record_event(actor=WHO, type=EventType.USER_LOGGED_OUT, object_type="user", object_id="1")
    seal()
    set_retention(actor=WHO, kind="events", days=1)
    prune(now=timezone.now() + timedelta(days=3))
    seal()
    types = list(AuditEvent.objects.order_by("seq").values_list("type", flat=True))
    assert types.count("audit.pruned") >= 2
    assert "user.logged_out" not in types
    assert Writer.objects.get(pk="control").first_seq > 1
    assert verified(old_and_new.directory) == ()
    assert offline.verify_export(list(export_evidence()), keys=keys()).breaks == []


def test_a_rule_is_an_event_once_and_refuses_what_makes_no_sense() -> None:
    assert set_retention(actor=WHO, kind="requests", days=90)
    assert not set_retention(actor=WHO, kind="requests", days=90)
    assert kept_days("requests") == 90
    assert set_retention(actor=WHO, kind="requests", days=None)
    assert kept_days("requests") is None
    events = AuditEvent.objects.filter(type="retention.changed").order_by("seq")
    assert [each.details for each in events] == [
        {"before_days": None, "days": 90},
        {"before_days": 90, "days": None},
    ]
    with pytest.raises(NotKept):
        set_retention(actor=WHO, kind="requests", days=0)


def test_a_hold_needs_a_reason_and_is_placed_once() -> None:
    place = {"actor": WHO, "subject": "research"}
    with pytest.raises(NotKept, match="why"):
        place_hold(kind=HoldSubject.PROJECT, **place, reason=" ")
    with pytest.raises(NotKept, match="no hold"):
        end_hold(kind=HoldSubject.PROJECT, **place, reason="x")
    place_hold(kind=HoldSubject.PROJECT, **place, reason="a court asks")
    with pytest.raises(NotKept, match="already"):
        place_hold(kind=HoldSubject.PROJECT, **place, reason="again")


def test_the_commands_show_and_set_both(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("audit", "retention", "requests", "400")
    call_command("audit", "retention")
    call_command("audit", "hold", "--project", "research", "--reason", "a court asks")
    call_command("audit", "hold")
    said = capsys.readouterr().out
    assert "requests: 400 days" in said
    assert "project research since" in said
    call_command("audit", "hold", "--project", "research", "--reason", "settled", "--end")
    for wrong in (
        ("retention", "requests", "soon"),
        ("retention", "chats", "30"),
        ("hold", "--project", "x", "--end"),
    ):
        with pytest.raises(CommandError):
            call_command("audit", *wrong)
