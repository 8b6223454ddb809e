"""A legal hold stands against every deletion of what it covers; a rule deletes what is old."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db.models import Model
from django.utils import timezone
from pytest_django.fixtures import Settings

from gateway.accounts.models import Project, User
from gateway.accounts.roles import Role
from gateway.accounts.services import add_member, create_service_account, remove_member
from gateway.audit.holds import end_hold, place_hold
from gateway.audit.models import AuditEvent
from gateway.audit.registry import EVENTS
from gateway.audit.retention import Kind, set_retention
from gateway.audit.sealing_models import HoldSubject
from gateway.batches.models import Batch, BatchRow, Status
from gateway.batches.sheets import services as sheets
from gateway.batches.sheets.models import Sheet
from gateway.batches.sheets.source import of_bytes
from gateway.batches.sheets.tasks import forget_old as forget_sheets
from gateway.batches.tasks import forget_rows
from gateway.chat import attachments, conversations, messages, prompts
from gateway.chat.models import Attachment, Conversation, Message, Prompt, State
from gateway.chat.tasks import forget_old_conversations, sweep_conversations
from gateway.files.models import Purpose, StoredFile
from gateway.files.services import delete_file, discard_file, replace
from gateway.files.tasks import sweep_files
from gateway.files.uploads import Upload
from gateway.inference.contracts import Principal
from gateway.privacy.erasing import UnderHold, erase
from gateway.protocol.errors import UnderLegalHold
from gateway.usage.models import UsageRecord
from gateway.usage.tasks import forget_old as forget_usage
from tests.support.world import SETUP, project_with

pytestmark = pytest.mark.django_db(transaction=True)
LONG_AGO = timedelta(days=400)
WHY = "the court of X asks for it"


@dataclass
class Lab:
    """Ada's things in the project `lab`, all of them old."""

    project: Project
    ada: User
    ids: dict[type[Model], object] = field(default_factory=dict)

    @property
    def actor(self) -> str:
        return f"user:{self.ada.pk}"

    @property
    def principal(self) -> Principal:
        return Principal(actor=self.actor, project="lab")

    def there(self, model: type[Model]) -> bool:
        return model._default_manager.filter(pk=self.ids[model]).exists()


@pytest.fixture
def lab(settings: Settings, tmp_path: Path) -> Lab:
    files = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": tmp_path / "files"},
    }
    settings.STORAGES = settings.STORAGES | {"files": files}
    settings.INCOMING_DIR = tmp_path / "incoming"
    project, people = project_with("lab", ada=Role.MEMBER)
    made = Lab(project, people["ada"])
    for fill in (_chat, _file, _batch, _sheet, _usage):
        fill(made, timezone.now() - LONG_AGO)
    for kind in (Kind.USAGE, Kind.CONVERSATIONS, Kind.BATCH_ROWS, Kind.SHEETS):
        set_retention(actor="system:test", kind=kind, days=300)
    return made


def _chat(lab: Lab, then: datetime) -> None:
    wanted = conversations.Wanted(model="auto", title="x")
    conversation = conversations.create_conversation(lab.ada, lab.project, wanted)
    asked = messages.ask(lab.ada, conversation.pk, "hello", model="auto")
    Message.objects.filter(pk=asked.reply.pk).update(state=State.FAILED)
    Conversation.objects.filter(pk=conversation.pk).update(updated_at=then, expires_at=then)
    file = attachments.attach(lab.ada, lab.project, name="a.txt", content=b"words")
    Attachment.objects.filter(pk=file.pk).update(created_at=then)
    content = prompts.Content(title="t", text="x")
    prompt = prompts.save_prompt(lab.ada, lab.project, content, shared=False)
    lab.ids |= {Conversation: conversation.pk, Message: asked.person.pk}
    lab.ids |= {Attachment: file.pk, Prompt: prompt}


def _file(lab: Lab, then: datetime) -> None:
    upload = Upload(project=lab.project, actor=lab.actor)
    upload.write(b"words")
    file = upload.finish(name="x.txt", purpose=Purpose.USER_DATA)
    StoredFile.objects.filter(pk=file.pk).update(expires_at=then + LONG_AGO / 2)
    lab.ids[StoredFile] = file.pk


def _batch(lab: Lab, then: datetime) -> None:
    batch = Batch.objects.create(
        project=lab.project,
        actor=lab.actor,
        endpoint="chat.completions",
        completion_window="24h",
        input_file_id="file-1",
        status=Status.COMPLETED,
        expires_at=then,
    )
    row = BatchRow.objects.create(batch=batch, index=0, line=1, offset=0, length=1)
    lab.ids[BatchRow] = row.pk


def _sheet(lab: Lab, then: datetime) -> None:
    sheet = sheets.create_sheet(lab.ada, lab.project, of_bytes("x.csv", b"a,b\n1,2\n"))
    Sheet.objects.filter(pk=sheet.pk).update(created_at=then)
    lab.ids[Sheet] = sheet.pk


def _usage(lab: Lab, then: datetime) -> None:
    names = ("key_prefix", "channel", "endpoint", "alias", "deployment", "zone", "model")
    counts = ("prompt_tokens", "completion_tokens", "cached_tokens")
    row = UsageRecord.objects.create(
        decision_id="dec_1",
        at=then,
        project="lab",
        person=lab.actor,
        estimated=False,
        **dict.fromkeys(names, ""),
        **dict.fromkeys(counts, 1),
    )
    lab.ids[UsageRecord] = row.pk


def _file_of(lab: Lab) -> StoredFile:
    return StoredFile.objects.select_related("project").get(pk=lab.ids[StoredFile])


def _without_expiry(lab: Lab) -> str:
    StoredFile.objects.filter(pk=lab.ids[StoredFile]).update(expires_at=None)
    return str(lab.ids[StoredFile])


def _conversation(lab: Lab) -> str:
    """One that does not expire by itself."""
    Conversation.objects.update(expires_at=None)
    return str(lab.ids[Conversation])


def _sheet_of(lab: Lab) -> Sheet:
    return Sheet.objects.select_related("project").get(pk=lab.ids[Sheet])


# By whom it is deleted, what, and how.
BY_A_PERSON: dict[str, tuple[type[Model], Callable[[Lab], object]]] = {
    "a file": (StoredFile, lambda lab: delete_file(lab.principal, _without_expiry(lab))),
    "a conversation": (
        Conversation,
        lambda lab: conversations.delete_conversation(lab.ada, _conversation(lab)),
    ),
    "a message": (
        Message,
        lambda lab: messages.take_back(
            lab.ada,
            _conversation(lab),
            int(str(lab.ids[Message])),
        ),
    ),
    "a prompt": (
        Prompt,
        lambda lab: prompts.delete_prompt(lab.ada, lab.project, int(str(lab.ids[Prompt]))),
    ),
    "an attachment": (
        Attachment,
        lambda lab: attachments.drop(lab.ada, str(lab.ids[Attachment])),
    ),
    "a sheet": (Sheet, lambda lab: sheets.delete_sheet(lab.ada, _sheet_of(lab))),
}
BY_A_RULE: dict[str, tuple[type[Model], Callable[[Lab], object], str]] = {
    "files.sweep": (StoredFile, lambda _: sweep_files(), "file.deleted"),
    "chat.sweep": (Conversation, lambda _: sweep_conversations(), "conversation.deleted"),
    "unsent": (Attachment, lambda _: sweep_conversations(), "data.deleted"),
    "chat.forget_old": (
        Conversation,
        lambda _: forget_old_conversations(),
        "conversation.deleted",
    ),
    "batches.forget_rows": (BatchRow, lambda _: forget_rows(), "data.deleted"),
    "sheets.forget_old": (Sheet, lambda _: forget_sheets(), "sheet.deleted"),
    "usage.forget_old": (UsageRecord, lambda _: forget_usage(), "data.deleted"),
}


def held(lab: Lab, kind: HoldSubject) -> str:
    subject = "lab" if kind is HoldSubject.PROJECT else lab.actor
    place_hold(actor="system:test", kind=kind, subject=subject, reason=WHY)
    return subject


def ended(kind: HoldSubject, subject: str) -> None:
    end_hold(actor="system:test", kind=kind, subject=subject, reason="settled")


@pytest.mark.parametrize("kind", list(HoldSubject))
@pytest.mark.parametrize("name", BY_A_PERSON)
def test_whoever_deletes_something_under_a_hold_is_told_why_not(
    lab: Lab, name: str, kind: HoldSubject
) -> None:
    model, delete = BY_A_PERSON[name]
    subject = held(lab, kind)
    with pytest.raises(UnderLegalHold, match=WHY):
        delete(lab)
    assert lab.there(model)
    ended(kind, subject)
    delete(lab)
    assert not lab.there(model)


@pytest.mark.parametrize("kind", list(HoldSubject))
@pytest.mark.parametrize("name", BY_A_RULE)
def test_no_rule_deletes_what_a_hold_keeps_and_deleting_is_an_event_without_content(
    lab: Lab, name: str, kind: HoldSubject
) -> None:
    model, delete, type_ = BY_A_RULE[name]
    subject = held(lab, kind)
    delete(lab)
    assert lab.there(model)
    assert not AuditEvent.objects.filter(type=type_).exists()
    ended(kind, subject)
    delete(lab)
    assert not lab.there(model)
    event = AuditEvent.objects.filter(type=type_).latest("seq")
    assert (event.actor, event.project) == ("system:retention", "lab")
    assert set(event.details) <= EVENTS[type_].details  # type: ignore[index]
    if type_ == "data.deleted":
        assert event.details["count"] == 1
    before = AuditEvent.objects.count()
    delete(lab)
    assert AuditEvent.objects.count() == before  # nothing more to say


@pytest.mark.parametrize("kind", [Kind.USAGE, Kind.CONVERSATIONS, Kind.BATCH_ROWS, Kind.SHEETS])
def test_without_a_rule_and_before_its_day_nothing_goes(lab: Lab, kind: Kind) -> None:
    Conversation.objects.update(expires_at=None)
    tasks = (forget_usage, forget_old_conversations, forget_rows, forget_sheets)
    for days in (None, 500):
        set_retention(actor="system:test", kind=kind, days=days)
        for other in set(Kind) - {kind}:
            set_retention(actor="system:test", kind=other, days=None)
        for task in tasks:
            task()
        assert all(lab.there(each) for each in (UsageRecord, Conversation, BatchRow, Sheet))


@pytest.mark.parametrize("how", ["replaced", "collected"])
def test_a_file_that_another_replaces_is_put_away_under_a_hold_and_goes_with_it(
    lab: Lab, how: str
) -> None:
    subject = held(lab, HoldSubject.PROJECT)
    file = _without_expiry(lab)
    if how == "replaced":
        replace(file, "system:batches")
    else:
        assert not discard_file(_file_of(lab), actor="system:batches", reason="collected")
    assert lab.there(StoredFile)
    ended(HoldSubject.PROJECT, subject)
    sweep_files()
    assert not lab.there(StoredFile)


def test_a_message_in_somebody_elses_conversation_is_kept_with_it(lab: Lab) -> None:
    other = project_with("other", ben=Role.MEMBER)[1]["ben"]
    add_member(by=SETUP, project=lab.project, user=other)
    Conversation.objects.update(owner=other)
    held(lab, HoldSubject.PERSON)
    with pytest.raises(UnderLegalHold):
        conversations.delete_conversation(other, _conversation(lab))
    Conversation.objects.update(expires_at=timezone.now())
    sweep_conversations()
    assert lab.there(Conversation)


def test_a_hold_on_a_person_covers_the_service_accounts_that_act_for_them(lab: Lab) -> None:
    account = create_service_account(
        by=SETUP, project=lab.project, name="nightly", on_behalf_of=lab.ada
    )
    StoredFile.objects.update(created_by=f"service_account:{account.pk}")
    held(lab, HoldSubject.PERSON)
    sweep_files()
    assert lab.there(StoredFile)


def test_erasing_says_which_hold_keeps_what_and_erases_nothing(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    remove_member(by=SETUP, project=lab.project, user=lab.ada)  # what they left is still there
    held(lab, HoldSubject.PROJECT)
    with pytest.raises(UnderHold, match=WHY) as refused:
        erase(by=SETUP, user=lab.ada)
    [(hold, kinds)] = refused.value.kept.items()
    assert "project lab" in hold
    wanted = {"conversations": 1, "messages": 2, "attachments": 1, "prompts": 1}
    assert kinds == wanted | {"files": 2, "batches": 1, "sheets": 1}
    assert all(lab.there(each) for each in lab.ids)
    with pytest.raises(CommandError, match="conversations 1, messages 2"):
        call_command("privacy", "erase", lab.ada.email, "--yes")
    assert "erased" not in capsys.readouterr().out


def test_a_hold_on_a_project_where_the_person_left_nothing_is_in_nobodys_way(lab: Lab) -> None:
    project_with("empty")
    place_hold(
        actor="system:test", kind=HoldSubject.PROJECT, subject="empty", reason="another matter"
    )
    assert erase(by=SETUP, user=lab.ada).erased["sheets"] == 1


def test_rows_of_batches_have_a_rule_from_the_beginning(
    capsys: pytest.CaptureFixture[str],
) -> None:
    migration = import_module("gateway.audit.migrations.0006_batch_rows_rule")
    migration.make_rule(apps, None)
    call_command("audit", "retention")
    said = capsys.readouterr().out
    assert "batch_rows: 30 days" in said
    assert "conversations: for ever" in said
