"""The working copy of a policy: saved, compared, thrown away. Nothing of it is in effect.

A draft may be wrong: it is work in progress, and losing it would be worse. It must only be a
mapping that is not too large. A draft is no part of a snapshot, so it moves no control version.
"""

from collections.abc import Mapping

from django.core.exceptions import ValidationError

from gateway.accounts.acting import Acting, actor_name
from gateway.accounts.changes import changing
from gateway.accounts.models import Project
from gateway.audit.event_types import EventType
from gateway.audit.services import record_event
from policies.engine.document import SIZE_LIMIT
from policies.models import Policy, PolicyDraft
from policies.services.conflicts import Conflict
from policies.services.publishing import document_hash, require_author, require_base


def draft_of(project: Project | None) -> PolicyDraft | None:
    """The draft of a policy; None: there is none. Checks no access."""
    drafts = PolicyDraft.objects.select_related("base", "policy__current", "policy__project")
    return drafts.filter(policy__project=project).first()


def save_draft(
    *,
    by: Acting,
    project: Project | None,
    document: Mapping[str, object],
    version: int = 0,
    base: int | None = None,
) -> PolicyDraft:
    """Save the working copy; `version` is the one that was edited, 0 for a new draft.

    A new draft is made from the revision in effect. `base` says that the editor has looked at
    this revision, which must be the one in effect, and builds on it. Editors may, for the
    organisation's policy admins. Raises PermissionDenied, Conflict, ValidationError (too large).
    """
    require_author(by, project)
    _require_bounded(document)
    with changing():
        policy, _ = Policy.objects.select_related("current").get_or_create(project=project)
        require_base(policy.current, base)
        draft = PolicyDraft.objects.filter(policy=policy).first()
        _require_version(draft, version)
        if draft is None:
            draft = PolicyDraft(policy=policy, base=policy.current, version=0)
        if base is not None:
            draft.base = policy.current
        draft.document = dict(document)
        draft.version += 1
        draft.updated_by = actor_name(by)
        draft.save()
        _record(by, EventType.POLICY_DRAFT_SAVED, draft, hash=document_hash(document))
    return draft


def discard_draft(*, by: Acting, project: Project | None, version: int) -> None:
    """Throw the draft of this version away. Raises PermissionDenied, Conflict."""
    require_author(by, project)
    with changing():
        draft = draft_of(project)
        _require_version(draft, version)
        if draft is not None:
            drop_draft(by, draft)


def drop_draft(by: Acting, draft: PolicyDraft) -> None:
    """Delete a draft within the caller's transaction."""
    _record(by, EventType.POLICY_DRAFT_DISCARDED, draft)
    draft.delete()


def require_draft(project: Project | None, version: int) -> PolicyDraft:
    """The draft of exactly this version. Raises Conflict."""
    draft = draft_of(project)
    if draft is None:
        raise Conflict("This policy has no draft: it was published or thrown away.")
    _require_version(draft, version)
    return draft


def _require_version(draft: PolicyDraft | None, version: int) -> None:
    have = draft.version if draft is not None else 0
    if version == have:
        return
    if draft is None:
        raise Conflict("This draft was published or thrown away. Save yours as a new one.")
    raise Conflict(
        f"The draft was saved by somebody else: it is at version {have}, yours was made from "
        f"version {version}. Look at theirs and save again over version {have}."
    )


def _require_bounded(document: object) -> None:
    if not isinstance(document, Mapping):
        raise ValidationError("A policy is a mapping. Begin it with `kind`.")
    waiting: list[object] = [document]
    seen = 0
    while waiting:
        value = waiting.pop()
        seen += 1
        if seen > SIZE_LIMIT:
            raise ValidationError("This is too large to be a policy. Split it.")
        if isinstance(value, Mapping):
            waiting.extend(value.values())
        elif isinstance(value, list | tuple):
            waiting.extend(value)


def _record(by: Acting, type: EventType, draft: PolicyDraft, **details: str) -> None:
    project = draft.policy.project
    if type is EventType.POLICY_DRAFT_SAVED:
        details["base"] = draft.base.hash if draft.base is not None else ""
    record_event(
        actor=actor_name(by),
        type=type,
        object_type="policy",
        object_id=str(draft.policy_id),
        project=project.slug if project is not None else "",
        details={"version": draft.version, **details},
    )
