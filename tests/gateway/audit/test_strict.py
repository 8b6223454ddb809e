"""Strict auditing: what may leave on_prem is in the database first."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import ModuleType

import pytest
from django.core.management import call_command
from django.db import connection

from gateway.audit.journal import FileJournal
from gateway.audit.left import what_left
from gateway.audit.loader import Loader
from gateway.audit.models import AuditEvent
from gateway.audit.records import DecisionRecord
from gateway.audit.sealing_models import CommittedDecision
from gateway.audit.strict import StrictCommits, reconcile
from gateway.audit.tasks import seal_chains
from gateway.audit.verify import verify
from gateway.protocol.errors import FailClosed
from tests.gateway.inference.conftest import House, house
from tests.gateway.inference.scenario import HELLO, play
from tests.gateway.providers.fault_server import FaultServer

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["house"]  # a fixture
CLOUD = {**HELLO, "model": "vendor"}


@pytest.fixture
def strict(house: House) -> Iterator[House]:
    """The path with strict auditing on a real database."""
    commits = StrictCommits(house.journal.writer.id)
    house.gateway.commits = commits
    yield house
    commits.close()


@contextmanager
def table_away() -> Iterator[None]:
    """The database answers, and refuses the commit."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_committeddecision RENAME TO away")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE away RENAME TO audit_committeddecision")


def test_a_request_for_the_cloud_waits_until_the_database_has_its_decision(
    strict: House,
) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        seen: list[int] = []
        real = house.gateway.commits
        assert real is not None
        commit = real.commit

        class Between:
            async def commit(self, record: DecisionRecord) -> None:
                await commit(record)
                seen.append(len(cloud.received))  # committed, and nothing sent so far

        house.gateway.commits = Between()
        await (await house.run(CLOUD)).aclose()
        assert seen == [0]
        assert len(cloud.received) == 1

    play(strict, scenario)
    row = CommittedDecision.objects.get()
    assert (row.decision_id, row.writer) == (strict.decisions()[0].id, strict.journal.writer.id)
    assert row.project == "lab"


def test_a_database_that_does_not_take_it_sends_nothing_out_and_serves_on_prem(
    strict: House,
) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        with pytest.raises(FailClosed) as refused:
            await house.run(CLOUD)
        assert (refused.value.status, refused.value.param) == (503, "journal")
        # A cloud server is among its candidates, so it waits as well.
        with pytest.raises(FailClosed):
            await house.run(HELLO)
        await (await house.run({**HELLO, "model": "private"})).aclose()
        assert cloud.received == []
        assert len(onprem.received) == 1

    with table_away():
        play(strict, scenario)
    assert [each.status for each in strict.outcomes()] == [503, 503, 200]


def test_what_waits_at_the_same_time_is_committed_together(writing: ModuleType) -> None:
    async def all_at_once(commits: StrictCommits) -> None:
        await asyncio.gather(*(commits.commit(writing.decision(n)) for n in range(300)))

    with closing(StrictCommits("writer")) as commits:
        asyncio.run(all_at_once(commits))
    assert CommittedDecision.objects.count() == 300


def commit(journal: FileJournal, writing: ModuleType, numbers: range, *, at: float) -> None:
    async def commit_all(commits: StrictCommits) -> None:
        for number in numbers:
            await commits.commit(writing.decision(number, at=at))

    with closing(StrictCommits(journal.writer.id)) as commits:
        asyncio.run(commit_all(commits))


def test_what_the_log_has_is_forgotten_and_what_it_lacks_is_told_once(
    journal: FileJournal, loader: Loader, writing: ModuleType, directory: Path
) -> None:
    hour_ago = time.time() - 3600
    commit(journal, writing, range(1, 4), at=hour_ago)
    for number in (1, 2):  # the journal lost the third
        journal.append(writing.decision(number, at=hour_ago))
        journal.append(writing.outcome(number))
    loader.load()
    assert what_left("research").unknown == 1
    seal_chains()
    assert reconcile() == 0
    [event] = AuditEvent.objects.filter(type="decision.unaccounted")
    assert event.object_id == writing.decision(3).id
    assert event.details["writer"] == journal.writer.id
    [row] = CommittedDecision.objects.all()
    assert event.details["record"] == row.digest
    assert what_left("research").unknown == 1
    assert verify(directory).breaks == ()


def test_what_is_on_its_way_is_not_missed_yet(journal: FileJournal, writing: ModuleType) -> None:
    commit(journal, writing, range(1, 3), at=time.time())
    assert reconcile() == 0
    assert CommittedDecision.objects.count() == 2


def test_the_answer_on_the_command_line_says_what_is_unknown(
    journal: FileJournal, writing: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(journal, writing, range(1, 3), at=time.time())
    call_command("audit", "left", "research")
    assert "2 more were allowed, and how they ended is not known" in capsys.readouterr().out
