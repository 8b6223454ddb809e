"""What legal holds keep of a person, when somebody wants to erase them."""

from collections.abc import Mapping

from django.db.models import Model, Q, QuerySet

from gateway.accounts.models import Membership
from gateway.audit.holds import lasting
from gateway.batches.models import Batch
from gateway.batches.sheets.models import Sheet
from gateway.chat.models import Attachment, Conversation, Message, Prompt
from gateway.content.models import KeptContent
from gateway.files.models import StoredFile
from gateway.privacy.identity import Identity


def kept_of(who: Identity) -> dict[str, dict[str, int]]:
    """The holds that stand against erasing a person, each as a sentence, with how much of which
    kind it keeps. A project's hold does where the person belongs to it, or left something there.

    Empty: none does. A query per kind and held project.
    """
    holds = lasting()
    found: dict[str, dict[str, int]] = {}
    if not holds.people.keys().isdisjoint(who.actors):
        reason = holds.reason(project="", people=who.actors)
        found[reason or ""] = _counts(who, None)
    belongs = Membership.objects.filter(user=who.user, project__slug__in=holds.projects)
    slugs = set(belongs.values_list("project__slug", flat=True))
    for slug in sorted(holds.projects):
        counts = _counts(who, slug)
        if counts or slug in slugs:
            found[holds.reason(project=slug) or slug] = counts
    return found


def _counts(who: Identity, project: str | None) -> dict[str, int]:
    """How much there is of each kind that there is any of, in one project or (None) in all."""
    counts = {}
    for kind, (rows, path) in _kinds(who).items():
        there = rows if project is None else rows.filter(**{path: project})
        if count := there.count():
            counts[kind] = count
    return counts


def _kinds(who: Identity) -> Mapping[str, tuple[QuerySet[Model], str]]:
    """Rows by kind, and the way from one to its project's slug."""
    user, slug = who.user, "project__slug"
    wrote = Q(owner=user) | Q(messages__author=user)
    return {
        "conversations": (_all(Conversation).filter(wrote).distinct(), slug),
        "messages": (_all(Message).filter(author=user), f"conversation__{slug}"),
        "attachments": (_all(Attachment).filter(owner=user), slug),
        "prompts": (_all(Prompt).filter(owner=user), slug),
        "files": (_all(StoredFile).filter(created_by__in=who.actors), slug),
        "batches": (_all(Batch).filter(actor__in=who.actors), slug),
        "sheets": (_all(Sheet).filter(actor__in=who.actors), slug),
        "kept_content": (_all(KeptContent).filter(person__in=who.actors), slug),
    }


def _all(model: type[Model]) -> QuerySet[Model]:
    return model._default_manager.all()
