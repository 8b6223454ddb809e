"""A person is gathered, and erased everywhere; what is evidence verifies as before."""

import json
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings as given
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from pytest_django.fixtures import Settings

from gateway.accounts.models import APIKey, Membership, Project, User
from gateway.accounts.roles import OrganisationRole, Role
from gateway.accounts.services import (
    add_member,
    create_api_key,
    create_service_account,
    deactivate_user,
    revoke_api_key,
    set_group,
)
from gateway.audit import offline
from gateway.audit.event_types import EventType
from gateway.audit.evidence import export_evidence
from gateway.audit.holds import end_hold, place_hold
from gateway.audit.journal import FileJournal
from gateway.audit.loader import Loader
from gateway.audit.models import AuditEvent, RequestRecord
from gateway.audit.records import DecisionRecord, OutcomeRecord
from gateway.audit.sealing import heads_of_database, public_keys, seal
from gateway.audit.sealing_models import HoldSubject
from gateway.audit.services import record_event
from gateway.audit.verify import verify
from gateway.batches.models import Batch
from gateway.batches.services import Wanted, create_batch
from gateway.chat.conversations import Wanted as Draft
from gateway.chat.conversations import create_conversation
from gateway.chat.models import Author, Message
from gateway.chat.sealing import Seal
from gateway.content.keeper import store
from gateway.content.models import KeptContent
from gateway.content.services import keep_content
from gateway.files.models import Purpose, StoredFile
from gateway.files.uploads import Upload
from gateway.inference.contracts import Principal
from gateway.inference.kept import Kept
from gateway.privacy.coverage import ACTOR_FIELDS, DELETED, FREE_TEXT, PSEUDONYMOUS
from gateway.privacy.erasing import UnderHold, erase, erase_again
from gateway.privacy.gathering import export
from gateway.privacy.searching import found_in
from policies.models import RuleException
from tests.support.world import SETUP, person, project_with

pytestmark = pytest.mark.django_db(transaction=True)
EMAIL, NAME = "xanthippe.quill@clinic.example", "Xanthippe Quill"
FORMS = (EMAIL, NAME, "XANTHIPPE.QUILL@clinic.example")


@pytest.fixture(autouse=True)
def var(settings: Settings, tmp_path: Path) -> Path:
    """All state on disk is this test's own."""
    settings.VAR_DIR = tmp_path
    settings.AUDIT_KEY_FILE = tmp_path / "audit.key"
    settings.AUDIT_ANCHORS = []
    settings.JOURNAL_DIR = tmp_path / "journal"
    settings.INCOMING_DIR = tmp_path / "incoming"
    files = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": tmp_path / "files"},
    }
    settings.STORAGES = settings.STORAGES | {"files": files}
    return tmp_path


@dataclass
class House:
    project: Project
    user: User
    other: User
    actor: str
    journal: FileJournal
    loader: Loader


@pytest.fixture
def house(var: Path) -> Iterator[House]:
    """Somebody who has left themselves everywhere, and somebody beside them."""
    project, people = project_with("research", other=Role.MEMBER)
    user = person(EMAIL)
    User.objects.filter(pk=user.pk).update(name=NAME)
    user.refresh_from_db()
    add_member(by=SETUP, project=project, user=user)
    set_group(by=SETUP, slug="clinicians", members=[user])
    key = create_api_key(by=user, project=project, owner=user, name=f"{NAME}'s laptop").key
    revoke_api_key(by=SETUP, key=key, reason=f"asked for by {EMAIL}, that is {NAME.upper()}")
    create_api_key(by=user, project=project, owner=user, name=f"laptop of {EMAIL}")
    create_service_account(by=SETUP, project=project, name="nightly", on_behalf_of=user)
    journal = FileJournal(var / "journal")
    loader = Loader(var / "journal")
    assert loader.lease.acquire()
    made = House(project, user, people["other"], f"user:{user.pk}", journal, loader)
    keep_content(by=SETUP, project=project, days=30)
    for number, actor in enumerate((made.actor, f"user:{made.other.pk}")):
        ask(made, number, actor)
    loader.load()
    upload_and_batch(made)
    chat(made)
    RuleException.objects.create(
        project=project,
        name="ward-3",
        rules=["organisation:health-stays"],
        owner=made.other,
        reason=f"{NAME.lower()} needs it; ask {EMAIL}",
        created_by=made.actor,
        ends_at=timezone.now(),
    )
    sign_in(user)
    seal()
    yield made
    journal.close()
    loader.lease.release()


def ask(house: House, number: int, actor: str) -> None:
    record = DecisionRecord(
        id=f"dec_{number}",
        request_id="req",
        at=time.time(),
        project="research",
        actor=actor,
        endpoint="chat.completions",
        alias="auto",
        digest="0" * 64,
        sensitivity="internal",
        decision="allowed",
        revision="1",
    )
    house.journal.append(record)
    house.journal.append(OutcomeRecord(id=record.id, at=time.time(), status=200))
    kept = Kept(f"I am {NAME}, {EMAIL}".encode())
    kept.add(f"Hello, {NAME}".encode())
    store([(record, kept)])


def upload_and_batch(house: House) -> None:
    principal = Principal(actor=house.actor, project="research")
    upload = Upload(project=house.project, actor=house.actor)
    line = {"custom_id": NAME, "method": "POST", "url": "/v1/chat/completions", "body": {}}
    upload.write(json.dumps(line).encode())
    row = upload.finish(name=f"{NAME}.jsonl", purpose=Purpose.BATCH, expires_after_s=None)
    create_batch(
        principal,
        Wanted(input_file_id=row.pk, endpoint="/v1/chat/completions", metadata={"for": NAME}),
    )


def chat(house: House) -> None:
    conversation = create_conversation(house.user, house.project, Draft(model="auto", title=NAME))
    Message.objects.create(
        conversation=conversation,
        role=Author.PERSON,
        author=house.user,
        sealed_text=Seal(conversation).close(f"Call me {NAME}", "text"),
    )


def sign_in(user: User) -> None:
    session = SessionStore()
    session["_auth_user_id"] = str(user.pk)
    session.save()


def everything_kept(var: Path) -> bytes:
    """All files of the installation, and of SQLite also what it has not overwritten."""
    parts = [path.read_bytes() for path in sorted(var.rglob("*")) if path.is_file()]
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        path = Path(given.DATABASES["default"]["NAME"])
        parts += [each.read_bytes() for each in path.parent.glob(f"{path.name}*")]
    return b"\n".join(parts)


def chains_hold() -> None:
    report = verify(given.JOURNAL_DIR, heads=heads_of_database(public_keys()))
    assert report.breaks == ()


def test_nothing_names_the_person_afterwards_and_the_chains_verify(house: House, var: Path) -> None:
    before = list(export_evidence())
    assert found_in(FORMS)
    report = erase(by=SETUP, user=house.user)
    assert report.remaining == {}
    assert report.erased["kept_content"] == report.erased["files"] == report.erased["batches"] == 1
    assert report.erased["keys_destroyed"] == 1
    assert report.erased["free_texts"] == 3  # with the names of two keys
    assert RuleException.objects.get().reason == f"{house.actor} needs it; ask {house.actor}"
    assert found_in(FORMS) == {}
    kept = everything_kept(var).lower()
    for form in FORMS:
        assert form.lower().encode() not in kept
    chains_hold()
    seal()
    for lines in (before, list(export_evidence())):
        assert offline.verify_export(lines, keys=public_keys()).breaks == []
    assert not any(form.lower() in "".join(before).lower() for form in FORMS)


def test_it_is_an_event_that_says_what_went_and_not_who(house: House) -> None:
    erase(by=SETUP, user=house.user)
    [event] = AuditEvent.objects.filter(type="person.erased")
    assert event.object_id == str(house.user.pk)
    assert "files 1" in event.details["parts"]
    assert event.details["remaining"] == []


def test_the_person_can_do_nothing_any_more(house: House) -> None:
    erase(by=SETUP, user=house.user)
    user = User.objects.get(pk=house.user.pk)
    assert (user.is_active, user.name, user.has_usable_password()) == (False, "", False)
    assert not Membership.objects.filter(user=user).exists()
    assert not APIKey.objects.filter(user=user, revoked_at=None).exists()
    assert not house.project.service_accounts.filter(active=True).exists()
    assert not Session.objects.exists()


def test_others_keep_what_is_theirs(house: House) -> None:
    sign_in(house.other)
    erase(by=SETUP, user=house.user)
    assert KeptContent.objects.get().person == f"user:{house.other.pk}"
    assert RequestRecord.objects.count() == 2
    assert Session.objects.count() == 1
    assert Membership.objects.filter(user=house.other).exists()
    assert not StoredFile.objects.exists()
    assert not Batch.objects.exists()
    assert not Message.objects.exists()


@pytest.mark.parametrize("kind", list(HoldSubject))
def test_a_legal_hold_stands_against_it(house: House, kind: HoldSubject) -> None:
    subject = "research" if kind is HoldSubject.PROJECT else house.actor
    place_hold(actor="system:test", kind=kind, subject=subject, reason="a court asks")
    with pytest.raises(UnderHold):
        erase(by=SETUP, user=house.user)
    assert User.objects.get(pk=house.user.pk).email == EMAIL
    assert StoredFile.objects.exists()
    end_hold(actor="system:test", kind=kind, subject=subject, reason="settled")
    erase(by=SETUP, user=house.user)


def test_only_admins_erase_and_gather_and_the_last_of_them_stays(house: House, var: Path) -> None:
    for act in (
        lambda: erase(by=house.other, user=house.user),
        lambda: export(by=house.other, user=house.user, path=var / "x.zip"),
    ):
        with pytest.raises(PermissionDenied):
            act()
    assert not (var / "x.zip").exists()
    admin = person("admin@sluice.example", OrganisationRole.ADMIN)
    with pytest.raises(ValidationError, match="last active admin"):
        erase(by=SETUP, user=admin)


def test_a_restored_backup_is_erased_again(house: House) -> None:
    erase(by=SETUP, user=house.user)
    assert erase_again(by=SETUP) == []
    User.objects.filter(pk=house.user.pk).update(email=EMAIL, name=NAME)  # as a backup has it
    [report] = erase_again(by=SETUP)
    assert report.person == house.actor
    assert found_in(FORMS) == {}


def test_an_old_event_that_names_the_person_is_named_in_the_report(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:  # as versions before this one wrote it
        before.setattr("gateway.audit.services.without_people", lambda _, details: dict(details))
        record_event(
            actor="system:test",
            type=EventType.EGRESS_RESUMED,
            object_type="organisation",
            object_id="1",
            details={"reason": f"{NAME} asked"},
        )
    report = erase(by=SETUP, user=house.user)
    assert report.remaining == {"audit.AuditEvent.body": 1, "audit.AuditEvent.details": 1}
    chains_hold()


def test_what_people_type_into_a_reason_names_ids(house: House) -> None:
    deactivate_user(by=SETUP, user=house.other)
    event = record_event(
        actor="system:test",
        type=EventType.EGRESS_RESUMED,
        object_type="organisation",
        object_id="1",
        details={"reason": f"xanthippe quill and {EMAIL.upper()} and a@b.example and Xanthippes"},
    )
    wanted = f"{house.actor} and {house.actor} and (address) and Xanthippes"
    assert event.details["reason"] == wanted


def test_a_person_gets_everything_that_is_theirs(house: House, var: Path) -> None:
    path = var / "person.zip"
    counts = export(by=SETUP, user=house.user, path=path)
    assert path.stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(path) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    report = json.loads(texts["report.json"])
    assert report == counts
    wanted = {"requests": 1, "kept_content": 1, "files": 1, "batches": 1, "api_keys": 2}
    assert {name: counts[name] for name in wanted} == wanted
    assert EMAIL in texts["account.jsonl"]
    assert f"Hello, {NAME}" in texts["kept_content.jsonl"]
    [message] = texts["messages.jsonl"].splitlines()
    assert (json.loads(message)["title"], json.loads(message)["text"]) == (NAME, f"Call me {NAME}")
    [uploaded] = [text for name, text in texts.items() if name.startswith("files/")]
    assert NAME in uploaded
    assert f"user:{house.other.pk}" not in "".join(texts.values())
    assert AuditEvent.objects.filter(type="person.exported").count() == 1
    with pytest.raises(FileExistsError):
        export(by=SETUP, user=house.user, path=path)


def test_the_commands(house: House, var: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("privacy", "export", EMAIL, "--output", str(var / "p.zip"))
    assert "requests: 1" in capsys.readouterr().out
    with pytest.raises(CommandError, match="--yes"):
        call_command("privacy", "erase", EMAIL)
    call_command("privacy", "erase", EMAIL, "--yes")
    assert json.loads(capsys.readouterr().out)["remaining"] == {}
    with pytest.raises(CommandError, match="nobody"):
        call_command("privacy", "erase", EMAIL, "--yes")
    call_command("privacy", "erase", "--again")


def knows_people(model: Any) -> bool:
    names = {found.name for found in model._meta.local_fields}
    points = any(
        getattr(found, "related_model", None) is User
        for found in (*model._meta.local_fields, *model._meta.local_many_to_many)
    )
    return model is User or points or bool(names & ACTOR_FIELDS)


def test_every_table_that_knows_people_has_its_say() -> None:
    ours = [
        model
        for model in apps.get_models()
        if model.__module__.startswith(("gateway.", "policies.", "frontend."))
    ]
    known = set(DELETED) | set(PSEUDONYMOUS) | {"audit.LegalHold"}
    assert {model._meta.label for model in ours if knows_people(model)} <= known
    assert {apps.get_model(label)._meta.label for label in known} == known
    for label, name in FREE_TEXT:
        apps.get_model(label)._meta.get_field(name)
