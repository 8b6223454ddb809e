"""A project's own words: codenames, clients, matters.

INVARIANT: the words appear in no event and no log; who may read the database may read them.
"""

from collections.abc import Sequence

from gateway.accounts.access import require
from gateway.accounts.acting import Acting
from gateway.accounts.changes import changing, record_change
from gateway.accounts.models import Project
from gateway.accounts.roles import Role
from gateway.audit.registry import EventType
from policies.models import WordList


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
