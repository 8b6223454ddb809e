"""Messages as the pages show them. The HTML is the same for everybody who may see it, so that one
rendering serves all who watch."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from frontend.badges import Badge, badge_for
from frontend.money.amounts import money
from frontend.prose import VERSION, Growing, render
from frontend.words import category_word, sensitivity_word
from gateway.chat.branches import sent_file
from gateway.chat.messages import pieces_after
from gateway.chat.models import Attachment, AttachmentKind, Author, Conversation, Message, State
from gateway.chat.receipts import MaskedItem, Receipt, read_receipt
from gateway.chat.sealing import Seal
from gateway.chat.tree import Tree
from gateway.files.keys import project_key

COLOURS = 6
PEEKED = 4  # masked things that a glance shows; the receipt has all
REMEDY = "What would allow it:"
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who writes or looks."""

    id: str
    name: str
    colour: int

    @property
    def initial(self) -> str:
        """For the round sign beside the name."""
        return self.name[:1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One message with everything its template needs."""

    id: int
    conversation: str
    parent: int | None
    role: str
    state: str
    model: str
    person: Person
    html: str = field(repr=False)
    tail: str = field(default="", repr=False)
    receipt: Receipt = field(repr=False)
    files: tuple[Json, ...] = ()
    branch: Json | None = None
    at: datetime | None = None

    @property
    def badge(self) -> Badge | None:
        """Where it went, once that is known."""
        if not self.receipt.zone:
            return None
        return badge_for(self.receipt.zone, masked=self.receipt.masked)

    @property
    def label(self) -> str:
        """The label in words."""
        words = [sensitivity_word(self.receipt.sensitivity)] if self.receipt.sensitivity else []
        return " · ".join([*words, *(category_word(name) for name in self.receipt.categories)])

    @property
    def reason(self) -> str:
        """Why there is no reply, without what would help: that has a line of its own."""
        return self.receipt.reason.split(REMEDY)[0].strip()

    @property
    def tokens(self) -> str:
        """Both counts, where they are known."""
        if self.receipt.prompt_tokens is None or self.receipt.completion_tokens is None:
            return ""
        return _("%(in)s in · %(out)s out") % {
            "in": f"{self.receipt.prompt_tokens:,}",
            "out": f"{self.receipt.completion_tokens:,}",
        }

    @property
    def cost(self) -> str:
        """What it cost; empty where nobody knows."""
        told = money(self.receipt.cost_nano)
        return f"≈ {told}" if told and self.receipt.estimated else told

    @property
    def peeked(self) -> list[MaskedItem]:
        """The first of what was masked, for a glance."""
        return self.receipt.masked_items[:PEEKED]

    @property
    def seconds(self) -> str:
        """How long it took."""
        return f"{self.receipt.seconds:.1f}" if self.receipt.seconds is not None else ""

    @property
    def another(self) -> str:
        """The alias of another model that would be allowed to get a refused message."""
        return next((way.alias for way in self.receipt.ways if way.alias), "")


def person_shown(user_id: object, name: str) -> Person:
    """A person, with a colour that stays."""
    digits = str(user_id).replace("-", "")
    colour = int(digits[:6], 16) % COLOURS if digits else 0
    return Person(str(user_id), name or _("Somebody"), colour)


def show(
    conversation: Conversation,
    seal: Seal,
    tree: Tree,
    rows: Iterable[Message],
    *,
    growing: dict[int, Growing] | None = None,
) -> list[Shown]:
    """Messages as they are now. `growing`: replies that are watched while they are written.

    `rows` carry their author. Two queries beside the rows', and one for each reply of which HTML
    had to be made, which is stored.
    """
    found = list(rows)
    files = _files(conversation, found)
    return [
        _shown(row, conversation, seal, tree, files.get(row.pk, ()), growing or {}) for row in found
    ]


def _shown(
    row: Message,
    conversation: Conversation,
    seal: Seal,
    tree: Tree,
    files: tuple[Json, ...],
    growing: dict[int, Growing],
) -> Shown:
    html, tail = _html(row, seal, growing.get(row.pk))
    return Shown(
        id=row.pk,
        conversation=conversation.pk,
        parent=row.parent_id,
        role=row.role,
        state=row.state,
        model=row.model,
        person=person_shown(row.author_id, str(row.author) if row.author else ""),
        html=html,
        tail=tail,
        receipt=read_receipt(seal.open(row.sealed_receipt, "receipt")),
        files=files,
        branch=branch_of(tree, row.pk),
        at=row.created_at,
    )


def branch_of(tree: Tree, message: int) -> Json | None:
    """Where a message stands among its siblings, and the branches beside it."""
    if message not in tree.parents:
        return None
    siblings = tree.siblings(message)
    if len(siblings) == 1:
        return None
    at = siblings.index(message)
    return {
        "number": at + 1,
        "of": len(siblings),
        "previous": siblings[at - 1] if at else None,
        "next": siblings[at + 1] if at + 1 < len(siblings) else None,
    }


def _html(row: Message, seal: Seal, growing: Growing | None) -> tuple[str, str]:
    if row.role == Author.PERSON:
        return seal.open(row.sealed_text, "text"), ""
    if row.state == State.WRITING:
        if growing is None:
            growing = Growing()
            growing.feed("".join(text for _, text in pieces_after(row.pk, seal, 0)))
        return "".join(growing.blocks), growing.tail
    if row.html_version == VERSION and row.sealed_html:
        return seal.open(row.sealed_html, "html"), ""
    html = render(seal.open(row.sealed_text, "text"))
    if html:
        Message.objects.filter(pk=row.pk).update(
            sealed_html=seal.close(html, "html"), html_version=VERSION
        )
    return html, ""


def _files(conversation: Conversation, rows: list[Message]) -> dict[int, tuple[Json, ...]]:
    ids = [row.pk for row in rows if row.role == Author.PERSON]
    found: dict[int, tuple[Json, ...]] = {}
    if not ids:
        return found
    attachments = list(Attachment.objects.filter(message_id__in=ids).order_by("created_at"))
    key = project_key(conversation.project) if attachments else None
    for row in attachments:
        if row.message_id is not None:
            shown = file_shown(row, key=key)
            found[row.message_id] = (*found.get(row.message_id, ()), shown)
    return found


def file_shown(row: Attachment, *, key: bytes | None = None) -> Json:
    """An attachment as its card shows it. `key`: its project's, where it is known."""
    file = sent_file(row, key=key)
    return {
        "id": row.pk,
        "name": file.name,
        "kind": row.kind,
        "size": size_word(row.bytes),
        "text": file.text,
        "image": _image(row, file.image) if row.kind == AttachmentKind.IMAGE else "",
    }


def _image(row: Attachment, content: bytes) -> str:
    from gateway.chat.attachments import image_address  # noqa: PLC0415 -- parsers load late

    return image_address(row, content)


def size_word(size: int) -> str:
    """`12 KB`."""
    if size < 1024:
        return f"{size} B"
    if size < 1024 * 1024:
        return f"{size / 1024:.0f} KB"
    return f"{size / 1024 / 1024:.1f} MB"


def article(shown: Shown) -> str:
    """A message's HTML."""
    return render_to_string("message/message.html", {"message": shown})
