"""Streams: RFC 5424 over TLS and a signed webhook, at least once, with nothing that is content."""

import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import msgspec
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django.fixtures import Settings

from gateway.audit import checks
from gateway.audit.event_types import EventType
from gateway.audit.journal import FileJournal
from gateway.audit.loader import Loader
from gateway.audit.sealing import public_keys
from gateway.audit.sealing_models import Delivery
from gateway.audit.services import record_event
from gateway.audit.streaming.destinations import parse
from gateway.audit.streaming.sending import stream
from tests.gateway.audit.receivers import SyslogReceiver, WebReceiver
from tests.gateway.audit.test_command import done, fill, manage, migrated, var, wait_until
from tests.support.certificates import make_certificate

pytestmark = pytest.mark.django_db
__all__ = ["migrated", "var"]  # fixtures


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls") / "both.pem", "localhost", "127.0.0.1")


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    return certificate


@pytest.fixture
def loaded(loader: Loader, journal: FileJournal, writing: ModuleType) -> Iterator[FileJournal]:
    """Three requests, the last of them in flight, and an event with a reason that was typed."""
    for number in (1, 2, 3):
        journal.append(writing.decision(number))
        if number < 3:
            journal.append(writing.outcome(number))
    loader.load()
    record_event(
        actor="user:7",
        type=EventType.EGRESS_RESUMED,
        object_type="organisation",
        object_id="1",
        details={"reason": "the drill is over"},
    )
    yield journal


def to_syslog(settings: Settings, receiver: SyslogReceiver, *, scheme: str) -> None:
    settings.AUDIT_STREAMS = [f"{scheme}://127.0.0.1:{receiver.port}"]


def test_syslog_over_tls_has_every_record_once_and_in_the_order_of_its_chain(
    loaded: FileJournal, settings: Settings, trusted: Path
) -> None:
    with SyslogReceiver(trusted) as receiver:
        to_syslog(settings, receiver, scheme="syslog+tls")
        assert stream()
        assert stream()  # nothing new
    kinds = ["decision", "outcome", "decision", "outcome", "decision"]
    assert sorted(receiver.kinds) == sorted([*kinds, "event"])
    seqs = [tree["seq"] for tree in receiver.trees if tree["writer"] == loaded.writer.id]
    assert seqs == [1, 2, 3, 4, 5]
    event = next(tree for tree in receiver.trees if tree["kind"] == "event")
    assert (event["type"], event["actor"]) == ("egress.resumed", "user:7")


def test_an_outcome_follows_when_it_is_known(
    loaded: FileJournal, loader: Loader, settings: Settings, writing: ModuleType
) -> None:
    with SyslogReceiver() as receiver:
        to_syslog(settings, receiver, scheme="syslog+tcp")
        assert stream()
        receiver.lines.clear()
        loaded.append(writing.outcome(3))
        loader.load()
        assert stream()
        assert stream()
    [late] = receiver.trees
    assert (late["kind"], late["seq"], late["status"]) == ("outcome", 6, 200)


def test_a_receiver_whose_certificate_nobody_trusts_gets_nothing_and_status_says_so(
    loaded: FileJournal,
    settings: Settings,
    certificate: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with SyslogReceiver(certificate) as receiver:
        to_syslog(settings, receiver, scheme="syslog+tls")
        assert not stream()
        assert not stream()
    assert receiver.lines == []
    failing = Delivery.objects.get()
    assert (failing.failures, "certificate" in failing.last_error) == (2, True)
    with pytest.raises(CommandError, match="not all is well"):
        call_command("audit", "status")
    assert "certificate" in capsys.readouterr().out


def test_a_webhook_is_signed_by_the_key_that_the_audit_prints(
    loaded: FileJournal, settings: Settings
) -> None:
    with WebReceiver() as receiver:
        settings.AUDIT_STREAMS = [f"http://127.0.0.1:{receiver.port}/in?from=sluice"]
        assert stream()
    [(name, key)] = public_keys().items()
    assert receiver.posted
    for posted in receiver.posted:
        assert posted.path == "/in?from=sluice"
        assert posted.headers["Sluice-Key"] == name
        assert posted.is_signed_by(key)
        posted.body = posted.body.replace(b"user:7", b"user:8") + b"\n"
        assert not posted.is_signed_by(key)


@pytest.mark.parametrize("status", [301, 404, 500])
def test_a_receiver_that_does_not_say_yes_is_sent_the_same_again(
    loaded: FileJournal, settings: Settings, status: int
) -> None:
    answers = [status]
    with WebReceiver(answer=lambda: answers.pop() if answers else 200) as receiver:
        settings.AUDIT_STREAMS = [f"http://127.0.0.1:{receiver.port}/"]
        assert not stream()
        assert stream()
    assert receiver.posted[0].body == receiver.posted[1].body


@pytest.mark.django_db(databases=[])
@pytest.mark.timeout(90)
def test_a_sender_that_is_killed_leaves_nothing_unsent(var: Path, writing: ModuleType) -> None:
    fill(var, writing, requests=1200)  # three sendings
    assert done(var, "audit", "load", "--once").returncode == 0
    hold, release = threading.Event(), threading.Event()

    def answer() -> int:
        if len(receiver.posted) == 2:  # taken, and the sender never hears of it
            hold.set()
            release.wait(60)
        return 200

    with WebReceiver(answer=answer) as receiver:
        stream_to = f"SLUICE_AUDIT_STREAMS=http://127.0.0.1:{receiver.port}/"
        command = ["env", stream_to, *manage(var, "audit", "stream")]
        sender = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_until(hold.is_set)
        sender.send_signal(signal.SIGKILL)
        sender.wait()
        release.set()
        assert subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode == 0
    places = [(tree["writer"], tree["seq"]) for tree in receiver.trees if tree["kind"] != "event"]
    assert {seq for _, seq in places} == set(range(1, 2401))
    assert len(places) > 2400  # what was in doubt came twice


def test_a_line_holds_no_text_that_somebody_could_choose(
    loader: Loader, journal: FileJournal, writing: ModuleType, settings: Settings
) -> None:
    planted = "jane.roe@clinic.example"
    decision = msgspec.structs.replace(
        writing.decision(1), alias=planted, decision="unknown_alias", digest=planted
    )
    journal.append(decision)
    journal.append(msgspec.structs.replace(writing.outcome(1), model=planted))
    loader.load()
    record_event(
        actor="user:7",
        type=EventType.EGRESS_RESUMED,
        object_type="organisation",
        object_id="1",
        details={"reason": planted},
    )
    with SyslogReceiver() as receiver:
        to_syslog(settings, receiver, scheme="syslog+tcp")
        assert stream()
    assert len(receiver.lines) == 3
    assert not any(planted in line for line in receiver.lines)


def test_what_is_not_encrypted_or_stopped_does_not_leave_the_house(
    loaded: FileJournal, settings: Settings, trusted: Path
) -> None:
    settings.ON_PREM_NETWORKS = ()
    with SyslogReceiver() as plain, SyslogReceiver(trusted) as encrypted:
        to_syslog(settings, plain, scheme="syslog+tcp")
        assert not stream()
        assert "not encrypted" in Delivery.objects.get().last_error
        to_syslog(settings, encrypted, scheme="syslog+tls")
        record_event(
            actor="user:7",
            type=EventType.EGRESS_STOPPED,
            object_type="organisation",
            object_id="1",
            details={"reason": "drill"},
        )
        assert not stream()
        assert plain.lines == encrypted.lines == []
        record_event(
            actor="user:7",
            type=EventType.EGRESS_RESUMED,
            object_type="organisation",
            object_id="1",
            details={"reason": "over"},
        )
        assert stream()
    assert encrypted.lines


def test_a_record_that_cannot_be_read_holds_nothing_up(
    loaded: FileJournal, settings: Settings
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE audit_requestrecord SET record = '{' WHERE seq = 1")
    with SyslogReceiver() as receiver:
        to_syslog(settings, receiver, scheme="syslog+tcp")
        assert stream()
    seqs = [tree["seq"] for tree in receiver.trees if tree["writer"] == loaded.writer.id]
    assert seqs == [2, 3, 4, 5]


@pytest.mark.parametrize(
    "address",
    [
        "ftp://log.example",
        "syslog+tls://",
        "syslog+tls://log.example/path",
        "https://user:secret@log.example/",
        "file://relative",
        "log.example",
    ],
)
def test_an_address_that_is_none_stops_the_start_without_being_quoted(
    settings: Settings, address: str
) -> None:
    settings.AUDIT_ANCHORS = [address]
    [error] = checks.check_destinations(None)
    assert error.id == "sluice.E020"
    assert "secret" not in error.msg
    with pytest.raises(ValueError, match=r"address|begins"):
        parse(address)


def test_a_stream_goes_to_no_file(settings: Settings, tmp_path: Path) -> None:
    settings.AUDIT_STREAMS = [f"file://{tmp_path}/events"]
    [error] = checks.check_destinations(None)
    assert "a file is for anchors" in error.msg


def test_a_secret_in_a_web_address_is_not_shown() -> None:
    to = parse("https://hooks.example/T0/secret?token=x")
    assert to.label == "https hooks.example:443"
    assert json.dumps(to.path) == '"/T0/secret?token=x"'
