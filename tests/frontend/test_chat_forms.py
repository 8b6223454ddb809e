"""Forms of the chat as they stand on its pages, filled in and sent without any scripting."""

import pytest

from gateway.chat.conversations import Wanted, create_conversation
from gateway.chat.models import Conversation, Pin, Prompt, ShareLink, Visibility
from tests.frontend.conftest import House, SignIn
from tests.support.forms import forms_of, press


@pytest.fixture
def path(house: House) -> str:
    wanted = Wanted(model="auto", title="Herons")
    return f"/c/{create_conversation(house.people['member'], house.lab, wanted).pk}/"


def test_a_conversation_is_renamed(signed_in: SignIn, path: str) -> None:
    page = press(signed_in("member"), path, "Rename", title="Locks & canals")
    assert '<h1 id="title">Locks &amp; canals</h1>' in page.content.decode()


def test_a_bad_title_is_said_on_a_page_with_the_way_back(signed_in: SignIn, path: str) -> None:
    answer = press(signed_in("member"), path, "Rename", title="   ")
    page = answer.content.decode()
    assert answer.status_code == 400
    assert "A title needs at least one character." in page
    assert f'href="{path}"' in page


def test_a_conversation_is_pinned_and_unpinned(signed_in: SignIn, path: str) -> None:
    client = signed_in("member")
    assert 'aria-labelledby="rail-1"' in press(client, path, "Pin").content.decode()
    assert Pin.objects.count() == 1
    press(client, path, "Unpin")
    assert not Pin.objects.exists()


def test_system_prompt_and_parameters_are_changed_and_stay_in_the_form(
    signed_in: SignIn, path: str
) -> None:
    client = signed_in("member")
    press(client, path, "Save", system="Be kind.", temperature="0.4", max_tokens="300")
    again = press(client, path, "Save")  # as they stand in the form
    page = again.content.decode()
    assert "Be kind." in page
    assert 'name="temperature" inputmode="decimal" value="0.4"' in page
    assert 'name="max_tokens" inputmode="numeric" value="300"' in page


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"temperature": "warm"}, "must be a number"), ({"top_p": "3"}, "must be from 0 to 1")],
    ids=["no number", "out of range"],
)
def test_a_bad_parameter_is_said_and_changes_nothing(
    signed_in: SignIn, path: str, changes: dict[str, str], says: str
) -> None:
    client = signed_in("member")
    answer = press(client, path, "Save", system="Be kind.", **changes)
    assert answer.status_code == 400
    assert says in answer.content.decode()
    assert "Be kind." not in client.get(path).content.decode()


def test_it_is_shared_with_the_members_and_taken_back(signed_in: SignIn, path: str) -> None:
    client, other = signed_in("member"), signed_in("editor")
    assert other.get(path).status_code == 404
    press(client, path, "Members of Lab")
    assert Conversation.objects.get().visibility == Visibility.MEMBERS
    assert other.get(path).status_code == 200
    press(client, path, "Only you")
    assert other.get(path).status_code == 404


def test_a_link_is_made_copied_from_the_page_and_ended(signed_in: SignIn, path: str) -> None:
    client, guest = signed_in("member"), signed_in("stranger")
    page = press(client, path, "Make a link").content.decode()
    address = page.split("/s/")[1].split("/")[0]
    assert guest.get(f"/s/{address}/", follow=True).status_code == 200
    press(client, path, "End it")
    assert ShareLink.objects.get().revoked_at is not None
    assert guest.get(path).status_code == 404


def test_it_is_deleted_for_good(signed_in: SignIn, path: str) -> None:
    client = signed_in("member")
    assert press(client, path, "Delete for good").status_code == 200
    assert not Conversation.objects.exists()
    assert client.get(path).status_code == 404


def test_a_prompt_is_made_changed_and_deleted(signed_in: SignIn) -> None:
    client = signed_in("member")
    made = {"title": "Reminder", "text": "Remind {{name}}."}
    assert b"Reminder" in press(client, "/p/lab/prompts/new", "Keep it", **made).content
    prompt = f"/p/lab/prompts/{Prompt.objects.get().pk}"
    examples = {"question_1": "Who?", "answer_1": "The keeper."}
    press(client, prompt, "Keep it", title="Kind reminder", **examples)
    page = client.get(prompt).content
    assert b"Remind {{name}}." in page
    assert b"The keeper." in page
    assert b"Kind reminder" not in press(client, prompt, "Delete this prompt").content
    assert not Prompt.objects.exists()


def test_words_are_searched(signed_in: SignIn, path: str) -> None:
    client = signed_in("member")
    (form,) = [
        each for each in forms_of(client.get("/search/").content.decode()) if "q" in each.names
    ]
    page = client.post(form.action, {**form.fields, "q": "herons"}).content.decode()
    assert f'href="{path}"' in page
    assert "<mark>Herons</mark>" in page
