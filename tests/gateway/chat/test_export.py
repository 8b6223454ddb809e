"""A branch as a file: what stands in it, and what the audit says of it."""

import json

import pytest

from gateway.audit.models import AuditEvent
from gateway.chat.access import NoSuchConversation
from gateway.chat.export import export
from gateway.chat.models import State
from tests.gateway.chat.conftest import Lab


def test_the_json_has_every_message_of_the_branch_with_where_it_went(lab: Lab) -> None:
    conversation = lab.conversation(title="Lockside, 2026")
    first = lab.said(conversation, "How many herons?", "Seven ünd *more*.")
    lab.said(conversation, "Another branch?", "Not in the file.")
    last = lab.said(conversation, "And ducks?", "", parent=first.reply.pk, state=State.REFUSED)
    file = export(lab.ada, conversation.pk, format="json", at=last.reply.pk)
    assert (file.name, file.media_type) == ("Lockside--2026.json", "application/json")
    content = json.loads(file.content)
    assert (content["title"], content["project"]) == ("Lockside, 2026", "lab")
    said = [(each["role"], each["by"], each["text"]) for each in content["messages"]]
    assert said == [
        ("user", "ada@example.org", "How many herons?"),
        ("assistant", "auto", "Seven ünd *more*."),
        ("user", "ada@example.org", "And ducks?"),
        ("assistant", "auto", ""),
    ]
    reply = content["messages"][1]
    assert reply.keys() >= {"state", "deployment", "zone", "rules", "masked", "decision", "at"}
    assert [each.get("state") for each in content["messages"]] == [None, "done", None, "refused"]
    assert "ünd" in file.content  # readable as it stands


def test_the_markdown_reads_as_the_talk_did(lab: Lab) -> None:
    conversation = lab.conversation(title="Lockside")
    lab.said(conversation, "How many herons?", "Seven *or more*.")
    file = export(lab.ada, conversation.pk, format="md")
    assert file.content == (
        "# Lockside\n\n## ada@example.org\n\nHow many herons?\n\n## auto\n\nSeven *or more*.\n"
    )


@pytest.mark.parametrize("format", ["md", "json"])
def test_an_export_is_an_event_without_words_and_for_readers_alone(lab: Lab, format: str) -> None:
    conversation = lab.conversation()
    lab.said(conversation, "How many herons?")
    with pytest.raises(NoSuchConversation):
        export(lab.ben, conversation.pk, format=format)
    export(lab.ada, conversation.pk, format=format)
    event = AuditEvent.objects.get(type="conversation.exported")
    assert event.details == {"format": format, "messages": 2}
