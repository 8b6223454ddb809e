"""Control-plane events: chained, in the transaction of the change, content-free."""

from pathlib import Path

import msgspec
import pytest
from django.db import connection, transaction

from gateway.audit import chain
from gateway.audit.event_types import EventType
from gateway.audit.models import AppendOnlyError, AuditEvent, RequestRecord, Writer
from gateway.audit.registry import EVENTS
from gateway.audit.services import record_event
from gateway.audit.verify import verify

pytestmark = pytest.mark.django_db


def stop_egress(reason: str = "drill") -> AuditEvent:
    return record_event(
        actor="user:7",
        type=EventType.EGRESS_STOPPED,
        object_type="organisation",
        object_id="1",
        details={"reason": reason},
        project="research",
    )


def test_an_event_is_chained_and_says_who_did_what_to_which() -> None:
    first, second = stop_egress("one"), stop_egress("two")
    row = AuditEvent.objects.get(pk=second.pk)
    assert (row.actor, row.type, row.project) == ("user:7", "egress.stopped", "research")
    assert (row.object_type, row.object_id, row.details) == ("organisation", "1", {"reason": "two"})
    assert row.at.tzinfo is not None
    assert (first.seq, first.prev_hash) == (1, chain.genesis("control"))
    assert (second.seq, second.prev_hash) == (2, first.hash)
    assert second.hash == chain.link(first.hash, 2, row.body.encode())
    assert verify(None).breaks == ()


def test_an_event_goes_with_the_change_that_is_rolled_back() -> None:
    stop_egress()

    def change() -> None:
        with transaction.atomic():
            stop_egress()
            raise LookupError

    with pytest.raises(LookupError):
        change()
    after = stop_egress()
    assert after.seq == 2
    assert verify(None).breaks == ()


@pytest.mark.parametrize(
    "details",
    [
        {"prompt": "hello"},
        {"reason": "x" * 501},
        {"reason": {"nested": "x"}},
        {"reason": [["x"]]},
        {"reason": 1.5},
    ],
)
def test_details_outside_the_allow_list_are_refused_without_being_quoted(
    details: dict[str, str],
) -> None:
    with pytest.raises(ValueError, match=r"detail") as caught:
        record_event(
            actor="user:7",
            type=EventType.EGRESS_STOPPED,
            object_type="organisation",
            object_id="1",
            details=details,
        )
    assert "hello" not in str(caught.value)
    assert "xx" not in str(caught.value)
    assert not AuditEvent.objects.exists()


def test_an_actor_is_a_kind_and_an_id() -> None:
    with pytest.raises(ValueError, match="actor"):
        record_event(actor="Ann", type=EventType.USER_LOGGED_IN, object_type="user", object_id="7")


def test_every_event_type_is_described_and_named_object_participle() -> None:
    assert set(EVENTS) == set(EventType)
    for type_, spec in EVENTS.items():
        assert spec.description.endswith("."), type_
        assert type_.value.count(".") == 1, type_
        assert type_.value.replace(".", "").replace("_", "").islower(), type_
        assert not {"text", "prompt", "password", "secret", "value"} & spec.details, type_


def test_evidence_is_never_changed_or_deleted_through_the_orm() -> None:
    event = stop_egress()
    event.actor = "user:8"
    for forbidden in (
        event.save,
        event.delete,
        AuditEvent.objects.all().delete,
        lambda: AuditEvent.objects.update(actor="user:8"),
        lambda: AuditEvent.objects.bulk_update([event], ["actor"]),
        lambda: RequestRecord.objects.filter(project="x").delete(),
        lambda: Writer.objects.get(pk="control").requests.all().delete(),
    ):
        with pytest.raises(AppendOnlyError):
            forbidden()
    assert AuditEvent.objects.get().actor == "user:7"


def test_text_that_a_database_refuses_is_stored_and_verifies() -> None:
    event = stop_egress("a\0b \\u0000 ü")
    row = AuditEvent.objects.get(pk=event.pk)
    assert "\0" not in row.body
    assert row.details["reason"].startswith("a\ufffdb")
    assert msgspec.json.decode(row.body)["details"] == row.details
    assert verify(None).breaks == ()


@pytest.mark.parametrize("how", ["altered", "dropped", "swapped", "cut", "column"])
def test_a_tampered_event_is_found_and_named(how: str, tmp_path: Path) -> None:
    for number in range(5):
        stop_egress(str(number))
    match how:
        case "altered":
            _sql(
                "UPDATE audit_auditevent SET body = REPLACE(body, 'user:7', 'user:8') WHERE seq = 3"
            )
        case "dropped":
            _sql("DELETE FROM audit_auditevent WHERE seq = 3")
        case "swapped":
            _sql("UPDATE audit_auditevent SET seq = 99 WHERE seq = 3")
            _sql("UPDATE audit_auditevent SET seq = 3 WHERE seq = 4")
            _sql("UPDATE audit_auditevent SET seq = 4 WHERE seq = 99")
        case "cut":
            _sql("DELETE FROM audit_auditevent WHERE seq = 5")
        case "column":
            _sql("UPDATE audit_auditevent SET actor = 'user:8' WHERE seq = 3")
    [found] = verify(tmp_path).breaks
    assert found.writer == "control"
    wanted = {"dropped": "event 4", "cut": "record 5"}.get(how, "event 3")
    assert found.where == wanted


def _sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        assert cursor.rowcount == 1
