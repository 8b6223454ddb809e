"""What the audit's pages say of the words themselves: whether they are kept, for how long, and,
to those who may read them, what was written and answered. Reading is an event."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gateway.accounts.models import Project, User
from gateway.audit.models import RequestRecord
from gateway.content.keys import CredentialUnreadable, Erased, Exchange
from gateway.content.services import (
    NothingKept,
    keeping_days,
    kept_standing,
    read_content,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Content as people read it: who said what, and the whole as it was received."""

    said: Sequence[tuple[str, str]]
    raw: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a decision's page says of its content. `until`: None when nothing is kept."""

    sentence: str
    until: datetime | None = None
    whole: bool = True
    readable: bool = False
    problem: str = ""
    request: Words | None = None
    answer: Words | None = None


def keeping_sentence(projects: Sequence[Project], chosen: str) -> str:
    """What becomes of what is written in the projects that a list shows. One query."""
    days = keeping_days()
    shown = [each for each in projects if not chosen or each.slug == chosen]
    keeping = [each for each in shown if each.slug in days]
    if not keeping:
        return _("What was written is not kept here, only classes and counts.")
    named = ", ".join(
        _("%(project)s (%(days)s)") % {"project": each.name, "days": _days(days[each.slug])}
        for each in keeping
    )
    if len(keeping) == len(shown):
        return _("What was written is kept, encrypted: %(projects)s.") % {"projects": named}
    words = _(
        "What was written is kept, encrypted, in %(projects)s; elsewhere only classes and counts."
    )
    return words % {"projects": named}


def kept_of(record: RequestRecord, user: User, *, read: bool) -> Shown:
    """Whether a request's content is kept; with `read`, the content, and an event that says so.

    Raises PermissionDenied for somebody who may not read it.
    """
    found = kept_standing(by=user, decision_id=record.decision_id)
    if found is None:
        return Shown(sentence=_nothing(record))
    words = (
        _("What was written and answered was for %(day)s to delete; a legal hold keeps it.")
        if found.held
        else _("What was written and answered is kept, encrypted, until %(day)s.")
    )
    shown = Shown(
        sentence=words % {"day": f"{found.expires_at:%Y-%m-%d}"},
        until=found.expires_at,
        whole=found.whole,
        readable=found.readable,
    )
    if not read:
        return shown
    try:
        exchange = read_content(by=user, decision_id=record.decision_id)
    except NothingKept:
        return Shown(sentence=_nothing(record))
    except Erased:
        return replace(shown, problem=_("It was erased: nobody reads it again."))
    except CredentialUnreadable:
        return replace(shown, problem=_("It does not open with this installation's keys."))
    return replace(shown, request=_asked(exchange), answer=_answered(exchange))


def _nothing(record: RequestRecord) -> str:
    days = keeping_days().get(record.project)
    if days is None:
        return _("What was written and answered is not kept here: only classes and counts.")
    words = _(
        "This project keeps what is written and answered for %(days)s. Of this request nothing is"
        " kept, only classes and counts."
    )
    return words % {"days": _days(days)}


def _days(count: int) -> str:
    return ngettext("%(count)d day", "%(count)d days", count) % {"count": count}


def _asked(exchange: Exchange) -> Words:
    tree = _tree(exchange.request)
    said = []
    if isinstance(tree, dict):
        turns = tree.get("messages", tree.get("input", tree.get("prompt")))
        for turn in turns if isinstance(turns, list) else [turns]:
            if isinstance(turn, dict):
                said.append((str(turn.get("role", "")), _text(turn.get("content"))))
            elif turn is not None:
                said.append(("user", _text(turn)))
    return Words(said=[each for each in said if each[1]], raw=_raw(exchange.request, tree))


def _answered(exchange: Exchange) -> Words:
    tree = _tree(exchange.answer)
    if tree is not None:
        said = list(_choices(tree))
    else:
        pieces = (text for event in _events(exchange.answer) for _who, text in _choices(event))
        said = [("assistant", "".join(pieces))]
    return Words(said=[each for each in said if each[1]], raw=_raw(exchange.answer, tree))


def _choices(tree: object) -> Iterator[tuple[str, str]]:
    """The texts of a completion, or of one event of its stream."""
    choices = tree.get("choices") if isinstance(tree, Mapping) else None
    for choice in choices if isinstance(choices, list) else []:
        if isinstance(choice, dict):
            said = choice.get("message") or choice.get("delta") or {}
            text = said.get("content") if isinstance(said, dict) else None
            yield "assistant", _text(text if text is not None else choice.get("text"))


def _text(content: object) -> str:
    """Text of a message: plain, or in parts; of other parts, their kind."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = (each for each in content if isinstance(each, dict))
        return "\n".join(str(part.get("text") or f"[{part.get('type', '')}]") for part in parts)
    return ""


def _events(answer: bytes) -> Iterator[Any]:
    for line in answer.decode(errors="replace").splitlines():
        if line.startswith("data:"):
            tree = _tree(line.removeprefix("data:").encode())
            if tree is not None:
                yield tree


def _tree(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def _raw(raw: bytes, tree: object) -> str:
    if tree is None:
        return raw.decode(errors="replace")
    try:
        return json.dumps(tree, indent=2, ensure_ascii=False)
    except RecursionError:
        return raw.decode(errors="replace")
