"""A branch of a stored conversation as what would be sent, opened and joined with its files."""

import msgspec

from gateway.chat.body import Branch, SentFile, Settings, Turn
from gateway.chat.models import Attachment, AttachmentKind, Author, Conversation, Message
from gateway.chat.sealing import Seal
from gateway.chat.tree import counts
from gateway.files.encrypted import unseal
from gateway.files.keys import project_key
from policies.engine.labels import Label, Sensitivity


def settings_of(conversation: Conversation, seal: Seal) -> Settings:
    """System prompt, examples and parameters of a conversation."""
    examples = seal.open(conversation.sealed_examples, "examples")
    return Settings(
        system=seal.open(conversation.sealed_system, "system"),
        examples=tuple(
            (question, answer)
            for question, answer in (msgspec.json.decode(examples) if examples else [])
        ),
        temperature=conversation.temperature,
        top_p=conversation.top_p,
        max_tokens=conversation.max_tokens,
    )


def turns_to(conversation: Conversation, seal: Seal, path: list[int]) -> list[Turn]:
    """The turns along `path` that a model is told. Refused and failed exchanges are left out.

    Three queries, whatever the length and however many files.
    """
    found = Message.objects.filter(conversation=conversation, pk__in=path)
    rows = (
        {row.pk: row for row in found.defer("sealed_html", "terms", "sealed_receipt")}
        if len(path) < 500
        else {
            row.pk: row
            for row in Message.objects.filter(conversation=conversation).defer(
                "sealed_html", "terms", "sealed_receipt"
            )
        }
    )
    files = _files_of(conversation, path)
    turns: list[Turn] = []
    for at, message_id in enumerate(path):
        row = rows[message_id]
        following = rows[path[at + 1]] if at + 1 < len(path) else None
        answered = following is None or following.role != Author.REPLY or counts(following)
        if not counts(row) or not answered:
            continue
        turns.append(
            Turn(
                role="user" if row.role == Author.PERSON else "assistant",
                text=seal.open(row.sealed_text, "text"),
                files=tuple(files.get(message_id, ())),
                passes_on=read_label(row.passes_on),
            )
        )
    return turns


def _files_of(conversation: Conversation, path: list[int]) -> dict[int, list[SentFile]]:
    wanted = set(path)
    rows = Attachment.objects.filter(message__conversation=conversation).order_by("created_at")
    found: dict[int, list[SentFile]] = {}
    key = project_key(conversation.project)
    for row in rows:
        if row.message_id in wanted and row.message_id is not None:
            found.setdefault(row.message_id, []).append(sent_file(row, key=key))
    return found


def sent_file(row: Attachment, *, key: bytes | None = None) -> SentFile:
    """An attachment as it travels. `key`: its project's, where it is known; else one query."""
    key = key or project_key(row.project)
    name = unseal(key, bytes(row.sealed_name), context=f"{row.pk}/name").decode()
    content = (
        unseal(key, bytes(row.sealed_content), context=f"{row.pk}/content")
        if row.sealed_content
        else b""
    )
    is_image = row.kind == AttachmentKind.IMAGE
    return SentFile(
        kind=AttachmentKind(row.kind),
        name=name,
        text="" if is_image else content.decode(),
        image=content if is_image else b"",
        media_type=row.media_type,
    )


def branch_of(conversation: Conversation, seal: Seal, path: list[int], *, model: str) -> Branch:
    """What is sent when the last message of `path` is asked."""
    return Branch(
        model=model,
        turns=turns_to(conversation, seal, path),
        settings=settings_of(conversation, seal),
    )


def read_label(stored: dict[str, object]) -> Label | None:
    """A label as a row keeps it."""
    if not stored:
        return None
    categories = stored.get("categories")
    return Label(
        Sensitivity.from_word(str(stored["sensitivity"])),
        frozenset(categories if isinstance(categories, list) else ()),
    )


def written_label(label: Label) -> dict[str, object]:
    """`label` for a row."""
    return {"sensitivity": label.sensitivity.word, "categories": sorted(label.categories)}
