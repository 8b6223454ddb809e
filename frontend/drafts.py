"""What somebody is about to send, as the branch it would be: for the lens, before it is stored."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from frontend.views.answers import number_in, text_in, texts_in, words_in, writable_project
from gateway.accounts.models import Project, User
from gateway.chat.access import get_conversation
from gateway.chat.attachments import unsent
from gateway.chat.body import Branch, Settings, Turn, content_of
from gateway.chat.branches import sent_file, settings_of, turns_to
from gateway.chat.conversations import (
    PARAMETERS,
    Wanted,
    checked_parameters,
    checked_system,
)
from gateway.chat.messages import get_message
from gateway.chat.prompts import get_prompt
from gateway.chat.sealing import Seal
from gateway.chat.service import principal_of
from gateway.chat.tree import resting, tree_of
from gateway.inference.contracts import Principal
from gateway.protocol.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft, who writes it, and where its own words begin in what is sent."""

    principal: Principal
    project: Project
    branch: Branch = field(repr=False)

    @property
    def own_place(self) -> tuple[str, int]:
        """(place of the last message's text in the body, how many characters stand before)."""
        turn = self.branch.turns[-1]
        settings = self.branch.settings
        before = bool(settings.system) + 2 * len(settings.examples)
        place = f"/messages/{before + len(self.branch.turns) - 1}/content"
        content = content_of(turn)
        if isinstance(content, str):
            return place, len(content) - len(turn.text)
        return f"{place}/0/text", len(content[0]["text"]) - len(turn.text)


def read_draft(user: User, body: dict[str, Any]) -> Draft:
    """The draft that a page describes. Reads the branch behind which it stands.

    Raises NoSuchConversation, NotFound, InvalidRequest, MayNotChat.
    """
    text, model = text_in(body, "text"), text_in(body, "model")
    ids = words_in(body, "attachments")
    conversation_id = text_in(body, "conversation")
    if conversation_id:
        conversation = get_conversation(user, conversation_id, write=True)
        project = conversation.project
        seal = Seal(conversation)
        parent = number_in(body, "parent")
        behind = resting(get_message(conversation, parent)) if parent is not None else None
        path = tree_of(conversation).path(behind.pk if behind is not None else None)
        turns, settings = turns_to(conversation, seal, path), settings_of(conversation, seal)
    else:
        project = writable_project(user, body.get("project"))
        turns = []
        settings = started_from(
            user, project, number_in(body, "prompt"), texts_in(body, "settings")
        )
    files = tuple(sent_file(row) for row in unsent(user, project, ids)) if ids else ()
    turns.append(Turn(role="user", text=text, files=files))
    return Draft(
        principal_of(user, project), project, Branch(model=model, turns=turns, settings=settings)
    )


def started_from(
    user: User, project: Project, prompt_id: int | None, typed: Mapping[str, str] | None
) -> Settings:
    """What stands around a conversation that starts now.

    `typed`: the fields of its settings as somebody left them; None: they saw none, and what the
    prompt brings along holds. The prompt's examples come in any case. Raises NotFound,
    InvalidRequest.
    """
    brought = Settings() if prompt_id is None else _brought(user, project, prompt_id)
    if typed is None:
        return brought
    values = checked_parameters(parameters_of(typed))
    most = values["max_tokens"]
    return Settings(
        system=checked_system(typed.get("system", "")),
        examples=brought.examples,
        temperature=values["temperature"],
        top_p=values["top_p"],
        max_tokens=None if most is None else int(most),
    )


def wanted(settings: Settings, *, model: str, title: str, temporary: bool) -> Wanted:
    """The conversation that starts with `settings`."""
    return Wanted(
        model=model,
        title=title,
        system=settings.system,
        examples=settings.examples,
        temporary=temporary,
        parameters={name: getattr(settings, name) for name in PARAMETERS},
    )


def _brought(user: User, project: Project, prompt_id: int) -> Settings:
    content = get_prompt(user, project, prompt_id).content
    return Settings(
        system=content.system,
        examples=tuple((question, answer) for question, answer in content.examples),
    )


def parameters_of(typed: Mapping[str, str]) -> dict[str, float | int | None]:
    """The parameters as somebody typed them; an empty field is None. Raises InvalidRequest."""
    return {name: _number(typed.get(name, ""), name) for name in PARAMETERS}


def _number(text: str, name: str) -> float | None:
    if not text.strip():
        return None
    try:
        return float(text)
    except ValueError:
        message = _("%(name)s must be a number.") % {"name": name}
        raise InvalidRequest(message, param=name) from None
