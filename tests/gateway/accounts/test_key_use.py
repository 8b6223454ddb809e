"""When a key was used last: from the journal, in batches, at most once a minute."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from gateway.accounts.key_use import EVERY, KeyUse
from gateway.accounts.models import APIKey
from gateway.accounts.roles import Role
from gateway.accounts.services import create_api_key
from gateway.audit.journal import FileJournal
from gateway.audit.loader import Loader
from gateway.audit.records import DecisionRecord
from tests.support.world import SETUP, project_with

pytestmark = pytest.mark.django_db
AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def decision(prefix: str, number: int, at: datetime) -> DecisionRecord:
    return DecisionRecord(
        id=f"dec_{number}",
        request_id=f"req_{number}",
        at=at.timestamp(),
        project="research",
        actor="user:1",
        key_prefix=prefix,
        endpoint="chat.completions",
        alias="auto",
        digest="0" * 64,
        sensitivity="internal",
        decision="allowed",
        revision="1" * 64,
    )


def key() -> APIKey:
    project, people = project_with("research", ada=Role.MEMBER)
    return create_api_key(by=SETUP, project=project, name="k", owner=people["ada"]).key


def test_the_loader_brings_it_from_the_journal(tmp_path: Path) -> None:
    made = key()
    directory = tmp_path / "journal"
    with closing(FileJournal(directory, reopen_after_s=0)) as journal:
        for number in range(3):
            journal.append(decision(made.prefix, number, AT + timedelta(seconds=number)))
    loader = Loader(directory)
    assert loader.lease.acquire()
    loader.load()
    loader.lease.release()
    made.refresh_from_db()
    assert made.last_used_at == AT + timedelta(seconds=2)


def test_a_busy_key_costs_a_statement_a_minute_and_never_goes_back() -> None:
    made, sink = key(), KeyUse()

    class Entry:
        def __init__(self, at: datetime) -> None:
            self.record = decision(made.prefix, 1, at)

    with CaptureQueriesContext(
        connection,
    ) as queries:
        for seconds in range(59):
            sink.loaded("w", [Entry(AT + timedelta(seconds=seconds))] * 100)  # type: ignore[list-item]
    assert len(queries) == 1
    sink.loaded("w", [Entry(AT + EVERY)])  # type: ignore[list-item]
    KeyUse().loaded("another loader", [Entry(AT)])  # type: ignore[list-item]
    made.refresh_from_db()
    assert made.last_used_at == AT + EVERY
