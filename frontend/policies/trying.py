"""What a policy would do with a text, in effect or as a draft. The text is never stored."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.utils.translation import gettext as _

from frontend.lens import lens_of
from frontend.policies.places import may_edit, project_to_see
from gateway import runtime
from gateway.accounts.access import projects_of
from gateway.accounts.models import Project, User
from gateway.accounts.roles import Role
from gateway.chat.service import principal_of
from gateway.inference.contracts import Snapshot
from gateway.inference.explain import preview_request
from gateway.protocol.errors import GatewayError
from policies.engine.facts import Endpoint
from policies.services.judging import view_with
from policies.services.overview import named_document

MAX_TEXT = 20_000  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of it: the lens (see `frontend.lens`), the rules that matched, those in shadow
    among them, what each deployment would get masked, or a problem."""

    lens: Mapping[str, Any] | None = None
    matched: Sequence[str] = ()
    masked: Mapping[str, str] = field(default_factory=dict, repr=False)
    problem: str = ""


def projects_to_try(user: User) -> list[Project]:
    """Those in which the organisation's policy can be tried: whose policy the person sees."""
    seen = projects_of(user, Role.MEMBER) | projects_of(user, Role.AUDITOR)
    return list(seen.distinct().order_by("name"))


def try_it(given: Mapping[str, str], *, user: User, project: Project | None) -> Trial:
    """Decide as if `user` sent the text of the form. Nothing is sent, kept or journalled.

    `project` None: the organisation's policy, in the project that the form names. Raises
    NoSuchProject for one whose policy the person does not see.
    """
    text = given.get("text", "")
    if not text.strip():
        return Trial(problem=_("Write a text to try."))
    if len(text) > MAX_TEXT:
        return Trial(problem=_("This is too long to try here: at most 20,000 characters."))
    if project is None and not given.get("project"):
        return Trial(problem=_("Choose a project to try it in: its models and rules count, too."))
    place = project or project_to_see(user, given["project"])
    assert place is not None  # noqa: S101 -- a slug that is given names a project, or raises
    body = {
        "model": given.get("alias", "") or "auto",
        "messages": [{"role": "user", "content": text}],
    }
    try:
        snapshot, age_s = runtime.gateway().fresh_snapshot()
        if given.get("against") == "draft" and may_edit(user, project):
            snapshot = _with_draft(snapshot, place, named_document(project, "draft"))
        preview = preview_request(
            snapshot,
            principal_of(user, place),
            Endpoint.CHAT_COMPLETIONS,
            json.dumps(body).encode(),
            given.get("declare", ""),
            age_s=age_s,
        )
    except GatewayError as error:
        return Trial(problem=error.message)
    except ValueError:
        return Trial(problem=_("The draft cannot be read: check it first."))
    told = preview.told
    return Trial(
        lens=lens_of(told, found_apart=True),
        matched=[*told["rules"], *told["shadow_rules"]],
        masked={name: _words(tree) for name, tree in preview.masked.items()},
    )


def _with_draft(
    snapshot: Snapshot, project: Project, draft: Mapping[str, object] | None
) -> Snapshot:
    """The draft in place of what is in effect; exceptions hold as they do now."""
    if draft is None:
        return snapshot
    now = snapshot.projects.get(project.slug)
    view = replace(view_with(project, draft), suspensions=now.suspensions if now else None)
    return replace(snapshot, projects={**snapshot.projects, project.slug: view})


def _words(tree: Any) -> str:
    """The message's text in a body that was made masked."""
    return str(tree["messages"][0]["content"])
