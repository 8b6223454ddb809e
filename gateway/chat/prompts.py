"""The prompt library: texts with {{variables}}, with a system prompt and examples beside them."""

import re
from dataclasses import dataclass, field

import msgspec
from django.db.models import Q, QuerySet
from django.utils import timezone

from gateway.accounts.acting import actor_name
from gateway.accounts.models import Project, User
from gateway.audit.holds import refuse_held
from gateway.chat.models import Prompt
from gateway.files.encrypted import seal, unseal
from gateway.files.keys import project_key
from gateway.protocol.errors import InvalidRequest, NotFound

_VARIABLE = re.compile(r"\{\{\s*([^\s{}][^{}]{0,59}?)\s*\}\}")
MAX_TITLE_CHARS, MAX_TEXT_CHARS, MAX_EXAMPLES = 120, 50_000, 20


class Content(msgspec.Struct, kw_only=True):
    """What is sealed of a prompt. `examples`: pairs of question and answer."""

    title: str
    text: str
    system: str = ""
    examples: list[tuple[str, str]] = []

    @property
    def variables(self) -> list[str]:
        """The names in double braces, each once, in order."""
        return list(dict.fromkeys(_VARIABLE.findall(self.text)))


@dataclass(frozen=True, slots=True)
class LibraryEntry:
    """A prompt as its readers see it."""

    id: int
    content: Content = field(repr=False)
    shared: bool
    mine: bool


def list_prompts(user: User, project: Project) -> list[LibraryEntry]:
    """One's own and the shared ones of a project one may write in, by title."""
    key = project_key(project)
    found = [_entry(row, user, key) for row in _visible(user, project)]
    return sorted(found, key=lambda entry: entry.content.title.casefold())


def get_prompt(user: User, project: Project, prompt_id: int) -> LibraryEntry:
    """One of them. Raises NotFound."""
    row = _visible(user, project).filter(pk=prompt_id).first()
    if row is None:
        raise NotFound("There is no such prompt.", param="prompt")
    return _entry(row, user, project_key(project))


def save_prompt(
    user: User, project: Project, content: Content, *, shared: bool, prompt_id: int | None = None
) -> int:
    """Make a prompt, or change one's own; returns its id. Raises InvalidRequest, NotFound."""
    _check(content)
    if prompt_id is None:
        row = Prompt(project=project, owner=user, sealed_content=b"-")
        row.save()
    else:
        row = _own(user, project, prompt_id)
    row.sealed_content = seal(
        project_key(project), msgspec.json.encode(content), context=f"prompt {row.pk}"
    )
    row.shared = shared
    row.updated_at = timezone.now()
    row.save()
    return row.pk


def delete_prompt(user: User, project: Project, prompt_id: int) -> None:
    """Delete one's own. Raises NotFound, UnderLegalHold."""
    refuse_held(project=project.slug, people=[actor_name(user)])
    _own(user, project, prompt_id).delete()


def _visible(user: User, project: Project) -> QuerySet[Prompt]:
    return Prompt.objects.filter(Q(owner=user) | Q(shared=True), project=project)


def _own(user: User, project: Project, prompt_id: int) -> Prompt:
    row = Prompt.objects.filter(owner=user, project=project, pk=prompt_id).first()
    if row is None:
        raise NotFound("There is no such prompt of yours.", param="prompt")
    return row


def _entry(row: Prompt, user: User, key: bytes) -> LibraryEntry:
    opened = unseal(key, bytes(row.sealed_content), context=f"prompt {row.pk}")
    return LibraryEntry(
        row.pk, msgspec.json.decode(opened, type=Content), row.shared, row.owner_id == user.pk
    )


def _check(content: Content) -> None:
    if not content.title.strip() or len(content.title) > MAX_TITLE_CHARS:
        raise InvalidRequest(
            f"A prompt needs a title of at most {MAX_TITLE_CHARS} characters.", param="title"
        )
    if not content.text.strip() or len(content.text) + len(content.system) > MAX_TEXT_CHARS:
        raise InvalidRequest(
            f"A prompt needs a text; with its system prompt it may have {MAX_TEXT_CHARS} "
            "characters.",
            param="text",
        )
    if len(content.examples) > MAX_EXAMPLES:
        raise InvalidRequest(f"A prompt may have {MAX_EXAMPLES} examples.", param="examples")
