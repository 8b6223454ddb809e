"""Search, and the one question: what left the house for a project since a date?"""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import msgspec
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from gateway.audit.journal import FileJournal
from gateway.audit.left import what_left
from gateway.audit.loader import Loader
from gateway.audit.models import AuditEvent
from gateway.audit.records import DecisionRecord, OutcomeRecord
from gateway.audit.search import NoSuchPage, Search, search

pytestmark = pytest.mark.django_db
START = datetime(2026, 3, 1, tzinfo=UTC)
IBAN = {"IBAN": 2}
CLAUDE = [["claude", "cloud", "ok"]]


class Log:
    """Requests a minute apart, numbered from 0."""

    def __init__(self, journal: FileJournal, loader: Loader, writing: ModuleType) -> None:
        self._journal, self._loader, self._writing = journal, loader, writing
        self.count = 0

    def request(self, ended: dict[str, Any] | None = None, **decision: Any) -> None:
        at = (START + timedelta(minutes=self.count)).timestamp()
        record: DecisionRecord = self._writing.decision(self.count, at=at)
        self._journal.append(msgspec.structs.replace(record, **decision))
        if ended is not None:
            outcome: OutcomeRecord = self._writing.outcome(self.count, at=at)
            self._journal.append(msgspec.structs.replace(outcome, **ended))
        self.count += 1

    def load(self) -> None:
        self._loader.load()


@pytest.fixture
def log(journal: FileJournal, loader: Loader, writing: ModuleType) -> Iterator[Log]:
    yield Log(journal, loader, writing)


def numbers(**conditions: Any) -> list[int]:
    return [int(row.request_id[2:]) for row in search(Search(**conditions)).rows]


@pytest.fixture
def varied(log: Log) -> Log:
    log.request({}, classes={}, categories=[])
    log.request({}, project="clinic", actor="user:2", classes=IBAN)
    log.request({"zone": "cloud", "deployment": "claude", "attempts": CLAUDE})
    log.request({"zone": "", "deployment": ""}, decision="denied", on_behalf_of="user:2")
    log.request(categories=["code", "health"], classes={"SOURCE_CODE": 1})
    log.load()
    return log


@pytest.mark.parametrize(
    ("conditions", "found"),
    [
        ({}, [4, 3, 2, 1, 0]),
        ({"projects": ("clinic",)}, [1]),
        ({"projects": ("clinic", "research")}, [4, 3, 2, 1, 0]),
        ({"actor": "user:2"}, [3, 1]),
        ({"zone": "cloud"}, [2]),
        ({"deployment": "claude"}, [2]),
        ({"decision": "denied"}, [3]),
        ({"category": "health"}, [4]),
        ({"category": "heal"}, []),
        ({"data_class": "IBAN"}, [3, 2, 1]),
        ({"data_class": "BAN"}, []),
        ({"since": START + timedelta(minutes=3)}, [4, 3]),
        ({"until": START + timedelta(minutes=3)}, [2, 1, 0]),
        ({"since": START + timedelta(minutes=1), "actor": "user:2", "decision": "denied"}, [3]),
        ({"category": "' OR 1=1 --"}, []),
    ],
)
def test_it_finds_what_meets_every_condition_newest_first(
    varied: Log, conditions: dict[str, Any], found: list[int]
) -> None:
    assert numbers(**conditions) == found


def test_pages_hold_every_request_once_while_others_come_in(log: Log) -> None:
    for _ in range(23):
        log.request({})
    log.load()
    seen: list[str] = []
    after = ""
    while True:
        page = search(Search(), after=after, limit=5)
        seen += [row.request_id for row in page.rows]
        log.request({})
        log.load()
        after = page.next
        if not after:
            break
    assert seen == [f"r-{number}" for number in range(22, -1, -1)]


@pytest.mark.parametrize("after", ["x", "1", "-1-1", "99999999999999999-1", "1-1; DROP TABLE"])
def test_a_cursor_that_no_page_gave_is_refused_or_empty(varied: Log, after: str) -> None:
    try:
        page = search(Search(), after=after)
    except NoSuchPage as error:
        assert after not in str(error)
    else:
        assert after[0] == "9"
        assert page.rows


@pytest.mark.parametrize(
    "conditions",
    [{}, {"projects": ("clinic",)}, {"category": "health"}, {"zone": "cloud", "actor": "user:2"}],
)
def test_conditions_are_judged_in_the_narrow_index_alone(
    varied: Log, conditions: dict[str, Any]
) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL chooses by what the table holds")
    with CaptureQueriesContext(connection) as asked:
        search(Search(**conditions))
    [query] = [each["sql"] for each in asked if each["sql"].startswith("SELECT id")]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {query}")
        plan = " ".join(str(row) for row in cursor.fetchall())
    assert "USING COVERING INDEX audit_request_search" in plan
    assert "TEMP B-TREE" not in plan


def test_the_command_prints_lines_and_what_asks_for_the_next_page(
    varied: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("audit", "search", "--limit", "2")
    first, _, cursor = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert first["project"] == "research"
    call_command("audit", "search", "--limit", "3", "--after", cursor["next"])
    assert len(capsys.readouterr().out.splitlines()) == 3
    event = AuditEvent.objects.filter(type="audit.searched").order_by("seq")[0]
    assert event.details["question"] == "search"
    with pytest.raises(CommandError, match="leave the cursor out"):
        call_command("audit", "search", "--after", "nonsense")


def test_what_left_counts_what_was_sent_whatever_came_of_it(log: Log) -> None:
    failed = [["claude", "cloud", "http_500"], ["llama", "on_prem", "ok"]]
    unsent = [["claude", "cloud", "connect_failed"], ["llama", "on_prem", "ok"]]
    both = [["azure", "private_cloud", "http_429"], ["claude", "cloud", "ok"]]
    log.request({"attempts": CLAUDE, "zone": "cloud"}, classes=IBAN)
    log.request({"attempts": failed})
    log.request({"attempts": both, "zone": "cloud", "masked": 3})
    log.request({"attempts": unsent})
    log.request({})
    log.request({"attempts": CLAUDE}, project="clinic")
    log.request(None)  # in flight: nobody knows yet
    log.request({"attempts": []}, decision="denied")
    log.load()
    answer = what_left("research", vendors={"claude": "acme"})
    assert (answer.requests, answer.masked, answer.unmasked, answer.unknown) == (3, 1, 2, 1)
    assert answer.zones == {"cloud": 3, "private_cloud": 1}
    assert answer.deployments == {"claude": 3, "azure": 1}
    assert answer.vendors == {"acme": 3, "unknown": 1}
    assert answer.classes["IBAN"] == 4  # two of the first, one of each other
    since = what_left("research", since=START + timedelta(minutes=2))
    assert (since.requests, since.unknown) == (1, 1)
    assert what_left("research", until=START + timedelta(minutes=1)).requests == 1


def test_the_question_has_one_answer_on_the_command_line_and_is_itself_recorded(
    log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    log.request({"attempts": CLAUDE, "zone": "cloud"})
    log.load()
    call_command("audit", "left", "research", "--since", "2026-03-01")
    said = capsys.readouterr().out
    assert "1 requests of research left the house since 2026-03-01T00:00:00Z" in said
    assert "deployments: claude 1" in said
    [event] = AuditEvent.objects.filter(type="audit.searched")
    assert event.details["question"] == "left"
    assert time.time() - event.at.timestamp() < 60
