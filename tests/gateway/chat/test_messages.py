"""The tree of messages: branches, what is part of a talk, and how replies end."""

from datetime import timedelta

import msgspec
import pytest
from django.utils import timezone

from gateway.chat import messages
from gateway.chat.body import content_of, request_body
from gateway.chat.branches import branch_of
from gateway.chat.models import Conversation, Message, Piece, State
from gateway.chat.receipts import Receipt
from gateway.chat.sealing import Seal
from gateway.chat.tree import shown_leaf, tree_of
from gateway.protocol.errors import InvalidRequest, NotFound
from tests.gateway.chat.conftest import Lab


def told(conversation: Conversation, leaf: int) -> list[str]:
    """What a model is told when the message `leaf` is asked."""
    path = tree_of(conversation).path(leaf)
    branch = branch_of(conversation, Seal(conversation), path, model="auto")
    return [str(content_of(turn)) for turn in branch.turns]


def test_an_edited_message_starts_a_branch_that_knows_nothing_of_the_other(lab: Lab) -> None:
    conversation = lab.conversation()
    first = lab.said(conversation, "One?", "1")
    second = lab.said(conversation, "Two?", "2", parent=first.reply.pk)
    edited = lab.said(conversation, "Zwei?", "zwei", parent=first.reply.pk)
    assert told(conversation, edited.person.pk) == ["One?", "1", "Zwei?"]
    tree = tree_of(conversation)
    assert tree.siblings(edited.person.pk) == [second.person.pk, edited.person.pk]
    conversation.refresh_from_db()
    assert shown_leaf(conversation, tree) == edited.reply.pk
    assert shown_leaf(conversation, tree, second.person.pk) == second.reply.pk


def test_a_reply_written_again_stands_beside_the_first(lab: Lab) -> None:
    conversation = lab.conversation()
    first = lab.said(conversation, "One?", "1")
    again = messages.ask_again(lab.ada, conversation.pk, first.reply.pk, model="other")
    assert again.person.pk == first.person.pk
    assert again.reply.model == "other"
    assert tree_of(conversation).siblings(again.reply.pk) == [first.reply.pk, again.reply.pk]
    with pytest.raises(InvalidRequest):
        messages.ask_again(lab.ada, conversation.pk, first.person.pk)


@pytest.mark.parametrize("state", [State.REFUSED, State.FAILED])
def test_what_was_refused_or_failed_is_no_part_of_the_talk(lab: Lab, state: State) -> None:
    conversation = lab.conversation()
    first = lab.said(conversation, "One?", "1")
    refused = lab.said(conversation, "Secret?", "", parent=first.reply.pk, state=state)
    following = lab.said(conversation, "Two?", "2", parent=refused.reply.pk)
    assert told(conversation, following.person.pk) == ["One?", "1", "Two?"]
    assert messages.take_back(lab.ada, conversation.pk, refused.person.pk) == "Secret?"
    assert not Message.objects.filter(pk=refused.reply.pk).exists()


def test_an_answered_message_and_one_of_somebody_else_cannot_be_taken_back(lab: Lab) -> None:
    conversation = lab.conversation()
    first = lab.said(conversation, "One?", "1")
    with pytest.raises(InvalidRequest, match="answered"):
        messages.take_back(lab.ada, conversation.pk, first.person.pk)


def test_a_reply_that_was_stopped_in_its_middle_stays_part_of_the_talk(lab: Lab) -> None:
    conversation = lab.conversation()
    first = lab.said(conversation, "One?", "On", state=State.STOPPED)
    second = lab.said(conversation, "Two?", "2", parent=first.reply.pk)
    assert told(conversation, second.person.pk) == ["One?", "On", "Two?"]


def test_system_prompt_examples_and_parameters_travel(lab: Lab) -> None:
    conversation = lab.conversation(
        system="Be brief.", examples=(("a", "b"),), parameters={"temperature": 0.5}
    )
    first = lab.said(conversation, "One?", "1")
    path = tree_of(conversation).path(first.person.pk)
    body = msgspec.json.decode(
        request_body(branch_of(conversation, Seal(conversation), path, model="auto"))
    )
    assert [each["content"] for each in body["messages"]] == ["Be brief.", "a", "b", "One?"]
    assert body["temperature"] == 0.5
    assert "top_p" not in body


def test_a_message_of_another_conversation_is_no_place_to_answer(lab: Lab) -> None:
    elsewhere = lab.said(lab.conversation(), "One?", "1")
    conversation = lab.conversation()
    with pytest.raises(NotFound):
        messages.ask(lab.ada, conversation.pk, "Hi", model="auto", parent=elsewhere.reply.pk)
    with pytest.raises(NotFound):
        messages.give_feedback(lab.ada, conversation.pk, elsewhere.reply.pk, True)
    assert not messages.ask_to_stop(lab.ada, conversation.pk, elsewhere.reply.pk)


@pytest.mark.parametrize(
    ("text", "model", "param"),
    [("  ", "auto", "text"), ("Hi", "", "model"), ("x" * 400_001, "auto", "text")],
)
def test_a_bad_message_is_refused_and_leaves_nothing(
    lab: Lab, text: str, model: str, param: str
) -> None:
    conversation = lab.conversation()
    with pytest.raises(InvalidRequest) as refused:
        messages.ask(lab.ada, conversation.pk, text, model=model)
    assert refused.value.param == param
    assert not Message.objects.exists()


def test_nobody_writes_behind_a_reply_that_is_being_written(lab: Lab) -> None:
    conversation = lab.conversation()
    exchange = messages.ask(lab.ada, conversation.pk, "One?", model="auto")
    with pytest.raises(InvalidRequest, match="being written"):
        messages.ask(lab.ada, conversation.pk, "Two?", model="auto", parent=exchange.reply.pk)


def test_a_reply_whose_process_died_ends_as_interrupted_with_what_was_there(lab: Lab) -> None:
    conversation = lab.conversation()
    seal = Seal(conversation)
    exchange = messages.ask(lab.ada, conversation.pk, "One?", model="auto")
    for number, piece in enumerate(["It is ", "half"], start=1):
        messages.add_piece(exchange.reply.pk, seal, number, piece)
    now = timezone.now()
    assert messages.interrupt_dead(now) == []  # it was alive a moment ago
    later = now + timedelta(minutes=1)
    assert messages.interrupt_dead(later) == [(conversation.pk, exchange.reply.pk)]
    assert messages.interrupt_dead(later) == []
    reply = Message.objects.get(pk=exchange.reply.pk)
    assert (reply.state, seal.open(reply.sealed_text, "text")) == ("interrupted", "It is half")
    assert not Piece.objects.exists()


def test_of_those_that_end_a_reply_one_succeeds(lab: Lab) -> None:
    conversation = lab.conversation()
    seal = Seal(conversation)
    reply = messages.ask(lab.ada, conversation.pk, "One?", model="auto").reply.pk

    def end(state: State) -> bool:
        return messages.finish(
            reply, seal, state=state, text=state, receipt=Receipt(), passes_on={}
        )

    assert end(State.STOPPED)
    assert not end(State.DONE)
    assert seal.open(Message.objects.get(pk=reply).sealed_text, "text") == "stopped"


def test_what_was_sealed_for_one_place_opens_in_no_other(lab: Lab) -> None:
    one, other = lab.conversation(), lab.conversation()
    sealed = Seal(one).close("words", "text")
    assert Seal(one).open(sealed, "text") == "words"
    with pytest.raises(Exception, match="does not open"):
        Seal(other).open(sealed, "text")
    with pytest.raises(Exception, match="does not open"):
        Seal(one).open(sealed, "title")
