"""Whoever presses Delete on something that a legal hold keeps reads why it is still there."""

import pytest
from django.test import Client

from gateway.accounts.roles import Role
from gateway.audit.holds import place_hold
from gateway.audit.sealing_models import HoldSubject
from gateway.chat import attachments, conversations, prompts
from gateway.chat.models import Attachment, Conversation, Prompt
from tests.support.world import project_with

pytestmark = pytest.mark.django_db
WHY = "the court asks <b>for it</b>"


@pytest.mark.parametrize("what", ["conversation", "prompt"])
def test_a_form_answers_with_a_page_that_has_the_reason(what: str) -> None:
    project, people = project_with("lab", ada=Role.MEMBER)
    ada = people["ada"]
    wanted = conversations.Wanted(model="auto", title="x")
    talk = conversations.create_conversation(ada, project, wanted)
    prompt = prompts.save_prompt(ada, project, prompts.Content(title="t", text="x"), shared=False)
    place_hold(actor="system:test", kind=HoldSubject.PROJECT, subject="lab", reason=WHY)
    path = f"/c/{talk.pk}/delete" if what == "conversation" else f"/p/lab/prompts/{prompt}/delete"
    client = Client()
    client.force_login(ada)
    response = client.post(path)
    assert response.status_code == 409
    text = response.content.decode()
    assert "Nothing was deleted" in text
    assert "the court asks &lt;b&gt;for it&lt;/b&gt;" in text
    assert Conversation.objects.exists()
    assert Prompt.objects.exists()


def test_a_script_gets_the_reason_in_the_shape_of_errors() -> None:
    project, people = project_with("lab", ada=Role.MEMBER)
    file = attachments.attach(people["ada"], project, name="a.txt", content=b"words")
    place_hold(actor="system:test", kind=HoldSubject.PROJECT, subject="lab", reason=WHY)
    client = Client()
    client.force_login(people["ada"])
    response = client.post(f"/files/{file.pk}/drop")
    assert response.status_code == 409
    assert response.json()["error"]["code"] == "legal_hold"
    assert WHY in response.json()["error"]["message"]
    assert Attachment.objects.exists()
