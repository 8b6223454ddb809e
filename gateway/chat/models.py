"""Tables of the chat. Rows change through the services of `gateway.chat` only.

INVARIANT: what people or models wrote is sealed (`sealed_*`) under the conversation's own key,
which is sealed under the project's. `Message.terms` and `TitleTerms`
hold keyed hashes of words, for searching.
"""

import secrets
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone
from typing_extensions import override

from gateway.accounts.models import Project


def new_conversation_id() -> str:
    """`c` and 24 random characters."""
    return "c" + secrets.token_hex(12)


def new_attachment_id() -> str:
    """`a` and 24 random characters."""
    return "a" + secrets.token_hex(12)


class Visibility(models.TextChoices):
    """Who besides the owner may read and write."""

    PRIVATE = "private", "private"
    MEMBERS = "members", "members"  # everybody who may write in the project


class Author(models.TextChoices):
    """Whose message it is."""

    PERSON = "person", "person"
    REPLY = "reply", "reply"


class State(models.TextChoices):
    """What has become of a message. A person's message is always done."""

    DONE = "done", "done"
    WRITING = "writing", "writing"
    STOPPED = "stopped", "stopped"  # somebody pressed Stop
    INTERRUPTED = "interrupted", "interrupted"  # the process or the model server broke off
    REFUSED = "refused", "refused"  # by the policy: nothing was sent
    FAILED = "failed", "failed"  # no reply came


class AttachmentKind(models.TextChoices):
    """What of an attachment can be sent."""

    TEXT = "text", "text"
    IMAGE = "image", "image"
    UNREADABLE = "unreadable", "unreadable"


class Conversation(models.Model):
    """A tree of messages in one project. `head` is the message written last."""

    id = models.CharField(max_length=40, primary_key=True, default=new_conversation_id)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="conversations")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="conversations"
    )
    visibility = models.CharField(
        max_length=10, choices=Visibility.choices, default=Visibility.PRIVATE
    )
    temporary = models.BooleanField(default=False)
    sealed_key = models.BinaryField()
    sealed_title = models.BinaryField()
    sealed_system = models.BinaryField(default=bytes)
    sealed_examples = models.BinaryField(default=bytes)  # JSON: pairs of question and answer
    model = models.CharField(max_length=200)  # the alias chosen last
    temperature = models.FloatField(null=True, blank=True)
    top_p = models.FloatField(null=True, blank=True)
    max_tokens = models.PositiveIntegerField(null=True, blank=True)
    head_id = models.BigIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["project", "owner", "-updated_at"], name="chat_by_owner"),
            models.Index(fields=["project", "visibility", "-updated_at"], name="chat_by_project"),
            models.Index(fields=["expires_at"], name="chat_by_expiry"),
        ]

    @override
    def __str__(self) -> str:
        return self.id


class TitleTerms(models.Model):
    """Keyed hashes of the words of a title, for searching. A temporary conversation has none; of
    any other, a missing row says that it is not in the index as it should be."""

    conversation = models.OneToOneField(
        Conversation, on_delete=models.CASCADE, related_name="title_terms"
    )
    terms = models.TextField(blank=True, default="")

    @override
    def __str__(self) -> str:
        return self.conversation_id


class Message(models.Model):
    """One message. Siblings (messages with the same parent) are branches."""

    conversation = models.ForeignKey(
        Conversation, on_delete=models.CASCADE, related_name="messages"
    )
    parent = models.ForeignKey(
        "self", on_delete=models.CASCADE, null=True, blank=True, related_name="children"
    )
    role = models.CharField(max_length=10, choices=Author.choices)
    author = models.ForeignKey(  # of a reply: who asked for it
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    state = models.CharField(max_length=12, choices=State.choices, default=State.DONE)
    model = models.CharField(max_length=200, blank=True, default="")  # a reply's alias
    sealed_text = models.BinaryField(default=bytes)
    sealed_html = models.BinaryField(default=bytes)  # rendered; empty: not yet
    html_version = models.PositiveSmallIntegerField(default=0)
    sealed_receipt = models.BinaryField(default=bytes)  # JSON; see gateway.chat.receipts
    # What everything made of this exchange inherits: {"sensitivity", "categories"}; empty: nothing.
    passes_on = models.JSONField(default=dict, blank=True)
    terms = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    # While it is being written: when its process last said so, and whether it is to stop.
    alive_at = models.DateTimeField(null=True, blank=True)
    stop_asked = models.BooleanField(default=False)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["conversation", "id"], name="chat_messages"),
            models.Index(
                fields=["alive_at"],
                name="chat_writing",
                condition=models.Q(state=State.WRITING),
            ),
        ]

    @override
    def __str__(self) -> str:
        return str(self.pk)


class Piece(models.Model):
    """A piece of a reply that is being written. Gone once the reply is whole."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="pieces")
    number = models.PositiveIntegerField()
    sealed_text = models.BinaryField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["message", "number"], name="chat_piece_number")
        ]

    @override
    def __str__(self) -> str:
        return f"{self.message_id}/{self.number}"


class Attachment(models.Model):
    """A file beside a message: its extracted text, or an image. Other bytes are not kept."""

    id = models.CharField(max_length=40, primary_key=True, default=new_attachment_id)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    message = models.ForeignKey(
        Message, on_delete=models.CASCADE, null=True, blank=True, related_name="attachments"
    )
    kind = models.CharField(max_length=12, choices=AttachmentKind.choices)
    media_type = models.CharField(max_length=100, blank=True, default="")
    bytes = models.BigIntegerField(default=0)
    # Under the project's key: it is there before its message is.
    sealed_name = models.BinaryField()
    sealed_content = models.BinaryField(default=bytes)
    created_at = models.DateTimeField(default=timezone.now)

    @override
    def __str__(self) -> str:
        return self.id


class Feedback(models.Model):
    """What a person thinks of a reply."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="feedback")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    good = models.BooleanField()
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["message", "user"], name="chat_one_feedback")
        ]

    @override
    def __str__(self) -> str:
        return f"{self.message_id} {'good' if self.good else 'bad'}"


class Pin(models.Model):
    """A conversation that a person keeps at the top of their list."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="pins")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["conversation", "user"], name="chat_one_pin")
        ]

    @override
    def __str__(self) -> str:
        return self.conversation_id


class ShareLink(models.Model):
    """An address under which signed-in people may read a conversation while it lasts."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="links")
    digest = models.CharField(max_length=64, unique=True)  # SHA-256 of the secret, hex
    sealed_secret = models.BinaryField()  # so that the owner can copy it again
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    @override
    def __str__(self) -> str:
        return str(self.pk)


class LinkGuest(models.Model):
    """A person who came by a link. Counts only as long as the link does."""

    link = models.ForeignKey(ShareLink, on_delete=models.CASCADE, related_name="guests")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["link", "user"], name="chat_one_guest")
        ]

    @override
    def __str__(self) -> str:
        return f"guest of {self.link_id}"


class Prompt(models.Model):
    """An entry of the prompt library: text with {{variables}}, system prompt, examples."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="prompts")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    shared = models.BooleanField(default=False)  # with the project's members
    sealed_content = models.BinaryField()  # JSON; see gateway.chat.prompts
    updated_at = models.DateTimeField(default=timezone.now)

    @override
    def __str__(self) -> str:
        return str(self.pk)
