"""`manage.py doctor`: a sound house passes; whatever is wrong is named with what to do."""

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django.fixtures import Settings

from gateway.audit.anchors import anchor_heads
from gateway.audit.event_types import EventType
from gateway.audit.journal import FileJournal
from gateway.audit.loader import Loader
from gateway.audit.records import DecisionRecord
from gateway.audit.sealing import seal
from gateway.audit.services import record_event
from gateway.deployments.models import Deployment
from gateway.inference.path import Gateway
from gateway.operations.doctor.controls import controls
from gateway.operations.doctor.findings import Level
from policies.classification.analyser import Analyser
from tests.support.world import World, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def listening() -> Iterator[int]:
    """A port that takes connections, and nothing more."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def world(settings: Settings, tmp_path: Path, listening: int) -> World:
    settings.VAR_DIR = tmp_path
    settings.JOURNAL_DIR = tmp_path / "journal"
    settings.AUDIT_KEY_FILE = tmp_path / "audit.key"
    settings.AUDIT_ANCHORS = [f"file://{tmp_path}/heads.jsonl"]
    settings.AUDIT_STREAMS = []
    made = make_world()
    address = f"http://127.0.0.1:{listening}/v1"
    Deployment.objects.filter(pk=made.local.pk).update(base_url=address)
    Deployment.objects.filter(pk=made.cloud.pk).update(
        base_url=address, options={"allow_private": "yes"}
    )
    seal()
    assert anchor_heads()
    return made


def page(*looks: str) -> tuple[int, str]:
    """Exit status and what was printed."""
    said = StringIO()
    try:
        call_command("doctor", *looks, stdout=said)
    except CommandError as error:
        return error.returncode, said.getvalue() + str(error)
    return 0, said.getvalue()


SOUND = ("versions", "database", "clock", "secrets", "deployments", "controls", "journal", "audit")


def test_a_sound_house_passes(world: World) -> None:
    status, said = page(*SOUND)
    assert status == 0, said
    assert "llama is reachable" in said
    assert "canaries of 1 projects: found, journaled before sending" in said
    assert "without a journal nothing is sent" in said
    assert "nothing wrong" in said


def test_it_leaves_nothing_behind(world: World, settings: Settings) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT last_seq FROM audit_writer")
        before = cursor.fetchall()
    page(*SOUND)
    with connection.cursor() as cursor:
        cursor.execute("SELECT last_seq FROM audit_writer")
        assert cursor.fetchall() == before
    assert [path for path in settings.JOURNAL_DIR.rglob("*") if path.is_file()] == []


def test_a_model_server_that_is_away_is_named(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    Deployment.objects.filter(pk=world.local.pk).update(base_url=f"http://127.0.0.1:{port}/v1")
    status, said = page("deployments")
    assert status == 1
    assert "WRONG  deployments: llama is not reachable" in said
    assert "-> start it, or disable the deployment" in said


def test_an_on_prem_address_outside_of_its_networks_is_named(
    world: World, settings: Settings
) -> None:
    settings.ON_PREM_NETWORKS = ()
    status, said = page("deployments")
    assert status == 1
    assert "SLUICE_ON_PREM_NETWORKS" in said


def test_a_chain_that_was_changed_is_named(world: World) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE audit_auditevent SET actor = 'user:8' WHERE seq = 2")
    status, said = page("audit")
    assert status == 1
    assert "event 2" in said


def test_a_clock_that_was_set_back_is_named(
    world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, loader = FileJournal(settings.JOURNAL_DIR), Loader(settings.JOURNAL_DIR)
    assert loader.lease.acquire()
    journal.append(
        DecisionRecord(
            id="d",
            request_id="r",
            at=time.time() + 3600,
            project="research",
            actor="user:1",
            endpoint="chat.completions",
            alias="auto",
            digest="0",
            sensitivity="internal",
            decision="allowed",
            revision="1",
        )
    )
    loader.load()
    journal.close()
    loader.lease.release()
    status, said = page("clock")
    assert status == 1
    assert "it was set back" in said


def test_a_journal_file_that_broke_and_a_full_one_are_named(
    world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.JOURNAL_DIR.mkdir(exist_ok=True)
    (settings.JOURNAL_DIR / "abc.000001.broken").write_text("")
    assert "do not hold together" in page("journal")[1]
    monkeypatch.setattr("gateway.operations.doctor.evidence._BEHIND_BYTES", -1)
    assert "start the loader" in page("journal")[1]


def test_a_look_that_fails_is_a_finding_and_the_others_go_on(
    world: World, settings: Settings
) -> None:
    settings.JOURNAL_DIR.parent.joinpath("journal").write_text("a file where a folder should be")
    status, said = page("journal", "clock")
    assert status == 1
    assert "journal could not be looked at" in said
    assert "ok   clock" in said


def levels() -> set[Level]:
    return {finding.level for finding in controls()}


def said_by_controls() -> str:
    return " ".join(finding.what for finding in controls())


def test_controls_that_are_not_live_are_found(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each control is taken out of the code, and the look says which."""
    assert levels() == {Level.WELL}

    def blind(self: Analyser, texts: list[str]) -> Any:
        return analyse(self, ["blue skies" for _ in texts])

    analyse = Analyser.analyse
    with monkeypatch.context() as without:
        without.setattr(Analyser, "analyse", blind)
        assert "a card number in research is not found" in said_by_controls()

    real = Gateway._record
    with monkeypatch.context() as without:
        without.setattr(Gateway, "_record", lambda *_, **__: None)
        said = said_by_controls()
        assert "sendings came before their journal record" in said
        assert "a journal that cannot be written does not stop requests" in said
    assert Gateway._record is real

    with monkeypatch.context() as without:
        without.setattr("gateway.inference.path.on_prem_only_reason", lambda *_: "")
        without.setattr(
            "gateway.inference.surroundings.Surroundings.fresh_snapshot",
            lambda self: (replace(self.snapshots.current()[0], egress_stopped=False), 0.0),
        )
        assert "the switch for what leaves on-prem does not stop it" in said_by_controls()


def test_an_unsealed_audit_is_named(world: World) -> None:
    record_event(
        actor="system:test", type=EventType.USER_LOGGED_OUT, object_type="user", object_id="1"
    )
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM audit_signedhead")
    status, said = page("heads")
    assert status == 1
    assert "no head was signed yet" in said
