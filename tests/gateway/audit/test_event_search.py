"""Who changed what, and when: filters, pages, their index, and the commands."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from gateway.audit import event_search
from gateway.audit.event_search import INDEX, EventSearch, found_events, search_events
from gateway.audit.event_types import EventType
from gateway.audit.models import AuditEvent
from gateway.audit.search import NoSuchPage
from gateway.audit.services import record_event

pytestmark = pytest.mark.django_db
START = datetime(2026, 3, 1, tzinfo=UTC)
ADA, BEN = "user:ada", "user:ben"


def change(number: int, type: EventType, actor: str, what: str, project: str = "") -> None:
    kind, _, which = what.partition(":")
    at = START + timedelta(minutes=number)
    with patch("django.utils.timezone.now", return_value=at):
        record_event(actor=actor, type=type, object_type=kind, object_id=which, project=project)


@pytest.fixture
def changes() -> None:
    change(0, EventType.KEY_REVOKED, ADA, "key:k1", "research")
    change(1, EventType.DEPLOYMENT_ENABLED, ADA, "deployment:d1")
    change(2, EventType.KEY_REVOKED, BEN, "key:k2", "clinic")
    change(3, EventType.MEMBER_REMOVED, BEN, "user:ada", "research")
    change(4, EventType.DEPLOYMENT_DISABLED, BEN, "deployment:d1")


def numbers(**conditions: Any) -> list[int]:
    rows = search_events(EventSearch(**conditions)).rows
    return [int((row.at - START).total_seconds()) // 60 for row in rows]


@pytest.mark.parametrize(
    ("conditions", "found"),
    [
        ({}, [4, 3, 2, 1, 0]),
        ({"actor": ADA}, [1, 0]),
        ({"projects": ("research",)}, [3, 0]),
        ({"projects": ("research", "clinic")}, [3, 2, 0]),
        ({"types": ("key.revoked",)}, [2, 0]),
        ({"types": ("key.revoked", "member.removed")}, [3, 2, 0]),
        ({"object_type": "deployment"}, [4, 1]),
        ({"object_type": "deployment", "object_id": "d1", "actor": BEN}, [4]),
        ({"object_id": "ada"}, [3]),
        ({"since": START + timedelta(minutes=3)}, [4, 3]),
        ({"until": START + timedelta(minutes=1)}, [0]),
        ({"actor": "user:ad"}, []),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, list | dict) else None,
)
def test_conditions_narrow(changes: None, conditions: dict[str, Any], found: list[int]) -> None:
    assert numbers(**conditions) == found


def test_pages_follow_each_other_while_new_changes_come(changes: None) -> None:
    first = search_events(EventSearch(), limit=2)
    change(5, EventType.KEY_REVOKED, ADA, "key:k3")
    second = search_events(EventSearch(), after=first.next, limit=2)
    third = search_events(EventSearch(), after=second.next, limit=2)
    seqs = [row.seq for page in (first, second, third) for row in page.rows]
    assert len(seqs) == 5
    assert seqs == sorted(seqs, reverse=True)
    assert third.next == ""


def test_all_that_is_found_comes_in_pages(changes: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_search, "MOST_ROWS", 2)
    assert [row.type for row in found_events(EventSearch(actor=BEN))] == [
        "deployment.disabled",
        "member.removed",
        "key.revoked",
    ]


@pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "9" * 30, "٣"])
def test_a_cursor_that_no_page_gave_is_refused(cursor: str) -> None:
    with pytest.raises(NoSuchPage):
        search_events(EventSearch(), after=cursor)


def test_it_is_answered_from_the_index_alone(changes: None) -> None:
    wanted = EventSearch(
        projects=("research",), actor=ADA, types=("key.revoked",), object_type="key", since=START
    )
    with CaptureQueriesContext(connection) as queries:
        search_events(wanted)
    sql = queries[-2]["sql"]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":  # which chooses by how many rows there are
            cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = %s", [INDEX])
            [(made,)] = cursor.fetchall()
            assert "INCLUDE (at, type, project, actor, object_type, object_id)" in made
            return
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        plan = " ".join(str(part) for row in cursor.fetchall() for part in row)
    assert f"COVERING INDEX {INDEX}" in plan


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    call_command("audit", *words)
    return capsys.readouterr().out


def test_the_command_searches_and_says_that_it_was_asked(
    changes: None, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("search", "--kind", "events", "--type", "key.revoked", "--limit", "1")
    lines = [json.loads(line) for line in said(capsys, *words).splitlines()]
    assert [line.get("object_id") for line in lines] == ["k2", None]
    assert set(lines[0]) >= {"at", "actor", "type", "project", "details"}
    more = said(capsys, *words, "--after", lines[1]["next"])
    assert [json.loads(line)["object_id"] for line in more.splitlines()] == ["k1"]
    asked = AuditEvent.objects.filter(type="audit.searched").latest("seq")
    assert asked.details["question"] == "events"
    assert asked.details["conditions"] == ["types"]


def test_the_export_takes_the_same_conditions(
    changes: None, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("export", "--kind", "events", "--actor", BEN, "--object", "deployment:d1")
    [line] = said(capsys, *words).splitlines()
    assert json.loads(line)["event"]["type"] == "deployment.disabled"
    table = list(csv.DictReader(io.StringIO(said(capsys, *words, "--format", "csv"))))
    assert [(row["type"], row["actor"]) for row in table] == [("deployment.disabled", BEN)]
    told = AuditEvent.objects.filter(type="audit.exported").latest("seq")
    assert told.details["conditions"] == ["actor", "object_type", "object_id"]


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (("search", "--kind", "events", "--type", "key.broken"), "key.broken"),
        (("search", "--kind", "events", "--zone", "cloud"), "zone"),
        (("search", "--type", "key.revoked"), "--kind events"),
        (("search", "--object", "key"), "--kind events"),
        (("search", "--kind", "events", "--after", "x"), "no page"),
        (("export", "--actor", ADA), "--kind events"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else None,
)
def test_what_makes_no_sense_is_refused_by_name(words: tuple[str, ...], match: str) -> None:
    with pytest.raises(CommandError, match=match):
        call_command("audit", *words)


def test_the_index_is_there_after_all_migrations() -> None:
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, "audit_auditevent")
    assert INDEX in found
