"""A day's sums: what left, stayed and went nowhere, told from what was recorded of attempts."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import msgspec
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from gateway.audit.days import Day, Fate, Refused, day_between
from gateway.audit.journal import FileJournal
from gateway.audit.loader import Loader
from gateway.audit.serving import served_since

pytestmark = pytest.mark.django_db
START = datetime(2026, 3, 1, tzinfo=UTC)
CLAUDE = ["claude", "cloud", "ok"]
LLAMA = ["llama", "on_prem", "ok"]


class Log:
    """Requests, each at an hour of the day."""

    def __init__(self, journal: FileJournal, loader: Loader, writing: ModuleType) -> None:
        self._journal, self._loader, self._writing = journal, loader, writing
        self._count = 0

    def request(self, hour: float, ended: dict[str, Any] | None = None, **decision: Any) -> None:
        at = (START + timedelta(hours=hour)).timestamp()
        record = self._writing.decision(self._count, at=at)
        self._journal.append(msgspec.structs.replace(record, **decision))
        if ended is not None:
            outcome = self._writing.outcome(self._count, at=at)
            self._journal.append(msgspec.structs.replace(outcome, **ended))
        self._count += 1

    def day(self, *projects: str) -> Day:
        self._loader.load()
        return day_between(projects or None, START, START + timedelta(days=1))


@pytest.fixture
def log(journal: FileJournal, loader: Loader, writing: ModuleType) -> Iterator[Log]:
    yield Log(journal, loader, writing)


def in_cloud(*attempts: list[str], **ended: Any) -> dict[str, Any]:
    return {"zone": "cloud", "deployment": "claude", "attempts": [*attempts, CLAUDE], **ended}


def test_every_request_has_one_fate_and_one_hour(log: Log) -> None:
    log.request(0.1, {})
    log.request(8.2, in_cloud())
    log.request(8.9, in_cloud(masked=2), masked=2, classes={"EMAIL_ADDRESS": 2})
    log.request(9.0, {"zone": "", "deployment": "", "attempts": []}, decision="denied")
    log.request(9.5)  # under way, or its process died
    log.request(24.0, {})  # the next day
    day = log.day()
    assert {hour.hour: dict(fates) for hour, fates in day.hours.items()} == {
        0: {Fate.STAYED: 1},
        8: {Fate.CLOUD: 1, Fate.MASKED: 1},
        9: {Fate.BLOCKED: 1, Fate.UNKNOWN: 1},
    }
    assert (day.requests, day.left, day.masked) == (5, 2, 2)
    assert day.classes == {"EMAIL_ADDRESS": 2}
    assert day.left_as == {"confidential": 2}


def test_what_a_vendor_failed_on_has_left_though_it_was_answered_inside(log: Log) -> None:
    failed = ["claude", "cloud", "http_500"]
    log.request(1, {"attempts": [failed, LLAMA]})
    log.request(1, {"attempts": [failed, LLAMA]}, masked=3)
    log.request(1, {"attempts": [failed], "zone": "", "deployment": "", "status": 503})
    # Nothing was written to a connection: it never left.
    log.request(1, {"attempts": [["claude", "cloud", "connect_failed"], LLAMA]})
    # A deployment that is called cloud is none.
    log.request(1, {"attempts": [["cloud", "on_prem", "ok"]], "deployment": "cloud"})
    day = log.day()
    assert +day.fates == {Fate.CLOUD: 2, Fate.MASKED: 1, Fate.STAYED: 2}
    assert day.masked == 3


def test_refusals_are_told_by_what_dropped_the_candidates(log: Log) -> None:
    ended = {"zone": "", "deployment": "", "attempts": [], "status": 403}
    off = ["gpt", "cloud", "disabled", ""]
    rule = ["claude", "cloud", "rule_deny", "organisation:no-secrets"]
    denied = {"decision": "denied", "reason": "policy_denied"}
    log.request(1, ended, dropped=[off, rule], **denied)
    log.request(2, ended, dropped=[rule], **denied)
    log.request(3, ended, dropped=[["claude", "cloud", "category", ""]], **denied)
    log.request(4, ended, decision="refused", reason="rate_limited", dropped=[])
    assert log.day().refused == {
        Refused("policy_denied", "rule_deny", "organisation:no-secrets"): 2,
        Refused("policy_denied", "category"): 1,
        Refused("rate_limited"): 1,
    }


def test_a_day_is_of_the_projects_that_are_named(log: Log) -> None:
    log.request(1, {})
    log.request(1, in_cloud(), project="clinic")
    assert log.day("clinic").fates == {Fate.CLOUD: 1}
    assert log.day("clinic", "research").requests == 2
    assert log.day("none").requests == 0
    assert day_between([], START, START + timedelta(days=1)).requests == 0


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="the plan is SQLite's")
def test_sums_read_the_index_and_no_row(log: Log) -> None:
    log.request(1, {})
    with CaptureQueriesContext(connection) as captured:
        log.day("research")
    asked = [query["sql"] for query in captured.captured_queries]
    [grouped] = [sql for sql in asked if "GROUP BY" in sql]
    [left] = [sql for sql in asked if sql.startswith("SELECT") and "instr(" in sql]
    for sql, index in (
        (grouped, "USING COVERING INDEX audit_request_search"),
        (left, "USING INDEX audit_request_elsewhere"),
    ):
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            assert index in str(cursor.fetchall())


def test_what_deployments_did_lately_counts_every_attempt(log: Log) -> None:
    log.request(1, in_cloud(["llama", "on_prem", "timeout"], first_byte_ms=400))
    log.request(2, in_cloud(first_byte_ms=200))
    log.request(3, {"attempts": [["llama", "on_prem", "http_500"]], "deployment": "", "zone": ""})
    log.day()
    found = served_since(START)
    assert (found["llama"].attempts, found["llama"].failed, found["llama"].last) == (
        2,
        2,
        "http_500",
    )
    assert (found["claude"].failed_percent, found["claude"].first_byte_s) == (0, 0.3)
    assert served_since(START + timedelta(hours=4)) == {}
