"""What the search index gets: keyed hashes of the words of titles, messages and their files.

INVARIANT: nothing of a temporary conversation is ever in it. What is deleted or emptied leaves the
index in the same statement (triggers of the database).
"""

from collections.abc import Sequence

from gateway.chat.branches import sent_file
from gateway.chat.models import Attachment, Author, Conversation, Message, TitleTerms
from gateway.chat.sealing import Seal, Terms
from gateway.files.keys import project_key

AT_ONCE = 100


def terms_of(conversation: Conversation, text: str, files: Sequence[Attachment] = ()) -> str:
    """The terms of a message with its files: their names and what could be read of them."""
    key = project_key(conversation.project) if files else None
    texts = [text]
    for row in files:
        file = sent_file(row, key=key)
        texts += [file.name, file.text]
    return Terms(conversation.project).of(*texts)


def index_title(conversation: Conversation, title: str) -> None:
    """Make `title` what is found of the conversation's own name."""
    if conversation.temporary:
        return
    terms = Terms(conversation.project).of(title)
    TitleTerms.objects.update_or_create(conversation=conversation, defaults={"terms": terms})


def index_missing() -> int:
    """Bring conversations into the index that were made before it held titles and files: some at
    a time. Idempotent. Returns how many."""
    rows = Conversation.objects.filter(title_terms=None, temporary=False)
    done = 0
    for conversation in rows.select_related("project")[:AT_ONCE]:
        seal = Seal(conversation)
        with_files = conversation.messages.filter(
            role=Author.PERSON, attachments__isnull=False
        ).distinct()
        for message in with_files.prefetch_related("attachments"):
            text = seal.open(message.sealed_text, "text")
            terms = terms_of(conversation, text, list(message.attachments.all()))
            Message.objects.filter(pk=message.pk).update(terms=terms)
        index_title(conversation, seal.open(conversation.sealed_title, "title"))
        done += 1
    return done
