"""A branch as a file: Markdown to read, JSON to keep."""

import json
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from gateway.accounts.acting import actor_name
from gateway.accounts.models import User
from gateway.audit.event_types import EventType
from gateway.chat.access import get_conversation
from gateway.chat.conversations import record
from gateway.chat.models import Author, Message
from gateway.chat.receipts import read_receipt
from gateway.chat.sealing import Seal
from gateway.chat.tree import shown_leaf, tree_of

FORMATS = ("md", "json")


@dataclass(frozen=True, slots=True)
class Exported:
    """A file of the conversation."""

    name: str
    media_type: str
    content: str = field(repr=False)


def export(user: User, conversation_id: str, *, format: str, at: int | None = None) -> Exported:
    """The branch through `at` (None: the one written last). Raises NoSuchConversation."""
    conversation = get_conversation(user, conversation_id)
    seal = Seal(conversation)
    tree = tree_of(conversation)
    path = tree.path(shown_leaf(conversation, tree, at))
    found = {
        row.pk: row
        for row in Message.objects.filter(conversation=conversation).select_related("author")
    }
    title = seal.open(conversation.sealed_title, "title")
    messages = [_message(found[message], seal) for message in path]
    with transaction.atomic():
        record(
            EventType.CONVERSATION_EXPORTED,
            conversation,
            actor_name(user),
            format=format,
            messages=len(messages),
        )
    name = "".join(each if each.isalnum() else "-" for each in title)[:60].strip("-") or "chat"
    if format == "json":
        content = {"title": title, "project": conversation.project.slug, "messages": messages}
        text = json.dumps(content, ensure_ascii=False, indent=2, default=_moment)
        return Exported(f"{name}.json", "application/json", text)
    return Exported(f"{name}.md", "text/markdown; charset=utf-8", _markdown(title, messages))


def _message(row: Message, seal: Seal) -> dict[str, object]:
    receipt = read_receipt(seal.open(row.sealed_receipt, "receipt"))
    reply = row.role == Author.REPLY
    message: dict[str, object] = {
        "role": "assistant" if reply else "user",
        "by": row.model if reply else str(row.author or ""),
        "at": row.created_at,
        "text": seal.open(row.sealed_text, "text"),
    }
    if reply:
        message |= {
            "state": row.state,
            "deployment": receipt.deployment,
            "zone": receipt.zone,
            "rules": receipt.rules,
            "masked": receipt.masked,
            "decision": receipt.decision,
        }
    return message


def _markdown(title: str, messages: list[dict[str, object]]) -> str:
    parts = [f"# {title}"]
    for message in messages:
        where = f" · {message['deployment']} ({message['zone']})" if message.get("zone") else ""
        parts.append(f"## {message['by']}{where}")
        parts.append(str(message["text"]))
    return "\n\n".join(parts) + "\n"


def _moment(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
