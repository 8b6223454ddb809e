"""Messages: asking, asking again, feedback, and what becomes of a reply.

A reply that is being written grows by pieces, each committed before anybody is told of it, so
that what people saw survives the process that wrote it. INVARIANT: of those that want to end a
reply exactly one succeeds (a conditional update decides).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from gateway.accounts.acting import actor_name
from gateway.accounts.models import User
from gateway.audit.holds import refuse_held
from gateway.chat.access import get_conversation
from gateway.chat.attachments import unsent
from gateway.chat.body import MAX_TEXT_CHARS
from gateway.chat.conversations import give_title, touch
from gateway.chat.indexing import terms_of
from gateway.chat.models import (
    Attachment,
    Author,
    Conversation,
    Feedback,
    Message,
    Piece,
    State,
)
from gateway.chat.receipts import Receipt, read_receipt
from gateway.chat.sealing import Seal
from gateway.chat.tree import resting
from gateway.protocol.errors import InvalidRequest, NotFound

# A process says that it lives every two seconds; one that was silent for so long is dead.
DEAD_AFTER = timedelta(seconds=20)
FILE_GONE = "An attached file is not there any more."


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and the reply that is about to be written."""

    conversation: Conversation
    person: Message
    reply: Message
    named: bool = False  # the owner's message gave a conversation without a title one


def ask(
    user: User,
    conversation_id: str,
    text: str,
    *,
    model: str,
    parent: int | None = None,
    attachments: Sequence[str] = (),
) -> Exchange:
    """Add a message behind `parent` (None: at the beginning) and an empty reply.

    Raises NoSuchConversation, InvalidRequest, NotFound for a parent or attachment that is not
    there.
    """
    conversation = get_conversation(user, conversation_id, write=True)
    _check(text, model, attachments)
    behind = None
    if parent is not None:
        behind = get_message(conversation, parent)
        if behind.state == State.WRITING:
            raise InvalidRequest(
                "A reply is being written here: wait for it, or stop it.", param="parent"
            )
        behind = resting(behind)
    seal = Seal(conversation)
    with transaction.atomic():
        person = Message(
            conversation=conversation,
            parent=behind,
            role=Author.PERSON,
            author=user,
            sealed_text=seal.close(text, "text"),
        )
        files = _attachable(user, conversation, attachments)
        if not conversation.temporary:
            person.terms = terms_of(conversation, text, files)
        person.save(force_insert=True)
        _attach(person, files)
        reply = _begin(user, conversation, person, model)
        nameless = not conversation.sealed_title and conversation.owner_id == user.pk
        named = nameless and give_title(conversation, text)
    return Exchange(conversation, person, reply, named=named)


def ask_again(user: User, conversation_id: str, reply_id: int, *, model: str = "") -> Exchange:
    """A second reply to the same question, from the same model or another.

    Raises NoSuchConversation, NotFound, InvalidRequest.
    """
    conversation = get_conversation(user, conversation_id, write=True)
    before = get_message(conversation, reply_id)
    if before.role != Author.REPLY or before.parent is None:
        raise InvalidRequest("Only a reply can be written again.", param="message")
    with transaction.atomic():
        reply = _begin(user, conversation, before.parent, model or before.model)
    return Exchange(conversation, before.parent, reply)


def get_message(conversation: Conversation, message_id: int) -> Message:
    """A message of the conversation. Raises NotFound."""
    found = Message.objects.filter(conversation=conversation, pk=message_id)
    message = found.select_related("parent__parent").first()
    if message is None:
        raise NotFound("There is no such message here.", param="message")
    return message


def take_back(user: User, conversation_id: str, message_id: int) -> str:
    """Delete a message of one's own that was refused or failed; returns its text.

    Raises NoSuchConversation, NotFound, UnderLegalHold, InvalidRequest when it is part of the talk.
    """
    conversation = get_conversation(user, conversation_id, write=True)
    refuse_held(project=conversation.project.slug, people=[actor_name(user)])
    message = get_message(conversation, message_id)
    if message.author_id != user.pk or message.role != Author.PERSON:
        raise InvalidRequest("Only a message of your own can be taken back.", param="message")
    replies = list(message.children.values_list("state", flat=True))
    if any(state not in {State.REFUSED, State.FAILED} for state in replies):
        raise InvalidRequest("This message was answered; edit it instead.", param="message")
    text = Seal(conversation).open(message.sealed_text, "text")
    with transaction.atomic():
        head = message.parent_id
        message.delete()
        Conversation.objects.filter(pk=conversation.pk).update(head_id=head)
    return text


def give_feedback(user: User, conversation_id: str, message_id: int, good: bool | None) -> None:
    """Say what one thinks of a reply; None takes it back. Raises NoSuchConversation, NotFound."""
    conversation = get_conversation(user, conversation_id, write=True)
    message = get_message(conversation, message_id)
    if good is None:
        Feedback.objects.filter(message=message, user=user).delete()
        return
    Feedback.objects.update_or_create(message=message, user=user, defaults={"good": good})


def ask_to_stop(user: User, conversation_id: str, message_id: int) -> bool:
    """Ask whoever writes a reply to stop. False: it is not being written."""
    conversation = get_conversation(user, conversation_id, write=True)
    writing = Message.objects.filter(conversation=conversation, pk=message_id, state=State.WRITING)
    return writing.update(stop_asked=True) == 1


def add_piece(message_id: int, seal: Seal, number: int, text: str) -> None:
    """Keep the next piece of a reply. Call it before anybody is told of the piece."""
    Piece.objects.create(message_id=message_id, number=number, sealed_text=seal.close(text, "text"))


def pieces_after(message_id: int, seal: Seal, number: int) -> list[tuple[int, str]]:
    """The pieces of a reply behind `number`, in order."""
    rows = Piece.objects.filter(message_id=message_id, number__gt=number).order_by("number")
    return [
        (found, seal.open(sealed, "text"))
        for found, sealed in rows.values_list("number", "sealed_text")
    ]


def still_alive(message_id: int) -> bool:
    """Say that a reply is still being written. True: it is to stop (or has ended elsewhere)."""
    rows = Message.objects.filter(pk=message_id, state=State.WRITING)
    rows.update(alive_at=timezone.now())
    return not rows.filter(stop_asked=False).exists()


def finish(
    message_id: int,
    seal: Seal,
    *,
    state: State,
    text: str,
    receipt: Receipt,
    passes_on: dict[str, object],
) -> bool:
    """End a reply. False: it was ended already, and nothing changed."""
    with transaction.atomic():
        ended = Message.objects.filter(pk=message_id, state=State.WRITING).update(
            state=state,
            sealed_text=seal.close(text, "text"),
            sealed_receipt=seal.close(receipt.encoded(), "receipt"),
            passes_on=passes_on,
            finished_at=timezone.now(),
        )
        if not ended:
            return False
        Piece.objects.filter(message_id=message_id).delete()
        message = Message.objects.select_related("conversation__project").get(pk=message_id)
        if not message.conversation.temporary:
            message.terms = terms_of(message.conversation, text)
            message.save(update_fields=["terms"])
        Conversation.objects.filter(pk=message.conversation_id).update(updated_at=timezone.now())
    return True


def interrupt_dead(now: datetime, *, all_of_them: bool = False) -> list[tuple[str, int]]:
    """End the replies whose process died: (conversation, message) of each. Idempotent.

    `all_of_them`: also those that were alive a moment ago, where no other process can be writing.
    What had been written stays; the audit has the outcome from the dead process's journal.
    """
    rows = Message.objects.filter(state=State.WRITING).select_related("conversation__project")
    if not all_of_them:
        rows = rows.filter(alive_at__lt=now - DEAD_AFTER)
    ended = []
    for row in rows:
        seal = Seal(row.conversation)
        text = "".join(text for _, text in pieces_after(row.pk, seal, 0))
        receipt = read_receipt(seal.open(row.sealed_receipt, "receipt"))
        receipt.code = "interrupted"
        state = State.INTERRUPTED if text else State.FAILED
        if finish(row.pk, seal, state=state, text=text, receipt=receipt, passes_on=row.passes_on):
            ended.append((row.conversation_id, row.pk))
    return ended


def keep_receipt(
    message_id: int, seal: Seal, receipt: Receipt, passes_on: dict[str, object]
) -> None:
    """Note what is known once the reply begins, so that it survives the process."""
    Message.objects.filter(pk=message_id, state=State.WRITING).update(
        sealed_receipt=seal.close(receipt.encoded(), "receipt"), passes_on=passes_on
    )


def _check(text: str, model: str, attachments: Sequence[str]) -> None:
    if not text.strip() and not attachments:
        raise InvalidRequest("A message needs words or a file.", param="text")
    if len(text) > MAX_TEXT_CHARS:
        raise InvalidRequest(f"A message may have {MAX_TEXT_CHARS} characters.", param="text")
    if not model:
        raise InvalidRequest("`model` must name a model of this project.", param="model")


def _attachable(
    user: User, conversation: Conversation, attachments: Sequence[str]
) -> list[Attachment]:
    if not attachments:
        return []
    found = list(unsent(user, conversation.project, list(attachments)))
    if len(found) != len(set(attachments)):
        raise NotFound(FILE_GONE, param="attachments")
    return found


def _attach(person: Message, files: Sequence[Attachment]) -> None:
    if not files:
        return
    free = Attachment.objects.filter(pk__in=[row.pk for row in files], message=None)
    if free.update(message=person) != len(files):  # sent from another tab meanwhile
        raise NotFound(FILE_GONE, param="attachments")


def _begin(user: User, conversation: Conversation, person: Message, model: str) -> Message:
    reply = Message(
        conversation=conversation,
        parent=person,
        role=Author.REPLY,
        author=user,
        state=State.WRITING,
        model=model,
        alive_at=timezone.now(),
    )
    reply.save(force_insert=True)
    touch(Conversation.objects.filter(pk=conversation.pk), head=reply.pk, model=model)
    return reply
