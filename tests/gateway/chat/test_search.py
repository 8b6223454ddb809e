"""Finding words in all of one's conversations, and in nobody else's."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from gateway.chat.attachments import attach
from gateway.chat.conversations import delete_conversation, expire, rename, set_visibility
from gateway.chat.erasing import erase_person
from gateway.chat.excerpts import excerpt
from gateway.chat.indexing import index_missing
from gateway.chat.messages import ask
from gateway.chat.models import Conversation, Message, TitleTerms, Visibility
from gateway.chat.sealing import MOST_TERMS, Terms
from gateway.chat.search import Found, search
from tests.gateway.chat.conftest import Lab

CSV = b"ward,river\nOncology,Orinoco\n"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("heron", True),
        ("HERON", True),
        ("her", True),  # a beginning
        ("heron pond", True),  # both in one message
        ("Überfahrt", True),
        ("uberfahrt", True),
        ("eron", False),  # the middle of a word
        ("heron lake", False),
        ("", False),
        ("!!!", False),
    ],
)
def test_words_and_their_beginnings_are_found(lab: Lab, query: str, found: bool) -> None:
    conversation = lab.conversation(title="A talk")
    lab.said(conversation, "Where does the heron stand?", "In the pond, Überfahrt. A heron does.")
    assert bool(search(lab.ada, query)) is found


def test_only_what_one_may_write_in_is_found(lab: Lab) -> None:
    conversation = lab.conversation(title="A talk")
    lab.said(conversation, "heron", "pond")
    assert [each.conversation for each in search(lab.ada, "heron")] == [conversation.pk]
    assert search(lab.ben, "heron") == search(lab.eve, "heron") == []
    set_visibility(lab.ada, conversation.pk, Visibility.MEMBERS)
    assert len(search(lab.ben, "heron")) == 1
    assert search(lab.eve, "heron") == []


def test_a_temporary_conversation_is_not_found(lab: Lab) -> None:
    lab.said(lab.conversation(temporary=True, title="A talk"), "heron", "pond")
    assert search(lab.ada, "heron") == []


def sent_with_a_file(lab: Lab, *, temporary: bool = False) -> Conversation:
    conversation = lab.conversation(temporary=temporary, title="Numbers")
    file = attach(lab.ada, lab.project, name="wards.csv", content=CSV)
    ask(lab.ada, conversation.pk, "Have a look.", model="auto", attachments=[file.pk])
    return conversation


def names(found: list[Found]) -> list[tuple[int | None, str]]:
    return [(each.message, each.file) for each in found]


@pytest.mark.parametrize(
    ("query", "file"),
    [
        ("orinoco", "wards.csv"),
        ("ORIN oncology", "wards.csv"),
        ("wards", "wards.csv"),  # its name
        ("look", ""),
        ("look orinoco", ""),  # the message and its file together
        ("orinoco heron", None),
    ],
)
def test_what_stands_in_a_file_is_found_with_its_message(
    lab: Lab, query: str, file: str | None
) -> None:
    conversation = sent_with_a_file(lab)
    asked = conversation.messages.get(parent=None)
    expected = [] if file is None else [(asked.pk, file)]
    found = search(lab.ada, query)
    assert names(found) == expected
    if file:
        assert [each for each in found[0].parts[1::2]] != [] or query == "wards"
    assert search(lab.ben, query) == []


def test_a_title_is_found_and_stands_before_messages(lab: Lab) -> None:
    conversation = lab.conversation(title="Locks on the Orinoco")
    lab.said(conversation, "Where does the heron stand?")
    other = lab.conversation(title="Birds")
    lab.said(other, "Are there herons on the Orinoco?")
    found = search(lab.ada, "orinoco")
    assert [(each.conversation, each.message is None) for each in found] == [
        (conversation.pk, True),
        (other.pk, False),
    ]
    assert found[0].title == ("Locks on the ", "Orinoco", "")
    rename(lab.ada, conversation.pk, "Locks on the Amazon")
    assert [each.conversation for each in search(lab.ada, "orinoco")] == [other.pk]
    assert [each.conversation for each in search(lab.ada, "amazon")] == [conversation.pk]


def test_a_title_is_found_by_those_who_may_write_there_alone(lab: Lab) -> None:
    conversation = lab.conversation(title="Orinoco")
    assert search(lab.ben, "orinoco") == search(lab.eve, "orinoco") == []
    set_visibility(lab.ada, conversation.pk, Visibility.MEMBERS)
    assert len(search(lab.ben, "orinoco")) == 1
    assert search(lab.eve, "orinoco") == []


def test_nothing_of_a_temporary_conversation_is_in_the_index(lab: Lab) -> None:
    conversation = sent_with_a_file(lab, temporary=True)
    rename(lab.ada, conversation.pk, "Orinoco")
    index_missing()
    assert not TitleTerms.objects.exists()
    assert search(lab.ada, "orinoco") == []


@pytest.mark.parametrize("how", ["deleted", "expired", "erased"])
def test_what_is_gone_is_gone_from_the_index(lab: Lab, how: str) -> None:
    conversation = sent_with_a_file(lab)
    rename(lab.ada, conversation.pk, "Numbers of the Orinoco")
    assert len(search(lab.ada, "orinoco")) == 2
    if how == "deleted":
        delete_conversation(lab.ada, conversation.pk)
    elif how == "expired":
        Conversation.objects.update(expires_at=timezone.now())
        expire(timezone.now() + timedelta(seconds=1))
    else:
        erase_person(lab.ada)
    assert not TitleTerms.objects.exists()
    assert matches(Terms(lab.project).wanted("orinoco")) == 0


def matches(wanted: list[tuple[str, ...]]) -> int:
    """How many rows the index itself finds, whoever asks."""
    words = [each for each in wanted[0]]
    if connection.vendor == "postgresql":
        return Message.objects.filter(terms__contains=words[0]).count()
    with connection.cursor() as cursor:
        found = 0
        for index in ("chat_terms", "chat_title_terms"):
            sql = f"SELECT count(*) FROM {index} WHERE {index} MATCH %s"  # noqa: S608
            cursor.execute(sql, [" OR ".join(words)])
            found += cursor.fetchone()[0]
    return found


def test_words_in_conversations_of_others_leave_the_index_when_a_person_is_erased(
    lab: Lab,
) -> None:
    conversation = lab.conversation(title="Shared")
    set_visibility(lab.ada, conversation.pk, Visibility.MEMBERS)
    file = attach(lab.ben, lab.project, name="wards.csv", content=CSV)
    ask(lab.ben, conversation.pk, "Look.", model="auto", attachments=[file.pk])
    assert len(search(lab.ada, "orinoco")) == 1
    erase_person(lab.ben)
    assert search(lab.ada, "orinoco") == []
    assert matches(Terms(lab.project).wanted("orinoco")) == 0


def test_what_was_there_before_the_index_knew_titles_and_files_is_brought_in(lab: Lab) -> None:
    conversation = sent_with_a_file(lab)
    rename(lab.ada, conversation.pk, "Numbers of the Orinoco")
    TitleTerms.objects.all().delete()
    Message.objects.update(terms="")
    assert search(lab.ada, "orinoco") == []
    assert (index_missing(), index_missing()) == (1, 0)
    assert len(search(lab.ada, "orinoco")) == 2


def test_a_search_asks_as_many_queries_however_much_it_finds(lab: Lab) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as asked:
            assert search(lab.ada, "orinoco")
        return len(asked)

    sent_with_a_file(lab)
    first = queries()
    for _ in range(5):
        rename(lab.ada, sent_with_a_file(lab).pk, "Orinoco")
    assert queries() <= first


def test_a_message_of_very_many_words_is_kept_with_an_index_entry_of_bounded_size(
    lab: Lab,
) -> None:
    # PostgreSQL would refuse the row, and with it the message.
    text = " ".join(f"word{number:05}end" for number in range(30_000))
    conversation = lab.conversation(title="Many words")
    asked = ask(lab.ada, conversation.pk, text, model="auto").person
    assert len(asked.terms.split()) <= MOST_TERMS
    assert [each.message for each in search(lab.ada, "word00007end")] == [asked.pk]


def test_the_same_word_has_another_hash_in_another_project(lab: Lab) -> None:
    assert set(Terms(lab.project).of("heron").split()).isdisjoint(
        Terms(lab.other).of("heron").split()
    )


def test_an_excerpt_marks_every_second_part() -> None:
    parts = excerpt("A heron stands in the pond.", "HER")
    assert parts == ("A ", "heron", " stands in the pond.")
    assert "".join(excerpt("x " * 300 + "heron" + " y" * 300, "heron")).count("heron") == 1
