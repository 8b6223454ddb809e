"""System prompt and parameters that are set before the first message."""

import pytest

from frontend.drafts import read_draft, started_from, wanted
from gateway.accounts.models import User
from gateway.chat.body import Settings, request_body
from gateway.chat.branches import settings_of
from gateway.chat.conversations import create_conversation, title_of
from gateway.chat.messages import ask
from gateway.chat.models import Conversation
from gateway.chat.prompts import Content, save_prompt
from gateway.chat.sealing import Seal
from tests.frontend.conftest import House, SignIn

TYPED = {"system": " Be kind. ", "temperature": "0.4", "top_p": "", "max_tokens": "300"}


@pytest.fixture
def member(house: House) -> User:
    return house.people["member"]


def test_what_was_typed_stands_around_the_conversation_from_its_first_message(
    house: House, member: User
) -> None:
    settings = started_from(member, house.lab, None, TYPED)
    assert settings == Settings(system="Be kind.", temperature=0.4, max_tokens=300)
    made = create_conversation(
        member, house.lab, wanted(settings, model="auto", title="x", temporary=False)
    )
    kept = Conversation.objects.get(pk=made.pk)
    assert settings_of(kept, Seal(kept)) == settings


def test_the_lens_sees_them_before_anything_is_stored(house: House, member: User) -> None:
    body = {"project": "lab", "model": "auto", "text": "Hello", "settings": TYPED}
    draft = read_draft(member, body)
    sent = request_body(draft.branch).decode()
    assert "Be kind." in sent
    assert '"temperature":0.4' in sent
    assert draft.own_place == ("/messages/1/content", 0)
    assert not Conversation.objects.exists()


@pytest.mark.parametrize(
    ("typed", "system"),
    [(None, "From the prompt."), (TYPED, "Be kind."), ({"system": ""}, "")],
    ids=["nothing was shown", "changed", "emptied"],
)
def test_a_prompt_brings_its_system_prompt_and_what_is_typed_replaces_it(
    house: House, member: User, typed: dict[str, str] | None, system: str
) -> None:
    content = Content(title="P", text="x", system="From the prompt.", examples=[("q", "a")])
    prompt = save_prompt(member, house.lab, content, shared=False)
    settings = started_from(member, house.lab, prompt, typed)
    assert settings.system == system
    assert settings.examples == (("q", "a"),)


def test_a_form_that_cannot_be_taken_says_so_on_a_page_and_makes_nothing(
    signed_in: SignIn,
) -> None:
    answer = signed_in("member").post("/p/lab/begin", {"temperature": "warm"})
    page = answer.content.decode()
    assert answer.status_code == 400
    assert "temperature must be a number." in page
    assert 'href="/p/lab/"' in page
    assert not Conversation.objects.exists()


def test_a_conversation_that_began_without_a_message_is_named_by_its_first(
    house: House, member: User
) -> None:
    settings = started_from(member, house.lab, None, TYPED)
    made = create_conversation(
        member, house.lab, wanted(settings, model="auto", title="", temporary=False)
    )
    first = ask(member, made.pk, "How many herons?\nThis year.", model="auto")
    assert first.named
    kept = Conversation.objects.get(pk=made.pk)
    assert title_of(kept) == "How many herons?"
    again = ask(member, made.pk, "And ducks?", model="auto")
    assert not again.named
    assert title_of(Conversation.objects.get(pk=made.pk)) == "How many herons?"
