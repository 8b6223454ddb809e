"""Whose a conversation is, what stays of it, and what does not."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from gateway.accounts.services import people, projects
from gateway.audit.models import AuditEvent
from gateway.chat import conversations as service
from gateway.chat.access import NoSuchConversation, get_conversation, get_own_conversation
from gateway.chat.erasing import erase_person
from gateway.chat.models import Conversation, Message, Visibility
from gateway.chat.search import forget_deleted
from gateway.chat.sharing import create_link, open_link, revoke_link
from gateway.protocol.errors import InvalidRequest
from tests.gateway.chat.conftest import BY, SECRET, Lab


def everything_stored() -> bytes:
    """Every value of every table of the chat and the audit, as it lies in the database."""
    found: list[Any] = []
    with connection.cursor() as cursor:
        names = connection.introspection.table_names(cursor)
        for name in names:
            if name.startswith(("chat_", "audit_")):
                cursor.execute(f'SELECT * FROM "{name}"')  # noqa: S608 - our own tables
                found += [value for row in cursor.fetchall() for value in row]
    return b"\n".join(
        bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
        for value in found
    )


def test_nothing_that_was_written_lies_in_the_database_in_clear(lab: Lab) -> None:
    conversation = lab.conversation(system="You are a heron.", examples=(("fish?", "herring"),))
    lab.said(conversation, SECRET, "She counts seven herring.")
    stored = everything_stored()
    for word in (b"heron", b"herring", b"seven", b"brown"):
        assert word not in stored, word


def test_an_owner_reads_a_member_does_not_until_it_is_shared(lab: Lab) -> None:
    conversation = lab.conversation()
    assert get_conversation(lab.ada, conversation.pk, write=True).pk == conversation.pk
    with pytest.raises(NoSuchConversation):
        get_conversation(lab.ben, conversation.pk)
    service.set_visibility(lab.ada, conversation.pk, Visibility.MEMBERS)
    get_conversation(lab.ben, conversation.pk, write=True)
    with pytest.raises(NoSuchConversation):
        get_own_conversation(lab.ben, conversation.pk)
    with pytest.raises(NoSuchConversation):
        get_conversation(lab.eve, conversation.pk)
    service.set_visibility(lab.ada, conversation.pk, Visibility.PRIVATE)
    with pytest.raises(NoSuchConversation):
        get_conversation(lab.ben, conversation.pk)


def test_who_leaves_the_project_or_the_house_reads_nothing_of_it_any_more(lab: Lab) -> None:
    conversation = lab.conversation()
    service.set_visibility(lab.ada, conversation.pk, Visibility.MEMBERS)
    projects.remove_member(by=BY, project=lab.project, user=lab.ben)
    with pytest.raises(NoSuchConversation):
        get_conversation(lab.ben, conversation.pk)
    people.deactivate_user(by=BY, user=lab.ada)
    lab.ada.refresh_from_db()
    with pytest.raises(NoSuchConversation):
        get_conversation(lab.ada, conversation.pk)


def test_a_link_opens_reading_and_nothing_else_until_it_ends(lab: Lab) -> None:
    conversation = lab.conversation()
    link = create_link(lab.ada, conversation.pk, days=7)
    with pytest.raises(NoSuchConversation):
        open_link(lab.eve, link.secret + "x")
    open_link(lab.eve, link.secret)
    get_conversation(lab.eve, conversation.pk)
    with pytest.raises(NoSuchConversation):
        get_conversation(lab.eve, conversation.pk, write=True)
    revoke_link(lab.ada, conversation.pk, link.id)
    with pytest.raises(NoSuchConversation):
        get_conversation(lab.eve, conversation.pk)
    with pytest.raises(NoSuchConversation):
        open_link(lab.eve, link.secret)


def test_a_link_ends_on_its_day(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    conversation = lab.conversation()
    link = create_link(lab.ada, conversation.pk, days=1)
    open_link(lab.eve, link.secret)
    later = timezone.now() + timedelta(days=1, seconds=1)
    monkeypatch.setattr("django.utils.timezone.now", lambda: later)
    with pytest.raises(NoSuchConversation):
        get_conversation(lab.eve, conversation.pk)
    with pytest.raises(NoSuchConversation):
        open_link(lab.eve, link.secret)


def test_only_the_owner_makes_and_ends_links(lab: Lab) -> None:
    conversation = lab.conversation()
    service.set_visibility(lab.ada, conversation.pk, Visibility.MEMBERS)
    link = create_link(lab.ada, conversation.pk, days=None)
    with pytest.raises(NoSuchConversation):
        create_link(lab.ben, conversation.pk, days=None)
    with pytest.raises(NoSuchConversation):
        revoke_link(lab.ben, conversation.pk, link.id)


def test_deleting_takes_the_messages_the_terms_and_the_key_and_leaves_an_event(lab: Lab) -> None:
    conversation = lab.conversation()
    lab.said(conversation, SECRET)
    terms = Message.objects.values_list("terms", flat=True)[0].split()
    assert terms
    service.delete_conversation(lab.ada, conversation.pk)
    assert not Conversation.objects.exists()
    assert not Message.objects.exists()
    forget_deleted()
    assert terms[0].encode() not in everything_stored()
    event = AuditEvent.objects.get(type="conversation.deleted")
    assert event.object_id == conversation.pk
    assert event.details == {"messages": 2, "reason": "asked"}


def test_a_member_cannot_delete_what_is_shared_with_them(lab: Lab) -> None:
    conversation = lab.conversation()
    service.set_visibility(lab.ada, conversation.pk, Visibility.MEMBERS)
    with pytest.raises(NoSuchConversation):
        service.delete_conversation(lab.ben, conversation.pk)


def test_a_temporary_conversation_is_not_listed_and_goes_after_a_day(lab: Lab) -> None:
    kept, passing = lab.conversation(), lab.conversation(temporary=True)
    lab.said(passing, SECRET)
    assert [each.id for each in service.list_conversations(lab.ada, lab.project, limit=9)] == [
        kept.pk
    ]
    assert not Message.objects.exclude(terms="").exists()
    assert service.expire(timezone.now()) == 0
    assert service.expire(timezone.now() + timedelta(hours=25)) == 1
    assert [each.pk for each in Conversation.objects.all()] == [kept.pk]


def test_a_pin_is_ones_own_and_stands_first(lab: Lab) -> None:
    first, second = lab.conversation(), lab.conversation()
    for each in (first, second):
        service.set_visibility(lab.ada, each.pk, Visibility.MEMBERS)
    service.set_pin(lab.ada, first.pk, pinned=True)
    assert service.list_conversations(lab.ada, lab.project, limit=9)[0].id == first.pk
    assert service.list_conversations(lab.ben, lab.project, limit=9)[0].id == second.pk


@pytest.mark.parametrize(
    ("name", "value"), [("temperature", 2.1), ("top_p", -0.1), ("max_tokens", 0)]
)
def test_a_parameter_out_of_range_changes_nothing(lab: Lab, name: str, value: float) -> None:
    conversation = lab.conversation()
    with pytest.raises(InvalidRequest, match=name):
        service.change_settings(lab.ada, conversation.pk, system="x", parameters={name: value})
    conversation.refresh_from_db()
    assert not conversation.sealed_system


def test_an_erased_person_leaves_neither_conversations_nor_words_in_those_of_others(
    lab: Lab,
) -> None:
    own, shared = lab.conversation(), create_conversation_of(lab)
    lab.said(own, "mine")
    theirs = lab.said(shared, "a secret of Ada's", "an answer", by=lab.ada)
    erase_person(lab.ada)
    assert erase_person(lab.ada) == 0
    assert [each.pk for each in Conversation.objects.all()] == [shared.pk]
    person = Message.objects.get(pk=theirs.person.pk)
    assert (bytes(person.sealed_text), person.terms, person.author) == (b"", "", None)


def create_conversation_of(lab: Lab) -> Conversation:
    """One of Ben's that Ada may write in."""
    wanted = service.Wanted(model="auto", title="Ben's")
    conversation = service.create_conversation(lab.ben, lab.project, wanted)
    service.set_visibility(lab.ben, conversation.pk, Visibility.MEMBERS)
    return conversation
