"""Kept prompts and answers: encrypted, for some days, and gone afterwards."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from gateway.accounts.models import Project, User
from gateway.accounts.roles import Role
from gateway.audit.holds import end_hold, place_hold
from gateway.audit.models import AuditEvent
from gateway.audit.records import DecisionRecord
from gateway.audit.sealing_models import HoldSubject
from gateway.content import keeper
from gateway.content.keeper import ContentKeeper
from gateway.content.keys import Erased, destroy_keys
from gateway.content.models import ErasureKey, KeptContent, KeyScope
from gateway.content.services import (
    NothingKept,
    erase_person,
    keep_content,
    read_content,
    sweep,
)
from gateway.content.tasks import sweep_content
from gateway.inference.kept import MOST_BYTES, Kept
from gateway.snapshot.build import Builder
from tests.gateway.inference.conftest import House, house
from tests.gateway.inference.scenario import STREAM, drain, play
from tests.gateway.providers.fault_server import FaultServer
from tests.support.world import SETUP, project_with

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["house"]  # a fixture
SAID = "the heron waits at the weir"
ASK = {"model": "house-first", "messages": [{"role": "user", "content": SAID}]}


@pytest.fixture
def project() -> tuple[Project, dict[str, User]]:
    """The project `lab` keeps content for 30 days."""
    made, people = project_with("lab", owner=Role.OWNER, member=Role.MEMBER, auditor=Role.AUDITOR)
    keep_content(by=SETUP, project=made, days=30)
    return made, people


@contextmanager
def keeping(house: House, *, on: bool = True) -> Iterator[House]:
    """The path with a keeper; at the end it has stored what waited."""
    contents = ContentKeeper()
    house.gateway.contents = contents
    yield house
    contents.close()


async def ask(house: House, body: object, *, keeps: bool = True) -> bytes:
    snapshot = house.snapshots.snapshot
    assert snapshot is not None
    view = replace(snapshot.projects["lab"], keeps_content=keeps)
    house.change(projects={"lab": view})
    return await drain(await house.run(body))


def everything_in_the_database() -> bytes:
    """Of SQLite, whose files can be read; whatever it has not overwritten counts."""
    if connection.vendor != "sqlite":
        pytest.skip("the files of PostgreSQL are its own")
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    path = Path(settings.DATABASES["default"]["NAME"])
    return b"".join(each.read_bytes() for each in path.parent.glob(f"{path.name}*"))


@pytest.mark.parametrize("body", [ASK, {**ASK, "stream": True}])
def test_what_was_asked_and_answered_is_kept_for_its_auditors_alone(
    house: House, project: tuple[Project, dict[str, User]], body: dict[str, object]
) -> None:
    answers = []

    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        answers.append(await ask(house, body))

    with keeping(house):
        play(house, scenario)
    _, people = project
    row = KeptContent.objects.get()
    assert row.decision_id == house.decisions()[0].id
    assert (row.person, row.whole) == ("user:1", True)
    assert row.expires_at - row.at == timedelta(days=30)
    for nobody in (people["member"],):
        with pytest.raises(PermissionDenied):
            read_content(by=nobody, decision_id=row.pk)
    found = read_content(by=people["auditor"], decision_id=row.pk)
    assert SAID.encode() in found.request
    assert found.answer == answers[0]
    [event] = AuditEvent.objects.filter(type="content.read")
    assert (event.actor, event.object_id) == (f"user:{people['auditor'].pk}", row.pk)
    assert SAID.encode() not in everything_in_the_database()
    assert all(
        SAID.encode() not in path.read_bytes() for path in house.journal_dir.rglob("*.jsonl")
    )


def test_a_project_that_keeps_nothing_keeps_nothing(
    house: House, project: tuple[Project, dict[str, User]]
) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        await ask(house, ASK, keeps=False)

    with keeping(house):
        play(house, scenario)
    assert not KeptContent.objects.exists()


def test_a_rule_that_ended_meanwhile_counts_for_what_waits(
    house: House, project: tuple[Project, dict[str, User]]
) -> None:
    keep_content(by=SETUP, project=project[0], days=None)

    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        await ask(house, STREAM)

    with keeping(house):
        play(house, scenario)
    assert not KeptContent.objects.exists()


def test_the_snapshot_says_which_projects_keep_content(
    project: tuple[Project, dict[str, User]],
) -> None:
    project_with("other")
    builder = Builder()
    before = builder.build()
    assert before.projects["lab"].keeps_content
    assert not before.projects["other"].keeps_content
    keep_content(by=SETUP, project=project[0], days=None)
    after = builder.build()
    assert after.version > before.version
    assert not after.projects["lab"].keeps_content


def kept_of(
    number: int = 1, *, person: str = "user:1", request: bytes = b"", at: float = 0
) -> None:
    """Store one exchange as the keeper does."""
    record = DecisionRecord(
        id=f"dec_{number}",
        request_id="req",
        at=at or timezone.now().timestamp(),
        project="lab",
        actor=person,
        endpoint="chat.completions",
        alias="auto",
        digest="0",
        sensitivity="internal",
        decision="allowed",
        revision="1",
    )
    keeper.store([(record, Kept(request or SAID.encode()))])


def test_after_its_days_it_is_gone_for_real_and_an_event_says_so(
    project: tuple[Project, dict[str, User]],
) -> None:
    kept_of(1)
    kept_of(2, at=(timezone.now() - timedelta(days=31)).timestamp())
    cipher_text = bytes(KeptContent.objects.get(pk="dec_2").sealed)
    assert cipher_text in everything_in_the_database()
    with pytest.raises(NothingKept):  # past its day it is not shown, deleted or not
        read_content(by=SETUP, decision_id="dec_2")
    sweep_content()
    assert list(KeptContent.objects.values_list("pk", flat=True)) == ["dec_1"]
    assert cipher_text not in everything_in_the_database()
    [event] = AuditEvent.objects.filter(type="content.deleted")
    assert (event.project, event.details) == ("lab", {"count": 1, "reason": "expired"})
    assert sweep() == 0


def test_fewer_days_count_for_what_is_there_and_none_deletes_it(
    project: tuple[Project, dict[str, User]],
) -> None:
    kept_of(1, at=(timezone.now() - timedelta(days=10)).timestamp())
    kept_of(2)
    keep_content(by=SETUP, project=project[0], days=7)
    sweep()
    assert list(KeptContent.objects.values_list("pk", flat=True)) == ["dec_2"]
    keep_content(by=SETUP, project=project[0], days=None)
    assert not KeptContent.objects.exists()
    changes = AuditEvent.objects.filter(type="content_rule.changed").order_by("seq")
    assert [each.details["days"] for each in changes] == [30, 7, None]


def test_a_legal_hold_keeps_it_longer(project: tuple[Project, dict[str, User]]) -> None:
    kept_of(1, at=(timezone.now() - timedelta(days=31)).timestamp())
    place_hold(
        actor="system:test", kind=HoldSubject.PERSON, subject="user:1", reason="a court asks"
    )
    assert sweep() == 0
    assert KeptContent.objects.exists()


def test_what_a_hold_keeps_past_its_day_can_be_read_and_the_command_says_that_it_stays(
    project: tuple[Project, dict[str, User]], capsys: pytest.CaptureFixture[str]
) -> None:
    _, people = project
    kept_of(1)
    place_hold(actor="system:test", kind=HoldSubject.PROJECT, subject="lab", reason="a court asks")
    call_command("privacy", "keep", "lab", "nothing")
    assert "A legal hold on the project lab keeps this: a court asks" in capsys.readouterr().err
    assert SAID.encode() in read_content(by=people["auditor"], decision_id="dec_1").request
    end_hold(actor="system:test", kind=HoldSubject.PROJECT, subject="lab", reason="settled")
    with pytest.raises(NothingKept):
        read_content(by=people["auditor"], decision_id="dec_1")
    assert sweep() == 1


@pytest.mark.parametrize("scope", [KeyScope.PROJECT, KeyScope.PERSON])
def test_without_either_key_nobody_reads_it_again(
    project: tuple[Project, dict[str, User]], scope: KeyScope
) -> None:
    kept_of(1)
    subject = str(project[0].pk) if scope is KeyScope.PROJECT else "user:1"
    assert destroy_keys(scope, [subject]) == 1
    with pytest.raises(Erased):
        read_content(by=SETUP, decision_id="dec_1")
    kept_of(2)  # a new key is made, and opens nothing older
    read_content(by=SETUP, decision_id="dec_2")
    with pytest.raises(Erased):
        read_content(by=SETUP, decision_id="dec_1")


def test_a_text_opens_nowhere_but_in_its_own_row(
    project: tuple[Project, dict[str, User]],
) -> None:
    kept_of(1)
    kept_of(2)
    first, second = KeptContent.objects.order_by("pk")
    KeptContent.objects.filter(pk=second.pk).update(sealed=bytes(first.sealed))
    with pytest.raises(Erased):
        read_content(by=SETUP, decision_id="dec_2")


def test_erasing_a_person_leaves_others(project: tuple[Project, dict[str, User]]) -> None:
    kept_of(1)
    kept_of(2, person="user:2")
    assert erase_person("user:1") == (1, 1)
    assert SAID.encode() in read_content(by=SETUP, decision_id="dec_2").request
    assert set(ErasureKey.objects.values_list("subject", flat=True)) == {
        "user:2",
        str(project[0].pk),
    }


def test_a_database_that_is_away_for_a_moment_loses_nothing(
    house: House, project: tuple[Project, dict[str, User]], caplog: pytest.LogCaptureFixture
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE content_keptcontent RENAME TO away")

    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        await ask(house, ASK)

    with keeping(house):
        play(house, scenario)
        pause = threading.Event()
        while "cannot be kept now" not in caplog.text:
            pause.wait(0.02)
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE away RENAME TO content_keptcontent")
    assert KeptContent.objects.count() == 1
    assert SAID not in caplog.text


def test_what_is_too_much_is_dropped_and_counted(
    monkeypatch: pytest.MonkeyPatch, project: tuple[Project, dict[str, User]]
) -> None:
    monkeypatch.setattr(keeper, "MOST_WAITING", 0)
    lost: list[int] = []
    contents = ContentKeeper(lost=lost.append)
    record = DecisionRecord(
        id="d",
        request_id="r",
        at=0,
        project="lab",
        actor="user:1",
        endpoint="e",
        alias="a",
        digest="0",
        sensitivity="internal",
        decision="allowed",
        revision="1",
    )
    contents.keep(record, Kept(b"x"))
    contents.close()
    assert lost == [1]


def test_what_is_very_long_is_kept_in_part_and_says_so() -> None:
    kept = Kept(b"x" * (MOST_BYTES + 1))
    assert (len(kept.request), kept.whole) == (MOST_BYTES, False)
    other = Kept(b"x")
    other.add(b"y" * MOST_BYTES)
    assert other.whole
    other.add(b"z")
    assert (len(other.answer), other.whole) == (MOST_BYTES, False)


def test_who_may_have_a_project_keep_content(project: tuple[Project, dict[str, User]]) -> None:
    made, people = project
    keep_content(by=people["owner"], project=made, days=3)
    with pytest.raises(PermissionDenied):
        keep_content(by=people["member"], project=made, days=3)
    for days in (0, 100_000):
        with pytest.raises(ValueError, match="content is kept for"):
            keep_content(by=people["owner"], project=made, days=days)


def test_the_command_keeps_and_shows(
    project: tuple[Project, dict[str, User]], capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("privacy", "keep", "lab", "5")
    kept_of(1)
    call_command("privacy", "show", "dec_1")
    assert SAID in capsys.readouterr().out
    call_command("privacy", "keep", "lab", "nothing")
    for wrong in (("show", "dec_1"), ("keep", "lab", "soon"), ("keep", "lab", "0")):
        with pytest.raises(CommandError):
            call_command("privacy", *wrong)
