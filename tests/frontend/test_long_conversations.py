"""A conversation of two thousand messages opens as one of two hundred does."""

from dataclasses import dataclass

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from frontend.views.conversations import AT_ONCE
from gateway.accounts.models import User
from gateway.chat.attachments import attach
from gateway.chat.conversations import Wanted, create_conversation
from gateway.chat.models import Attachment, Author, Conversation, Message
from gateway.chat.sealing import Seal
from tests.frontend.conftest import House, SignIn

FEW, MANY = 200, 2_000
WORDS = "The heron stands in the shallow water and counts what swims by. " * 4


@dataclass(frozen=True)
class Opened:
    queries: int
    bytes: int
    messages: int


def talk_of(house: House, owner: User, length: int, *, files: int = 0) -> Conversation:
    """One branch of `length` messages, the last `files` questions with a file each."""
    conversation = create_conversation(owner, house.lab, Wanted(model="auto", title="Long"))
    seal = Seal(conversation)
    first = (Message.objects.order_by("-pk").values_list("pk", flat=True).first() or 0) + 1
    rows = [
        Message(
            pk=first + at,
            conversation=conversation,
            parent_id=first + at - 1 if at else None,
            role=Author.REPLY if at % 2 else Author.PERSON,
            author=owner,
            model="auto",
            sealed_text=seal.close(f"{at}. {WORDS}", "text"),
        )
        for at in range(length)
    ]
    Message.objects.bulk_create(rows)
    for row in [row for row in rows if row.role == Author.PERSON][-files:] if files else []:
        file = attach(owner, house.lab, name="notes.txt", content=b"Herons: 7")
        Attachment.objects.filter(pk=file.pk).update(message=row)
    Conversation.objects.filter(pk=conversation.pk).update(head_id=rows[-1].pk)
    return conversation


def opened(client: Client, path: str) -> Opened:
    client.get(path)  # the first to look makes the HTML of what is shown, which is kept
    with CaptureQueriesContext(connection) as asked:
        page = client.get(path).content.decode()
    return Opened(len(asked), len(page), page.count('class="message '))


@pytest.mark.parametrize("path", ["/c/{}/", "/c/{}/earlier?before={}"], ids=["page", "earlier"])
def test_the_number_of_messages_changes_neither_queries_nor_size(
    house: House, signed_in: SignIn, path: str
) -> None:
    client = signed_in("member")
    found = {}
    for length in (FEW, MANY):
        talk = talk_of(house, house.people["member"], length)
        last = Message.objects.filter(conversation=talk).latest("pk").pk
        found[length] = opened(client, path.format(talk.pk, last))
    assert found[MANY].messages == found[FEW].messages >= AT_ONCE
    assert found[MANY].queries <= found[FEW].queries
    assert found[MANY].bytes < 1.1 * found[FEW].bytes


def test_neither_files_nor_listed_conversations_cost_a_query_each(
    house: House, signed_in: SignIn
) -> None:
    client, owner = signed_in("member"), house.people["member"]
    one = talk_of(house, owner, 20, files=1)
    few = opened(client, f"/c/{one.pk}/")
    for number in range(12):
        create_conversation(owner, house.lab, Wanted(model="auto", title=f"Another {number}"))
    ten = talk_of(house, owner, 20, files=10)
    assert opened(client, f"/c/{ten.pk}/").queries <= few.queries
