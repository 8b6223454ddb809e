"""Finding words in all of one's conversations, and in nobody else's."""

import pytest

from gateway.chat.conversations import set_visibility
from gateway.chat.models import Visibility
from gateway.chat.search import excerpt, search
from tests.gateway.chat.conftest import Lab


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
    conversation = lab.conversation()
    lab.said(conversation, "Where does the heron stand?", "In the pond, Überfahrt. A heron does.")
    assert bool(search(lab.ada, query)) is found


def test_only_what_one_may_write_in_is_found(lab: Lab) -> None:
    conversation = lab.conversation()
    lab.said(conversation, "heron", "pond")
    assert [each.conversation for each in search(lab.ada, "heron")] == [conversation.pk]
    assert search(lab.ben, "heron") == search(lab.eve, "heron") == []
    set_visibility(lab.ada, conversation.pk, Visibility.MEMBERS)
    assert len(search(lab.ben, "heron")) == 1
    assert search(lab.eve, "heron") == []


def test_a_temporary_conversation_is_not_found(lab: Lab) -> None:
    lab.said(lab.conversation(temporary=True), "heron", "pond")
    assert search(lab.ada, "heron") == []


def test_the_same_word_has_another_hash_in_another_project(lab: Lab) -> None:
    from gateway.chat.sealing import Terms  # noqa: PLC0415

    assert set(Terms(lab.project).of("heron").split()).isdisjoint(
        Terms(lab.other).of("heron").split()
    )


def test_an_excerpt_marks_every_second_part() -> None:
    parts = excerpt("A heron stands in the pond.", "HER")
    assert parts == ("A ", "heron", " stands in the pond.")
    assert "".join(excerpt("x " * 300 + "heron" + " y" * 300, "heron")).count("heron") == 1
