"""What goes of the chat when a person is erased."""

from django.db import transaction

from gateway.accounts.models import User
from gateway.chat.conversations import delete_for_erasing
from gateway.chat.models import (
    Attachment,
    Author,
    Conversation,
    Feedback,
    LinkGuest,
    Message,
    Pin,
    Prompt,
    ShareLink,
)


def erase_person(user: User) -> int:
    """Delete a person's conversations and prompts, and their words in those of others.

    Idempotent. Returns how many conversations and messages were emptied or deleted.
    """
    own = Conversation.objects.filter(owner=user).select_related("project")
    gone = 0
    for conversation in own.iterator():
        delete_for_erasing(conversation)
        gone += 1
    with transaction.atomic():
        written = Message.objects.filter(author=user, role=Author.PERSON)
        gone += written.exclude(sealed_text=b"").update(sealed_text=b"", sealed_html=b"", terms="")
        Attachment.objects.filter(owner=user).delete()
        Message.objects.filter(author=user).update(author=None)
        for model, field in (
            (Prompt, "owner"),
            (Feedback, "user"),
            (Pin, "user"),
            (LinkGuest, "user"),
            (ShareLink, "created_by"),
        ):
            model._default_manager.filter(**{field: user}).delete()
    return gone
