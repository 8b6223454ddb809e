"""A project's own words: codenames, clients, matters.

INVARIANT: the words appear in no event and no log; who may read the database may read them.
"""

import re
from collections.abc import Sequence

from django.core.exceptions import ValidationError

from gateway.accounts.access import require
from gateway.accounts.acting import Acting
from gateway.accounts.changes import changing, record_change
from gateway.accounts.models import Project
from gateway.accounts.roles import Role
from gateway.audit.event_types import EventType
from policies.classification import word_lists
from policies.classification.recognizers import DATA_CLASSES
from policies.engine.labels import DEFAULT_MINIMUMS
from policies.models import WordList
from policies.services.reading import current_revision

WORDS_LIMIT = 20_000
_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}")


def set_word_list(
    *, by: Acting, project: Project, name: str, category: str, words: Sequence[str]
) -> None:
    """Give a project a word list, or replace it. Editors may. Its data class is its name."""
    require(by, project, Role.EDITOR)
    with changing():
        WordList.objects.update_or_create(
            project=project, name=name, defaults={"category": category, "words": list(words)}
        )
        _record(by, project, name)


def check_word_list(*, project: Project, name: str, category: str, words: Sequence[str]) -> None:
    """What the configuration file's reader asks of a list. For whoever sets a single one: a file's
    category may come from the policy that it brings. Reads the database.

    Raises ValidationError with a message per field, which quotes no word.
    """
    problems: dict[str, str] = {}
    if not _NAME.fullmatch(name):
        problems["name"] = "A name has letters, digits, - and _ only, up to 63."
    data_class = word_lists.WordList(name=name, category="", words=()).data_class
    others = WordList.objects.filter(project=project).exclude(name=name)
    if data_class in DATA_CLASSES or data_class in {row.as_list().data_class for row in others}:
        problems["name"] = f"The data class {data_class} exists already: choose another name."
    known = _categories(project)
    if category not in known:
        problems["category"] = f"There is no such category: use one of {', '.join(sorted(known))}."
    if not words or len(words) > WORDS_LIMIT:
        problems["words"] = f"A list has 1 to {WORDS_LIMIT} words."
    if problems:
        raise ValidationError(problems)


def _categories(project: Project) -> set[str]:
    """The shipped categories, and those of the policies in effect."""
    found = set(DEFAULT_MINIMUMS)
    for revision in (current_revision(None), current_revision(project)):
        stated = revision.document.get("categories") if revision is not None else None
        found.update(stated if isinstance(stated, dict) else ())
    return found


def remove_word_list(*, by: Acting, project: Project, name: str) -> None:
    """Take a word list away; its words are found no more. Editors may."""
    require(by, project, Role.EDITOR)
    with changing():
        WordList.objects.filter(project=project, name=name).delete()
        _record(by, project, name)


def _record(by: Acting, project: Project, name: str) -> None:
    record_change(
        by,
        EventType.PROJECT_CHANGED,
        "project",
        project.pk,
        project=project.slug,
        name=project.name,
        fields=[f"word_lists.{name}"],
    )
